"""Rows → figures: `python plot.py` draws every experiment in the store, `python plot.py fig3b` one of them."""

import argparse
from pathlib import Path

import matplotlib as mpl
from tqdm import tqdm

from hydra_plugins.points.errors import one_sentence_errors
from plots.files import write_figure
from store.load import load, load_points
from store.store import Store
from store.summary import reasons, summary


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="*", help="names from conf/experiment; all that were run if none is given")
    parser.add_argument("--store", type=Path, default=Path("outputs/store"))
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for the figures")
    return parser.parse_args()


def main() -> None:
    """Draw, and say what came of each experiment, how long it took, and where its figure is or why there is none."""
    mpl.use("agg")
    asked = arguments()
    store = Store(asked.store)
    for name in tqdm(asked.experiments or store.experiment_names(), unit="figure", disable=None):
        sweep, points = store.experiment(name), load_points(name, asked.store)
        where = write_figure(name, sweep["fixed"], load(name, asked.store), sweep["draws"], asked.to)
        why = reasons(points) if where == "nothing to draw" else []
        tqdm.write("\n".join([f"{summary(name, sweep['fixed'], points)}; {where}", *why]))


if __name__ == "__main__":
    with one_sentence_errors():
        main()
