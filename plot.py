"""Draw figures and judge claims from the rows in the store.

`python plot.py` makes everything but the report, `python plot.py fig3b` makes one figure, and `python plot.py report`
makes one HTML page of all results.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from plots.archive.bundle import clean_commit, write_archive
from plots.benchmarks import BENCHMARKS
from plots.claims.ledger import CLAIMS
from plots.drawing.appearance import appearance_of
from plots.drawing.generic import Arrangement
from plots.files import Request
from plots.making import make_all
from plots.outputs import files_by_experiment, outputs_of
from plots.report.page import REPORT
from plots.stamps import Stamps
from store.disk.store import Store
from store.tables.filtered import axis_values
from store.tables.verification import verify_all
from sweep.errors import drawn_name, require_stored
from system.checks import require, require_name
from system.code.folders import can_write
from system.code.source import ROOT
from system.command.arguments import Parser, name_list, path
from system.command.boundary import ends_in_one_sentence

PLANS = Path("outputs/plan")
OPTION_OF = {"file": "as"}  # names of arguments that differ from their options
NO_EXPERIMENTS = (CLAIMS, BENCHMARKS, REPORT)
STOPPED = "stopped: finished files are whole; the same command makes the others"


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"experiments, {CLAIMS}, {BENCHMARKS} or {REPORT}; without names, all but {REPORT}"
    )
    parser.add_argument("--store", type=path, default=Path("outputs/store"), help="folder of the store with the rows")
    parser.add_argument("--to", type=path, default=Path("outputs/figures"), help="folder for the output files")
    parser.add_argument(
        "--width", help="width of the experiments' figures in a paper: column (3.5 in), page (7.16 in) or inches"
    )
    parser.add_argument(
        "--style", type=path, metavar="FILE", help="a style file of matplotlib, applied to the experiments' figures"
    )
    parser.add_argument(
        "--rows", type=path, metavar="FOLDER", help="also write reference rows and their provenance to this folder"
    )
    parser.add_argument(
        "--outdated", action="store_true", help="draw points that other code computed too, which figures leave out"
    )
    parser.add_argument(
        "--archive", type=path, metavar="FOLDER", help="also write the experiments with their code as an archive"
    )
    parser.add_argument("--redraw", action="store_true", help="make everything again, even what has not changed")
    parser.add_argument(
        "--verify", type=path, metavar="FOLDER", help="only compare with the reference rows in this folder"
    )
    parser.add_argument(
        "--plans", type=path, default=PLANS, help=f"folder with the output of plan.py, for the {REPORT}"
    )
    drawing = parser.add_argument_group("drawing an experiment in another way, into files of another name")
    drawing.add_argument(
        "--where", nargs="+", default=[], metavar="AXIS=VALUE[,VALUE]", help="draw only points with these values"
    )
    drawing.add_argument("--like", default="", metavar="EXPERIMENT", help="draw as the figure of this experiment")
    drawing.add_argument("--x", default="", metavar="AXIS", help="draw the generic figure over this axis")
    drawing.add_argument(
        "--panels", type=name_list, default=(), metavar="AXIS[,AXIS]", help="with panels over these axes"
    )
    drawing.add_argument(
        "--curves", type=name_list, default=(), metavar="AXIS[,AXIS]", help="with curves over these axes"
    )
    drawing.add_argument("--metric", default="", help="with this metric")
    drawing.add_argument("--as", dest="file", default="", metavar="NAME", help="name of the files; NAME_own without it")
    return parser.parse_args()


def requested(args: argparse.Namespace) -> Request:
    """Return how the command line wants experiments to be drawn."""
    where = tuple((axis, tuple(values)) for axis, values in map(axis_values, args.where))
    arrangement = Arrangement(args.x, args.panels, args.curves, args.metric)
    return Request(where, args.like, arrangement, args.outdated, appearance_of(args.width, args.style))


def require_only_verify(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that `--verify` would ignore."""
    others = ("rows", "archive", "redraw", "outdated", "where", "like", "x", "panels", "curves", "metric", "file")
    ignored = [OPTION_OF.get(name, name) for name in others if getattr(args, name)]
    require(not ignored, "verify", args.verify, f"only compares; leave out --{' and --'.join(ignored)}")


def require_experiments(names: Sequence[str]) -> None:
    """Raise `InputError` unless these are experiments, which can be drawn in another way."""
    require(bool(names), "names", "none", "name the experiments to draw in another way")
    for name in names:
        require(name not in NO_EXPERIMENTS, "names", name, "is no experiment, so it cannot be drawn in another way")


def require_free(file: str, names: Sequence[str], swept: Sequence[str]) -> None:
    """Raise `InputError` unless one experiment can have files of this name."""
    require_name(**{"as": file})
    require(len(names) == 1, "as", file, "several experiments cannot have files of one name")
    is_free = file not in NO_EXPERIMENTS and (file in names or file not in swept)
    require(is_free, "as", file, "would replace other files of this name; choose another name")


def main() -> None:
    """Make the outputs that the command line names.

    With `--verify`, only compare the store with reference rows, and exit with 1 if they disagree. Otherwise, for each
    experiment, print a summary of its points, the seconds of work, and the file of its figure or the reason
    why there is none.
    """
    args = arguments()
    swept = Store(args.store).experiment_names()
    if args.verify:
        require_only_verify(args)
        lines, agrees = verify_all(args.store, args.names or swept, args.verify)
        sys.stdout.write(lines)
        sys.exit(not agrees)
    names = list(dict.fromkeys(drawn_name(name, swept) for name in args.names)) or [*swept, BENCHMARKS, CLAIMS]
    request = requested(args)
    for option in ("to", "rows", "archive"):
        folder = getattr(args, option)
        remedy = f"cannot be written; name another folder with --{option}"
        require(folder is None or can_write(folder), option, folder, remedy)
    if args.file or not request.is_plain:
        require_experiments(names if args.names else [])
    if args.file:
        require_free(args.file, names, swept)
    has_plans = args.plans == PLANS or args.plans.is_dir()
    require(has_plans, "plans", args.plans, "is no folder; name that of `python plan.py --to`")
    commit = clean_commit(ROOT) if args.archive else None
    experiments = [name for name in names if name not in NO_EXPERIMENTS]
    known = [name for name in names if name in swept or name not in experiments]
    outputs = outputs_of(known, args.store, args.to, args.plans, args.rows, request, args.file)
    make_all(outputs, Stamps(args.to), args.redraw)
    require_stored(experiments, Store(args.store))
    if commit:
        figures = files_by_experiment(outputs, Stamps(args.to))
        sys.stdout.write(f"{write_archive(args.store, figures, request.appearance, commit, args.archive)}\n")


if __name__ == "__main__":
    with ends_in_one_sentence(stopped=STOPPED):
        main()
