"""Rows → figures and claims: `python plot.py` makes all of the store, `python plot.py fig3b` or `claims` one."""

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
from system.checks import require

CLAIMS = "claims"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="*", help=f"names from conf/experiment, or {CLAIMS}; all if none is given")
    parser.add_argument("--store", type=Path, default=Path("outputs/store"))
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for them")
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
    mpl.use("agg")
    return write_claims(store, folder) if name == CLAIMS else draw_experiment(name, store, folder)


def check(store: Path, experiments: list[str], reference: Path) -> int:
    """Say how rows differ from the reference rows; 1 if they do."""
    require(bool(experiments), "store", store, "nothing to verify is in it; run the experiments first")
    found = [verify(store, name, reference) for name in experiments]
    sys.stdout.write("\n".join(map(str, found)) + "\n")
    return int(any(len(each.wrong) for each in found))


if __name__ == "__main__":
    with one_sentence_errors():
        main()
