"""An experiment's figure as files."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from plots import figures
from plots.stamps import Made
from store.tables.labels import Labels, labels_in

FORMATS = ("png", "pdf", "svg")
NOTHING = "nothing to draw"
Drawn = TypeVar("Drawn")


def write_figure(experiment: str, sweep: Mapping[str, Any], rows: pd.DataFrame, folder: Path) -> Made:
    """Draw an experiment in every format; the outcome says why there is no figure.

    What the command line had set (`fixed`) is written above the figure.
    """
    module = module_of(experiment)
    figure = attempt(module.draw, rows, sweep["draws"], labels_in(sweep)) if module else NOTHING
    if isinstance(figure, str):
        return Made(figure, [])
    if sweep["fixed"]:
        figure.suptitle(", ".join(sweep["fixed"]), fontsize="small")
    return Made("", save(figure, experiment, folder))


def write_card(experiment: str, sweep: Mapping[str, Any], rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the text that an experiment's module offers beside its figure, if it can; return its file."""
    module = module_of(experiment)
    if not hasattr(module, "card") or rows.empty:
        return []
    try:
        card = module.card(rows, sweep["draws"], labels_in(sweep))
    except (KeyError, IndexError):
        return []  # its points lack what the figure lacks, too, and that is said there
    folder.mkdir(parents=True, exist_ok=True)  # the figure may not have been drawn
    path = folder / f"{experiment}.md"
    path.write_text(card, encoding="utf-8")
    return [path]


def module_of(experiment: str) -> Any:
    """Return the module that draws an experiment, if there is one; an embedded variant has that of its original."""
    name = experiment.removesuffix("_embedded")
    rooms = [f"{figures.__name__}.{room.name}" for room in iter_modules(figures.__path__)]
    found = [f"{room}.{name}" for room in rooms if name.isidentifier() and find_spec(f"{room}.{name}")]
    return import_module(found[0]) if found else None


def attempt(
    draw: Callable[[pd.DataFrame, int, Labels], Drawn], rows: pd.DataFrame, draws: int, labels: Labels
) -> Drawn | str:
    """Return what is drawn of the rows, or why nothing is."""
    if rows.empty:
        return NOTHING
    try:
        return draw(rows, draws, labels)
    except (KeyError, IndexError) as error:
        return f"not drawn, its points lack {error}"


def save(figure: Figure, name: str, folder: Path) -> list[Path]:
    """Write a figure in every format, close it, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out: once for all formats
    paths = [folder / f"{name}.{suffix}" for suffix in FORMATS]
    for path in paths:
        figure.savefig(path, dpi=200)
    plt.close(figure)
    return paths
