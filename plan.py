"""Plan a deployment: which server hosts which blocks of a model, and which response times to expect.

`python plan.py INVENTORY.yaml` plans for an inventory of servers; `python plan.py evaluate LAYOUT.yaml` judges a layout
that already runs.
"""

import argparse
import gc
import sys

from planner.choice.search import plan, plan_of_layout
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from planner.output.card import plan_card
from planner.output.files import write
from planner.output.folders import Source, folder_note, folder_of
from planner.study.study_plan import study
from system.checks import require_share
from system.command.arguments import Parser, path
from system.command.boundary import ends_in_one_sentence


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("evaluate", nargs="?", choices=["evaluate"], help="judge a layout that already runs")
    parser.add_argument("file", type=path, help="inventory, or layout with `evaluate`; see planner/examples")
    parser.add_argument("--to", type=path, help="output folder (default: outputs/plan/NAME, from the file's name)")
    parser.add_argument("--seed", type=int, default=0, help="random seed, for workloads that have to be simulated")
    off = "share by which inputs may be wrong (default: block times as measured ones vary, others 0.3)"
    parser.add_argument("--off", type=float, help=off)
    parser.add_argument("--html", action="store_true", help="write plan.html, the whole plan as one page for a browser")
    parser.add_argument("--no-picture", action="store_true", help="do not draw plan.png and plan.svg")
    return parser.parse_intermixed_args()


def main() -> None:
    """Print the plan on the terminal and write it to a folder."""
    gc.freeze()  # what imports made stays until the end; looking through it again takes a tenth of a small plan's time
    args = arguments()
    if args.off is not None:
        require_share(off=args.off)  # checked first, since a plan may take minutes; likewise the folder
    inventory, layout = read_layout(args.file) if args.evaluate else (read_inventory(args.file), None)
    source = Source.of(args.file)
    folder = folder_of(source, args.to)
    best = plan(inventory, args.seed)
    result = study(best if layout is None else plan_of_layout(inventory, layout, args.seed), args.off, args.seed)
    sys.stdout.write(plan_card(result, args.file.stem, best))
    names = write(folder, result, best, with_picture=not args.no_picture, with_page=args.html, source=source)
    sys.stdout.write(f"\nWrote {', '.join(names)} to {folder}/{folder_note(folder, source, args.to)}\n")


if __name__ == "__main__":
    with ends_in_one_sentence():
        main()
