"""Serve jobs by PETALS and compare them with predictions: `python -m serving.engines.petals`."""

import argparse
import sys
from pathlib import Path

from serving.engines.petals.comparison import Comparison, compare
from serving.engines.petals.environment import PYTHON
from serving.engines.petals.table import lines
from system.checks import require_count
from system.command.arguments import Parser, path
from system.command.boundary import ends_in_one_sentence


def arguments() -> argparse.Namespace:
    """Return the command's arguments."""
    parser = Parser(prog="python -m serving.engines.petals", description=__doc__)
    parser.add_argument("--python", type=path, default=PYTHON, help="of an environment with PETALS; see make petals")
    parser.add_argument("--folder", type=path, default=Path("outputs/petals"), help="for the model, logs and the table")
    parser.add_argument("--jobs", type=int, default=Comparison.job_count, help="jobs a load")
    return parser.parse_args()


def main() -> None:
    """Measure, predict, and write the table."""
    args = arguments()
    require_count(jobs=args.jobs)
    comparison = Comparison(job_count=args.jobs)
    text = "\n".join(lines(comparison, compare(comparison, args.folder, args.python))) + "\n"
    (args.folder / "comparison.md").write_text(text)
    sys.stdout.write(f"{text}written: {args.folder / 'comparison.md'}\n")


if __name__ == "__main__":
    with ends_in_one_sentence():
        main()
