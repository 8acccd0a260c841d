"""Rows → figures and claims: `python plot.py` makes all, `python plot.py fig3b` one, `... report` a page of them."""

import argparse
import sys
from pathlib import Path

from plots.claims.ledger import CLAIMS
from plots.drawing.benchmarks import BENCHMARKS
from plots.making import make_all
from plots.outputs import outputs_of
from plots.report.page import REPORT
from plots.stamps import Stamps
from store.disk.store import Store
from store.tables.verification import verify_all
from sweep.errors import one_sentence_errors


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"experiments, {CLAIMS}, {BENCHMARKS}, {REPORT}; all but the last if none"
    )
    parser.add_argument("--store", type=Path, default=Path("outputs/store"))
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for them")
    parser.add_argument("--rows", type=Path, metavar="FOLDER", help="also write reference rows and their provenance")
    parser.add_argument("--redraw", action="store_true", help="also what would come out the same")
    parser.add_argument("--verify", type=Path, metavar="FOLDER", help="only compare with the reference rows there")
    parser.add_argument("--plans", type=Path, default=Path("outputs/plan"), help=f"what plan.py made, for the {REPORT}")
    return parser.parse_args()


def main() -> None:
    """Print of each experiment what came of it, how long it took, and where its figure is or why there is none."""
    args = arguments()
    swept = Store(args.store).experiment_names()
    if args.verify:
        lines, agrees = verify_all(args.store, args.names or swept, args.verify)
        sys.stdout.write(lines)
        sys.exit(not agrees)
    names = list(dict.fromkeys(args.names)) or [*swept, CLAIMS, BENCHMARKS]
    outputs = outputs_of(names, args.store, args.to, args.plans, args.rows)
    make_all(outputs, Stamps(args.to), args.redraw)


if __name__ == "__main__":
    with one_sentence_errors():
        main()
