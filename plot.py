"""Rows → figures and claims: `python plot.py` makes all, `python plot.py fig3b` one, `... report` a page of them."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import matplotlib as mpl
from tqdm import tqdm

from hydra_plugins.points.errors import one_sentence_errors
from plots.benchmarks import BENCHMARKS, write_benchmarks
from plots.claims import CLAIMS, write_claims
from plots.files import draw_experiment
from plots.report.page import REPORT, write_report
from store.reference import write_reference
from store.store import Store
from store.verification import verify_all


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"experiments, {CLAIMS}, {BENCHMARKS}, {REPORT}; all but the last if none"
    )
    parser.add_argument("--store", type=Path, default=Path("outputs/store"))
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for them")
    parser.add_argument("--rows", type=Path, metavar="FOLDER", help="also write reference rows and their provenance")
    parser.add_argument("--verify", type=Path, metavar="FOLDER", help="only compare with the reference rows there")
    parser.add_argument("--plans", type=Path, default=Path("outputs/plan"), help=f"what plan.py made, for the {REPORT}")
    return parser.parse_args()


def main() -> None:
    """Say of each experiment what came of it, how long it took, and where its figure is or why there is none."""
    asked = arguments()
    swept = Store(asked.store).experiment_names()
    if asked.verify:
        told, agrees = verify_all(asked.store, asked.names or swept, asked.verify)
        sys.stdout.write(told)
        sys.exit(not agrees)
    names = asked.names or [*swept, CLAIMS, BENCHMARKS]
    where = (asked.store, asked.to)
    makers = {CLAIMS: partial(write_claims, *where), BENCHMARKS: partial(write_benchmarks, asked.to)}
    makers[REPORT] = partial(write_report, *where, asked.plans)
    with ProcessPoolExecutor(initializer=mpl.use, initargs=("agg",)) as processes:
        tasks = [processes.submit(makers.get(name) or partial(draw_experiment, name, *where)) for name in names]
        if asked.rows:
            processes.submit(write_reference, asked.store, names, asked.rows).result()
        for task in tqdm(tasks, unit="figure", disable=None):
            tqdm.write(f"not made: {task.exception()}" if task.exception() else task.result())
    for task in tasks:
        task.result()  # raises what went wrong, once everything else is told


if __name__ == "__main__":
    with one_sentence_errors():
        main()
