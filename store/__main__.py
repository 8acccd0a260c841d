"""Inspect and clean a store: progress of experiments, their rows, single points, comparisons, outdated files."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from evaluators.points.metrics import metric_meanings
from store.commands.comparison import comparison_lines, comparison_table
from store.commands.prune import file_lines, prunable, remove
from store.commands.show import find_point, point_details
from store.commands.status import experiment_status, status_lines
from store.commands.sweeps import remove_sweeps, sweep_details, sweep_lines
from store.comparisons.compare import BEST, Comparison, compare_commits, compare_stores, compare_values
from store.disk.outcome import COMPLETE
from store.disk.store import ONLY, Store
from store.tables.filtered import axis_values, collect
from store.tables.labels import Labels, labels_in
from store.tables.meanings import dictionary, whole_dictionary
from store.tables.means import means_table, title, wide
from store.tables.reading import FOLDER, Measure, load
from store.tables.text import FORMATS, aligned, require_table_name, write_table
from system.checks import require
from system.command.arguments import Parser, path
from system.command.boundary import ends_in_one_sentence


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(prog="python -m store", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_status,
        _add_collect,
        _add_sweeps,
        _add_show,
        _add_compare,
        _add_table,
        _add_prune,
        _add_dictionary,
    ):
        add(commands)
    return parser.parse_args()


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], None], summary: str) -> Parser:
    command: Parser = commands.add_parser(name, help=summary, description=summary)
    command.add_argument("--store", type=path, default=Path(FOLDER), metavar="FOLDER", help="default: %(default)s")
    command.set_defaults(run=run)
    return command


def _add_where(command: Parser) -> None:
    command.add_argument(
        "--where", nargs="+", default=[], metavar="AXIS=VALUE[,VALUE]", help="keep only rows with these values"
    )


def _add_status(commands: Any) -> None:
    command = _command(
        commands,
        "status",
        _status,
        "show how many points of each experiment are done, failed or missing, and the time left",
    )
    command.add_argument("experiments", nargs="*", help="experiments to show; all by default")


def _status(args: argparse.Namespace) -> None:
    store = Store(args.store)
    names = args.experiments or store.experiment_names()
    require(bool(names), "store", args.store, "it holds no experiments; choose another with --store")
    _write_lines(status_lines(*experiment_status(store, names)))


def _add_collect(commands: Any) -> None:
    command = _command(commands, "collect", _collect, "write the rows of complete points as one table")
    command.add_argument("experiments", nargs="+", help="experiments to read")
    _add_where(command)
    command.add_argument("--metric", nargs="+", default=[], help="keep only these metrics")
    command.add_argument(
        "--provenance", action="store_true", help="add when, by which commit and on which machine each row was computed"
    )
    command.add_argument(
        "--to",
        type=path,
        metavar="FILE",
        help="write a .csv, .parquet, .tex or .md file instead of CSV to the terminal",
    )


def _collect(args: argparse.Namespace) -> None:
    where = dict(axis_values(text) for text in args.where)
    rows, points = collect(args.experiments, args.store, where, args.metric, args.provenance)
    if args.to:
        write_table(rows, args.to, title=f"rows of {', '.join(args.experiments)}")
    else:
        rows.to_csv(sys.stdout, index=False)
    refused = (points["status"].isin(COMPLETE) & (points["status"] != "ok")).sum()
    if refused:
        share = f"{refused} of {len(points)} points {_verb(refused, 'has', 'have')}"
        sys.stderr.write(f"note: {share} draws that were infeasible or unstable\n")
    incomplete = (~points["status"].isin(COMPLETE)).sum()
    if incomplete:
        share = f"{incomplete} of {len(points)} points {_verb(incomplete, 'is', 'are')}"
        sys.stderr.write(f"left out: {share} incomplete; see `python -m store status`\n")


def _verb(number: int, singular: str, plural: str) -> str:
    return singular if number == 1 else plural


def _add_sweeps(commands: Any) -> None:
    command = _command(
        commands, "sweeps", _sweeps, "list the sweeps of an experiment, show one, or take some out of it"
    )
    command.add_argument("experiment", help="experiment whose sweeps to list")
    command.add_argument("sweep", nargs="?", type=int, help="number of the sweep to show")
    change = command.add_mutually_exclusive_group()
    change.add_argument(
        "--remove", nargs="+", type=int, metavar="SWEEP", help="take these sweeps out of the experiment"
    )
    change.add_argument(
        "--only", nargs="+", type=int, metavar="SWEEP", help="take all other sweeps out of the experiment"
    )


def _sweeps(args: argparse.Namespace) -> None:
    store = Store(args.store)
    remedy = f"write `python -m store sweeps {args.experiment.replace(ONLY, ' ')}` to show one sweep"
    require(ONLY not in args.experiment, "experiment", args.experiment, remedy)
    if args.remove or args.only:
        require(args.sweep is None, "sweep", args.sweep, "is to be shown; leave it out to change the list")
        remove_sweeps(store, args.experiment, args.remove or args.only, keep=bool(args.only))
        if args.experiment not in store.experiment_names():
            _write_lines([f"{args.experiment} has no sweeps now; its points stay in the store"])
            return
    number = args.sweep
    is_listing = number is None
    _write_lines(sweep_lines(store, args.experiment) if is_listing else sweep_details(store, args.experiment, number))


def _add_show(commands: Any) -> None:
    command = _command(commands, "show", _show, "show the configuration, code, provenance and means of one point")
    command.add_argument("point", help="name of the point, or enough of its first digits to identify it")


def _show(args: argparse.Namespace) -> None:
    store = Store(args.store)
    sys.stdout.write(point_details(store, find_point(store, args.point)))


def _add_compare(commands: Any) -> None:
    command = _command(
        commands,
        "compare",
        _compare,
        "show paired differences between values of an axis, with a ranking, or between two versions of the code",
    )
    command.add_argument("experiment", help="experiment to compare")
    side = command.add_mutually_exclusive_group(required=True)
    side.add_argument(
        "values",
        nargs="?",
        metavar="AXIS=A,B[,C]",
        help="values to compare with the first of them, such as algorithm=proposed,petals,bprr",
    )
    side.add_argument(
        "--with-store", type=path, metavar="FOLDER", help="compare with the same configurations in another store"
    )
    side.add_argument(
        "--with-commit",
        metavar="REVISION",
        help="compare with the same configurations as computed by this git revision",
    )
    command.add_argument("--metric", default=Measure().metric, help="metric to compare; %(default)s by default")
    command.add_argument("--at", type=float, help="quantile or coordinate at which to compare the metric")
    command.add_argument(
        "--best", choices=BEST, default=BEST[0], help="which results a ranking has first; %(default)s by default"
    )
    command.add_argument("--all", action="store_true", help="also show points that are equal in every draw")
    command.add_argument(
        "--to", type=path, metavar="FILE", help="also write the table to a .csv, .parquet, .tex or .md file"
    )


def _compare(args: argparse.Namespace) -> None:
    comparison = _comparison(args)
    lines = comparison_lines(comparison, args.all)
    _write_lines(lines)
    if args.to:
        write_table(comparison.table, args.to, comparison_table(comparison, _labels(args)), lines[0])


def _add_table(commands: Any) -> None:
    command = _command(commands, "table", _table, "show means with their intervals, by rows and columns")
    command.add_argument("experiment", help="experiment to read")
    command.add_argument(
        "--rows", nargs="+", required=True, metavar="AXIS", help="axes by which the table has its rows"
    )
    command.add_argument("--columns", metavar="AXIS", help="axis whose values are the columns; also metric or at")
    _add_where(command)
    command.add_argument("--metric", nargs="+", default=[Measure().metric], help="metrics; %(default)s by default")
    command.add_argument("--to", type=path, metavar="FILE", help=f"also write a {FORMATS} file")


def _table(args: argparse.Namespace) -> None:
    where = dict(axis_values(text) for text in args.where)
    table = means_table(args.experiment, args.rows, args.columns, args.metric, where, args.store)
    _write_lines([title(table), *aligned(wide(table))])
    if args.to:
        write_table(table.cells, args.to, wide(table, _labels(args)), title(table))


def _labels(args: argparse.Namespace) -> Labels:
    return labels_in(Store(args.store).experiment(args.experiment))


def _comparison(args: argparse.Namespace) -> Comparison:
    measure = Measure(args.metric, args.at)
    if args.with_store is not None:
        return compare_stores(args.experiment, args.with_store, measure, args.store)
    if args.with_commit is not None:
        return compare_commits(args.experiment, args.with_commit, measure, args.store)
    axis, values = axis_values(args.values)
    return compare_values(args.experiment, axis, values, measure, args.store, args.best)


def _add_prune(commands: Any) -> None:
    command = _command(commands, "prune", _prune, "list or delete files that no sweep with the current code will use")
    command.add_argument("--delete", action="store_true", help="delete the files instead of only listing them")


def _prune(args: argparse.Namespace) -> None:
    store = Store(args.store)
    files = prunable(store)
    _write_lines(file_lines(store, files))
    if args.delete:
        remove(store, files)
    if len(files):
        _write_lines(["deleted" if args.delete else "nothing was deleted; add --delete to delete these files"])


def _add_dictionary(commands: Any) -> None:
    command = _command(commands, "dictionary", _dictionary, "explain the columns and metrics of a table")
    command.add_argument("experiment", nargs="?", help="explain only those of this experiment's table; all by default")


def _dictionary(args: argparse.Namespace) -> None:
    metrics = metric_meanings()
    if args.experiment:
        _write_lines(aligned(dictionary(load(args.experiment, args.store), metrics)))
    else:
        _write_lines(aligned(whole_dictionary(metrics)))


def _write_lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def main() -> None:
    """Run the command that the arguments name; report an error in one sentence."""
    with ends_in_one_sentence():
        args = arguments()
        if getattr(args, "to", None):
            require_table_name(args.to)
        args.run(args)


if __name__ == "__main__":
    main()
