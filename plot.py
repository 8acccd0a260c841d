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
from plots.making import make_all
from plots.outputs import outputs_of
from plots.report.page import REPORT
from plots.stamps import Stamps
from store.disk.store import Store
from store.tables.verification import verify_all
from sweep.errors import one_sentence_errors
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
    return parser.parse_args()


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
    appearance = appearance_of(args.width, args.style)
    commit = clean_commit(ROOT) if args.archive else None
    outputs = outputs_of(names, args.store, args.to, args.plans, args.rows, appearance)
    make_all(outputs, Stamps(args.to), args.redraw)
    if commit:
        figures = {name: Stamps(args.to).files_of(name) for name in names if name in swept}
        sys.stdout.write(f"{write_archive(args.store, figures, appearance, commit, args.archive)}\n")


if __name__ == "__main__":
    with one_sentence_errors():
        main()
