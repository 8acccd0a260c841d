"""Rows → figures: `python plot.py` draws every experiment in the store, `python plot.py fig3b` one of them."""

import argparse
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from tqdm import tqdm

from hydra_plugins.points.errors import one_sentence_errors
from store.load import load
from store.store import Store
from store.summary import summary

FORMATS = ("png", "pdf", "svg")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="*", help="names from conf/experiment; all that were run if none is given")
    parser.add_argument("--store", type=Path, default=Path("outputs/store"))
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), help="folder for the figures")
    return parser.parse_args()


def figure_of(experiment: str) -> str | None:
    """The module that draws an experiment; an embedded variant has the figure of the experiment it stands for."""
    module = f"plots.{experiment.removesuffix('_embedded')}"
    return module if find_spec(module) else None


def draw(experiment: str, store: Path, folder: Path) -> list[Path]:
    """Draw one experiment in every format; nothing if it has no rows or no figure."""
    module, rows = figure_of(experiment), load(experiment, store)
    if module is None or rows.empty:
        return []
    figure = import_module(module).draw(rows)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{experiment}.{suffix}" for suffix in FORMATS]
    for file in files:
        figure.savefig(file, dpi=200)
    plt.close(figure)
    return files


def main() -> None:
    mpl.use("agg")
    asked = arguments()
    experiments = asked.experiments or Store(asked.store).experiment_names()
    for name in tqdm(experiments, unit="figure", leave=False, disable=None):
        files = draw(name, asked.store, asked.to)
        tqdm.write(f"{summary(Store(asked.store), name)}; {files[0] if files else 'nothing to draw'}")


if __name__ == "__main__":
    with one_sentence_errors():
        main()
