"""Rows → figures and claims: `python plot.py` draws every experiment in the store and writes the ledger of claims,
`python plot.py fig3b` and `python plot.py claims` one of them; `--verify` compares with reference rows instead."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib as mpl
from tqdm import tqdm

from hydra_plugins.points.errors import one_sentence_errors
from plots.claims import write_claims
from plots.files import draw_experiment
from store.reference import write_reference
from store.store import Store
from store.verification import verify

CLAIMS = "claims"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = f"names from conf/experiment, or {CLAIMS}; all that were run, and {CLAIMS}, if none is given"
    parser.add_argument("experiments", nargs="*", help=names)
    parser.add_argument("--store", type=Path, default=Path("outputs/store"))
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for the figures and claims")
    parser.add_argument("--rows", type=Path, metavar="FOLDER", help="also write reference rows and their provenance")
    parser.add_argument("--verify", type=Path, metavar="FOLDER", help="only compare with the reference rows there")
    return parser.parse_args()


def main() -> None:
    """Say of each experiment what came of it, how long it took, and where its figure is or why there is none."""
    asked = arguments()
    swept = Store(asked.store).experiment_names()
    names = asked.experiments or [*swept, CLAIMS]
    if asked.verify:
        sys.exit(check(asked.store, asked.experiments or swept, asked.verify))
    with ProcessPoolExecutor() as processes:
        tasks = [processes.submit(make, name, asked.store, asked.to) for name in names]
        if asked.rows:
            processes.submit(write_reference, asked.store, names, asked.rows).result()
        for task in tqdm(tasks, unit="figure", disable=None):
            tqdm.write(task.result())


def make(name: str, store: Path, folder: Path) -> str:
    """Draw an experiment or write the ledger; what came of it."""
    mpl.use("agg")
    return write_claims(store, folder) if name == CLAIMS else draw_experiment(name, store, folder)


def check(store: Path, experiments: list[str], reference: Path) -> int:
    """Compare each experiment's rows with the reference rows and say how they differ; 1 if they disagree."""
    found = [verify(store, name, reference) for name in experiments]
    sys.stdout.write("\n".join(map(str, found)) + "\n")
    return int(any(len(each.wrong) for each in found))


if __name__ == "__main__":
    with one_sentence_errors():
        main()
