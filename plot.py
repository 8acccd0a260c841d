"""Rows → figures and claims: `python plot.py` makes all, `python plot.py fig3b`, `claims` or `benchmarks` one."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib as mpl
from tqdm import tqdm

from hydra_plugins.points.errors import one_sentence_errors
from plots.benchmarks import BENCHMARKS, write_benchmarks
from plots.claims import CLAIMS, write_claims
from plots.files import draw_experiment
from store.reference import write_reference
from store.store import Store
from store.verification import verify_all


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = f"names from conf/experiment, {CLAIMS} or {BENCHMARKS}; all if none is given"
    parser.add_argument("experiments", nargs="*", help=names)
    parser.add_argument("--store", type=Path, default=Path("outputs/store"))
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for them")
    parser.add_argument("--rows", type=Path, metavar="FOLDER", help="also write reference rows and their provenance")
    parser.add_argument("--verify", type=Path, metavar="FOLDER", help="only compare with the reference rows there")
    return parser.parse_args()


def main() -> None:
    """Say of each experiment what came of it, how long it took, and where its figure is or why there is none."""
    asked = arguments()
    swept = Store(asked.store).experiment_names()
    if asked.verify:
        told, agrees = verify_all(asked.store, asked.experiments or swept, asked.verify)
        sys.stdout.write(told)
        sys.exit(not agrees)
    names = asked.experiments or [*swept, CLAIMS, BENCHMARKS]
    with ProcessPoolExecutor() as processes:
        tasks = [processes.submit(make, name, asked.store, asked.to) for name in names]
        if asked.rows:
            processes.submit(write_reference, asked.store, names, asked.rows).result()
        for task in tqdm(tasks, unit="figure", disable=None):
            tqdm.write(f"not made: {task.exception()}" if task.exception() else task.result())
    for task in tasks:
        task.result()  # raises what went wrong, once everything else is told


def make(name: str, store: Path, folder: Path) -> str:
    mpl.use("agg")
    if name == BENCHMARKS:
        return write_benchmarks(folder)
    return write_claims(store, folder) if name == CLAIMS else draw_experiment(name, store, folder)


if __name__ == "__main__":
    with one_sentence_errors():
        main()
