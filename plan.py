"""Inventory → plan: `python plan.py INVENTORY.yaml`, or `python plan.py evaluate LAYOUT.yaml` for what runs already."""

import argparse
import signal
import sys
from pathlib import Path

from planner.choice.search import plan, running
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from planner.output.card import plan_card
from planner.output.files import write
from planner.study.study_plan import study
from system import InputError
from system.checks import require_share


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evaluate", nargs="?", choices=["evaluate"], help="ask about a layout that runs already")
    parser.add_argument("file", type=Path, help="inventory, or layout, as in planner/examples")
    parser.add_argument("--to", type=Path, help="folder for plan.json, the picture and the start commands")
    parser.add_argument("--seed", type=int, default=0, help="of the jobs, where a workload has to be simulated")
    parser.add_argument("--off", type=float, default=0.3, help="share by which block times and links may be off")
    parser.add_argument("--no-picture", action="store_true")
    return parser.parse_intermixed_args()


def main() -> None:
    """Tell the plan on the terminal and write it to a folder."""
    asked = arguments()
    require_share(off=asked.off)  # before a plan is made that may take minutes
    inventory, layout = read_layout(asked.file) if asked.evaluate else (read_inventory(asked.file), None)
    best = plan(inventory, asked.seed)
    found = study(best if layout is None else running(inventory, layout, asked.seed), asked.off, asked.seed)
    sys.stdout.write(plan_card(found, asked.file.stem, best))
    folder = asked.to or Path("outputs/plan") / asked.file.stem
    written = write(folder, found, best, with_picture=not asked.no_picture)
    sys.stdout.write(f"\nwritten: {folder}/ with {', '.join(written)}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the command without a word
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
