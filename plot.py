"""Draw figures and judge claims from the rows in the store.

`python plot.py` makes everything but the report, `python plot.py fig3b` makes one figure, and `python plot.py report`
makes one HTML page of all results.
"""

import argparse
import sys
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
from sweep.errors import one_sentence_errors, require_stored
from system.checks import require
from system.code.source import ROOT


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"experiments, {CLAIMS}, {BENCHMARKS} or {REPORT}; without names, all but {REPORT}"
    )
    parser.add_argument("--store", type=Path, default=Path("outputs/store"), help="folder of the store with the rows")
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for the output files")
    parser.add_argument(
        "--width", help="width of the experiments' figures in a paper: column (3.5 in), page (7.16 in) or inches"
    )
    parser.add_argument(
        "--style", type=Path, metavar="FILE", help="a style file of matplotlib, applied to the experiments' figures"
    )
    parser.add_argument(
        "--rows", type=Path, metavar="FOLDER", help="also write reference rows and their provenance to this folder"
    )
    parser.add_argument(
        "--archive", type=Path, metavar="FOLDER", help="also write the experiments with their code as an archive"
    )
    parser.add_argument("--redraw", action="store_true", help="make everything again, even what has not changed")
    parser.add_argument(
        "--verify", type=Path, metavar="FOLDER", help="only compare with the reference rows in this folder"
    )
    parser.add_argument(
        "--plans", type=Path, default=Path("outputs/plan"), help=f"folder with the output of plan.py, for the {REPORT}"
    )
    drawing = parser.add_argument_group("drawing an experiment in another way, into files of another name")
    drawing.add_argument(
        "--where", nargs="+", default=[], metavar="AXIS=VALUE[,VALUE]", help="draw only points with these values"
    )
    drawing.add_argument("--like", default="", metavar="EXPERIMENT", help="draw as the figure of this experiment")
    drawing.add_argument("--x", default="", metavar="AXIS", help="draw the generic figure over this axis")
    drawing.add_argument("--panels", type=_names, default=(), metavar="AXIS[,AXIS]", help="with panels over these axes")
    drawing.add_argument("--curves", type=_names, default=(), metavar="AXIS[,AXIS]", help="with curves over these axes")
    drawing.add_argument("--metric", default="", help="with this metric")
    drawing.add_argument("--as", dest="file", default="", metavar="NAME", help="name of the files; NAME_own without it")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def requested(args: argparse.Namespace) -> Request:
    """Return how the command line wants experiments to be drawn."""
    where = tuple((axis, tuple(values)) for axis, values in map(axis_values, args.where))
    arrangement = Arrangement(args.x, args.panels, args.curves, args.metric)
    return Request(where, args.like, arrangement, appearance_of(args.width, args.style))


def main() -> None:
    """Make the outputs that the command line names.

    With `--verify`, only compare the store with reference rows, and exit with 1 if they disagree. Otherwise, for each
    experiment, print a summary of its points, the seconds of work, and the file of its figure or the reason
    why there is none.
    """
    args = arguments()
    swept = Store(args.store).experiment_names()
    if args.verify:
        lines, agrees = verify_all(args.store, args.names or swept, args.verify)
        sys.stdout.write(lines)
        sys.exit(not agrees)
    names = list(dict.fromkeys(args.names)) or [*swept, CLAIMS, BENCHMARKS]
    request = requested(args)
    if args.file or not request.is_plain:
        require(bool(args.names), "names", "none", "name the experiments to draw in another way")
        require(len(names) == 1 or not args.file, "as", args.file, "several experiments cannot have files of one name")
    commit = clean_commit(ROOT) if args.archive else None
    experiments = [name for name in names if name not in (CLAIMS, BENCHMARKS, REPORT)]
    known = [name for name in names if name in swept or name not in experiments]
    outputs = outputs_of(known, args.store, args.to, args.plans, args.rows, request, args.file)
    make_all(outputs, Stamps(args.to), args.redraw)
    require_stored(experiments, Store(args.store))
    if commit:
        figures = files_by_experiment(outputs, Stamps(args.to))
        sys.stdout.write(f"{write_archive(args.store, figures, request.appearance, commit, args.archive)}\n")


if __name__ == "__main__":
    with one_sentence_errors():
        main()
