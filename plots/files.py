"""Figures and cards of experiments, written as files."""

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
from plots.drawing.appearance import Appearance
from plots.drawing.fitting import fit
from plots.stamps import Made
from store.disk.store import configured_name
from store.tables.labels import Labels, labels_in
from store.tables.statistics import PoolingError

FORMATS = ("png", "pdf", "svg")
METADATA = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}  # the same figure is the same file
NOTHING = "nothing to draw"
TOO_NARROW = "not drawn: its texts do not fit a width of {:g} in; choose a larger --width"
Drawn = TypeVar("Drawn")


def write_figure(
    experiment: str, sweep: Mapping[str, Any], rows: pd.DataFrame, folder: Path, appearance: Appearance
) -> Made:
    """Draw an experiment and save its figure in every format.

    The outcome is empty, or says why there is no figure. The settings of the command line (`fixed`) are written above
    the figure.
    """
    module = module_of(experiment)
    with appearance.applied():
        figure = try_to_draw(module.draw, rows, sweep["draws"], labels_in(sweep)) if module else NOTHING
        if isinstance(figure, str):
            return Made(figure, [])
        if sweep["fixed"]:
            figure.suptitle(", ".join(sweep["fixed"]), fontsize="small")
        if appearance.width_in and not fit(figure, appearance.width_in):
            plt.close(figure)
            return Made(TOO_NARROW.format(appearance.width_in), [])
        return Made("", save(figure, experiment, folder))


def write_card(experiment: str, sweep: Mapping[str, Any], rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the card of an experiment and return its file.

    Return no file if the experiment's module has no `card` function, if there are no rows, or if the rows lack an axis
    or metric that the card needs.
    """
    module = module_of(experiment)
    if not hasattr(module, "card") or rows.empty:
        return []
    try:
        card = module.card(rows, sweep["draws"], labels_in(sweep))
    except (KeyError, IndexError, PoolingError):
        return []  # the figure lacks the same axis or metric, and its outcome says so
    folder.mkdir(parents=True, exist_ok=True)  # there may be no figure
    path = folder / f"{experiment}.md"
    path.write_text(card, encoding="utf-8")
    return [path]


def module_of(experiment: str) -> Any:
    """Return the module that draws an experiment, or None.

    An embedded variant is drawn by the module of the original.
    """
    name = configured_name(experiment)
    packages = [f"{figures.__name__}.{package.name}" for package in iter_modules(figures.__path__)]
    modules = [f"{package}.{name}" for package in packages if name.isidentifier() and find_spec(f"{package}.{name}")]
    return import_module(modules[0]) if modules else None


def try_to_draw(
    draw: Callable[[pd.DataFrame, int, Labels], Drawn], rows: pd.DataFrame, draws: int, labels: Labels
) -> Drawn | str:
    """Return what `draw` draws, or why it does not."""
    if rows.empty:
        return NOTHING
    try:
        return draw(rows, draws, labels)
    except PoolingError as error:
        return f"not drawn: {error}"
    except (KeyError, IndexError) as error:
        return f"not drawn: its points lack {error}"


def save(figure: Figure, name: str, folder: Path) -> list[Path]:
    """Save a figure in every format and close it.

    Return its files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # keep this layout for all formats
    paths = [folder / f"{name}.{suffix}" for suffix in FORMATS]
    for path in paths:
        figure.savefig(path, dpi=200, metadata=METADATA.get(path.suffix[1:]))
    plt.close(figure)
    return paths
