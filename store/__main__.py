"""See and manage a store: how far experiments are, their rows, one point, two sides of a comparison, what can go."""

import argparse
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from evaluators.points.metrics import metric_meanings
from store.commands.prune import prunable, remove, told_files
from store.commands.show import find_point, point_details
from store.commands.status import experiment_status, told_status
from store.disk.outcome import COMPLETE
from store.disk.store import Store
from store.tables.compare import Comparison, compare_commits, compare_stores, compare_values, told_comparison
from store.tables.filtered import collect
from store.tables.meanings import dictionary, whole_dictionary
from store.tables.pairs import Measure
from store.tables.reading import FOLDER, load
from store.tables.text import aligned, require_table_name, write_table
from system.checks import require
from system.errors import InputError

COMMA = re.compile(r",(?![^\[]*\])")  # not within a list, which is one value


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m store", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = _command(commands, "status", _status, "points done, failed and missing of experiments, and the time left")
    one.add_argument("experiments", nargs="*", help="all of the store if none is given")
    one = _command(commands, "collect", _collect, "the rows of complete points as one table")
    one.add_argument("experiments", nargs="+")
    one.add_argument("--where", nargs="+", default=[], metavar="AXIS=VALUE[,VALUE]", help="rows to keep")
    one.add_argument("--metric", nargs="+", default=[], help="metrics to keep")
    one.add_argument("--provenance", action="store_true", help="when, by which commit and on what each row was made")
    one.add_argument("--to", type=Path, metavar="FILE", help=".csv or .parquet; else CSV to the terminal")
    one = _command(commands, "show", _show, "configuration, code, provenance and means of one point")
    one.add_argument("point", help="its name, or as many first digits as tell it from others")
    one = _command(
        commands, "compare", _compare, "paired differences: two values of an axis, or two versions of the code"
    )
    one.add_argument("experiment")
    side = one.add_mutually_exclusive_group(required=True)
    side.add_argument("values", nargs="?", metavar="AXIS=A,B", help="such as algorithm=petals,proposed")
    side.add_argument("--with-store", type=Path, metavar="FOLDER", help="the same configurations in another store")
    side.add_argument("--with-commit", metavar="COMMIT", help="the same as this commit computed them into the store")
    one.add_argument("--metric", default=Measure().metric)
    one.add_argument("--at", type=float, help="the quantile or coordinate, of a metric that has several")
    one.add_argument("--to", type=Path, metavar="FILE", help="also write the table, as .csv or .parquet")
    one = _command(commands, "prune", _prune, "what no sweep of today's code will use again")
    one.add_argument("--delete", action="store_true", help="remove it; without this it is only listed")
    one = _command(commands, "dictionary", _dictionary, "what the columns and metrics of a table mean")
    one.add_argument("experiment", nargs="?", help="those of its table; all if none is given")
    return parser.parse_args()


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], None], told: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=told, description=told)
    command.add_argument("--store", type=Path, default=Path(FOLDER), metavar="FOLDER")
    command.set_defaults(run=run)
    return command


def _status(asked: argparse.Namespace) -> None:
    store = Store(asked.store)
    names = asked.experiments or store.experiment_names()
    require(bool(names), "store", asked.store, "no experiment was swept into it; name another with --store")
    _say(told_status(*experiment_status(store, names)))


def _collect(asked: argparse.Namespace) -> None:
    if asked.to:
        require_table_name(asked.to)
    where = dict(_axis_values(text) for text in asked.where)
    rows, points = collect(asked.experiments, asked.store, where, asked.metric, asked.provenance)
    write_table(rows, asked.to) if asked.to else rows.to_csv(sys.stdout, index=False)
    refused = (points["status"].isin(COMPLETE) & (points["status"] != "ok")).sum()
    if refused:
        sys.stderr.write(f"mind: {refused} of {len(points)} points lack the draws in which they are refused\n")
    incomplete = (~points["status"].isin(COMPLETE)).sum()
    if incomplete:
        sys.stderr.write(
            f"left out: {incomplete} of {len(points)} points are not complete; see `python -m store status`\n"
        )


def _show(asked: argparse.Namespace) -> None:
    store = Store(asked.store)
    sys.stdout.write(point_details(store, find_point(store, asked.point)))


def _compare(asked: argparse.Namespace) -> None:
    if asked.to:
        require_table_name(asked.to)
    comparison = _comparison(asked)
    _say(told_comparison(comparison))
    if asked.to:
        write_table(comparison.table, asked.to)


def _comparison(asked: argparse.Namespace) -> Comparison:
    measure = Measure(asked.metric, asked.at)
    if asked.with_store:
        return compare_stores(asked.experiment, asked.with_store, measure, asked.store)
    if asked.with_commit:
        return compare_commits(asked.experiment, asked.with_commit, measure, asked.store)
    axis, values = _axis_values(asked.values)
    require(len(values) == 2, axis, ",".join(values), "give two values, such as algorithm=petals,proposed")
    return compare_values(asked.experiment, axis, (values[0], values[1]), measure, asked.store)


def _prune(asked: argparse.Namespace) -> None:
    store = Store(asked.store)
    files = prunable(store)
    _say(told_files(store, files))
    if asked.delete:
        remove(store, files)
    if len(files):
        _say(["removed" if asked.delete else "nothing is removed; --delete does that"])


def _dictionary(asked: argparse.Namespace) -> None:
    metrics = metric_meanings()
    if asked.experiment:
        _say(aligned(dictionary(load(asked.experiment, asked.store), metrics)))
    else:
        _say(aligned(whole_dictionary(metrics)))


def _axis_values(text: str) -> tuple[str, list[str]]:
    """The two sides of `axis=value,value`."""
    axis, sign, values = text.partition("=")
    require(bool(axis and sign and values), "axis", text, "write axis=value or axis=value,value")
    return axis, COMMA.split(values)


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def main() -> None:
    """Run the command that was asked for; what is wrong with it is said in one sentence."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    asked = arguments()
    try:
        asked.run(asked)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the command without a word
    main()
