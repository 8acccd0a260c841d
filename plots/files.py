"""An experiment's figure as files."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from store.load import load_results
from store.precision import widest_interval
from store.store import Store
from store.summary import reasons, summary

FORMATS = ("png", "pdf", "svg")
NOTHING = "nothing to draw"
Drawn = TypeVar("Drawn")


def draw_experiment(name: str, store: Path, folder: Path) -> str:
    """Draw what the store has of an experiment; what came of it, how sure its means are, and where the figure is."""
    sweep, (rows, points) = Store(store).experiment(name), load_results(name, store)
    where = write_figure(name, sweep["fixed"], rows, sweep["draws"], folder)
    why = reasons(points) if where == NOTHING else []
    return "\n".join(
        [
            f"{summary(name, sweep['fixed'], points)}; {where}",
            *write_card(name, rows, sweep["draws"], folder),
            *widest_interval(rows, sweep["axes"], sweep["draws"]),
            *why,
        ]
    )


def write_figure(experiment: str, fixed: Sequence[str], rows: pd.DataFrame, draws: int, folder: Path) -> str:
    """Draw an experiment in every format and say where it is, or why there is nothing.

    What the command line had set (`fixed`) is written above the figure.
    """
    module = module_of(experiment)
    figure = attempt(module.draw, rows, draws) if module else NOTHING
    if isinstance(figure, str):
        return figure
    if fixed:
        figure.suptitle(", ".join(fixed), fontsize="small")
    return save(figure, experiment, folder)


def write_card(experiment: str, rows: pd.DataFrame, draws: int, folder: Path) -> list[str]:
    """Write the text that an experiment's module offers beside its figure, if it does, and say where it is."""
    module = module_of(experiment)
    if not hasattr(module, "card") or rows.empty:
        return []
    folder.mkdir(parents=True, exist_ok=True)  # the figure may not have been drawn
    path = folder / f"{experiment}.md"
    path.write_text(module.card(rows, draws), encoding="utf-8")
    return [f"    card: {path}"]


def module_of(experiment: str) -> Any:
    """The module that draws an experiment, if there is one; an embedded variant has that of what it stands for."""
    module = f"plots.{experiment.removesuffix('_embedded')}"
    return import_module(module) if find_spec(module) else None


def attempt(draw: Callable[[pd.DataFrame, int], Drawn], rows: pd.DataFrame, draws: int) -> Drawn | str:
    """What it makes of the rows, or why it makes nothing."""
    if rows.empty:
        return NOTHING
    try:
        return draw(rows, draws)
    except (KeyError, IndexError) as error:
        return f"not drawn, its points lack {error}"


def save(figure: Figure, name: str, folder: Path) -> str:
    """Write a figure in every format, close it, and say where the first is."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out: once for all formats
    for suffix in FORMATS:
        figure.savefig(folder / f"{name}.{suffix}", dpi=200)
    plt.close(figure)
    return str(folder / f"{name}.{FORMATS[0]}")
