"""Figures and cards of experiments, written as files."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from evaluators.points.metrics import metric_meanings
from plots import figures
from plots.drawing import generic
from plots.drawing.appearance import AS_DRAWN, Appearance
from plots.drawing.fitting import MARGIN_IN, fit
from plots.drawing.generic import AUTOMATIC, Arrangement
from plots.drawing.panels import absent
from plots.drawing.style import DrawingError
from plots.drawing.texts import wrap
from plots.stamps import Made
from store.commands.card import means
from store.disk.store import configured_name, data_label
from store.tables.labels import Labels, labels_in
from store.tables.reading import OWN, Results
from store.tables.statistics import PoolingError
from system import InputError
from system.command.boundary import FULL_ERROR

FORMATS = ("png", "pdf", "svg")
METADATA = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}  # the same figure is the same file
NOTHING = "nothing to draw"
TOO_NARROW = "not drawn: its texts do not fit a width of {:g} in; choose a larger --width"
Drawn = TypeVar("Drawn")
LACKING = (KeyError, IndexError, PoolingError, DrawingError)  # of results that a figure cannot show


class Request(NamedTuple):
    """What the command line asks for: the values of axes to keep, how to draw them, and how figures look."""

    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    like: str = ""  # the experiment whose module draws this one
    arrangement: Arrangement = AUTOMATIC
    outdated: bool = False  # whether points that other code computed are drawn, too
    appearance: Appearance = AS_DRAWN

    @property
    def is_plain(self) -> bool:
        """Return whether figures show what they do without any wish."""
        return self._replace(outdated=False, appearance=AS_DRAWN) == PLAIN


PLAIN = Request()


class Subject(NamedTuple):
    """What is drawn: an experiment, the record of its sweep, its results, and the name of the files."""

    experiment: str
    sweep: Mapping[str, Any]
    results: Results
    file: str

    @property
    def labels(self) -> Labels:
        """Return the labels of the values of axes."""
        return labels_in(self.sweep)


def write_figure(subject: Subject, folder: Path, title: str = "", request: Request = PLAIN) -> Made:
    """Draw an experiment and save its figure in every format.

    The outcome is empty, or says why there is no figure. The title is written above the figure, below the label of
    embedded data and above the choices of which no point has a result. A single point that no module draws has a card
    instead of a figure.
    """
    draw = drawing_of(subject.experiment, request)
    if isinstance(draw, partial) and _is_single(subject.results):
        return Made("", [_write_text(_labelled(_point_card(subject), subject), subject.file, folder)])
    lacking = absent(subject.results, subject.labels)
    lines = [*data_label(subject.experiment), *filter(None, [title])]
    lines += [f"without any result: {'; '.join(lacking)}"] if lacking else []
    width_in = request.appearance.width_in
    with request.appearance.applied():
        figure = try_to_draw(draw, subject.results, subject.labels)
        if isinstance(figure, str):
            return Made(figure, [])
        if lines:
            above = figure.suptitle("\n".join(lines), fontsize="small")
            wrap(above, figure.get_figwidth() - MARGIN_IN)
        if width_in and not fit(figure, width_in):
            plt.close(figure)
            return Made(TOO_NARROW.format(width_in), [])
        return Made("", save(figure, subject.file, folder))


def write_card(subject: Subject, folder: Path, like: str = "") -> list[Path]:
    """Write the card of an experiment and return its file.

    Return no file if the experiment's module has no `card` function, if there are no rows, or if the rows lack an axis
    or metric that the card needs.
    """
    module = module_of(like or subject.experiment)
    if not callable(getattr(module, "card", None)) or subject.results.rows.empty:
        return []
    try:
        card = guarded(module.card, str)(subject.results, subject.labels)
    except LACKING:
        return []  # the figure lacks the same axis or metric, and its outcome says so
    return [_write_text(_labelled(card, subject), subject.file, folder)]


def parts_of(experiment: str, points: pd.DataFrame) -> dict[str, bool]:
    """Return by name whether a figure shows declared points only.

    The points that its own file declares have a figure with its name. If there are others, all points have a figure
    whose name ends in `_own`, which never replaces the first. An experiment without any module and declared point has a
    figure of all points with its name.
    """
    has_declared, has_no_other = points["is_declared"].any(), points["is_declared"].all()
    if has_no_other or (not has_declared and module_of(experiment) is None):
        return {experiment: bool(has_no_other)}
    whole = {f"{experiment}{OWN}": False}
    return {experiment: True} | whole if has_declared else whole


def drawing_of(experiment: str, request: Request = PLAIN) -> Callable[[Results, Labels], Figure]:
    """Return the function that draws an experiment."""
    module = module_of(request.like or experiment)
    if request.like and module is None:
        raise InputError(f"like = {request.like}: no module in plots/figures has this name; choose one that has")
    if module is None or request.arrangement != AUTOMATIC:
        return partial(generic.draw, metrics=metric_meanings(), wanted=request.arrangement)
    return guarded(module.draw, Figure)


def guarded(function: Callable[[Results, Labels], Any], kind: type[Drawn]) -> Callable[[Results, Labels], Drawn]:
    """Return a module's function that raises `InputError` for a mistake in it.

    A result of another kind is one.
    """
    name = f"{function.__module__.replace('.', '/')}.py: {function.__name__}(results, labels)"

    def call(results: Results, labels: Labels) -> Drawn:
        try:
            made = function(results, labels)
        except (InputError, *LACKING):
            raise
        except (Exception, SystemExit) as error:
            mistake = f"{type(error).__name__}: {error}"
            raise InputError(f"{name}: ends in {mistake}; correct it ({FULL_ERROR}=1 shows where)") from error
        if not isinstance(made, kind):
            raise InputError(f"{name}: returns a {type(made).__name__}; it must return a {kind.__name__}")
        return made

    return call


def module_of(experiment: str) -> Any:
    """Return the module that draws an experiment, or None.

    An embedded variant is drawn by the module of the original. Raises `InputError` for a module that cannot be used.
    """
    name = configured_name(experiment)
    packages = [f"{figures.__name__}.{package.name}" for package in iter_modules(figures.__path__)]
    modules = [f"{package}.{name}" for package in packages if name.isidentifier() and find_spec(f"{package}.{name}")]
    if len(modules) > 1:
        raise InputError(f"experiment = {name}: {' and '.join(modules)} both draw it; keep one of them")
    return _checked(modules[0]) if modules else None


def _checked(name: str) -> ModuleType:
    """Return a module that can draw.

    Raises `InputError` that names the file if the module lacks a docstring or a function `draw`.
    """
    file = f"{name.replace('.', '/')}.py"
    try:
        module = import_module(name)
    except (Exception, SystemExit) as error:
        raise InputError(f"{file}: cannot be imported: {type(error).__name__}: {error}") from error
    if not module.__doc__:
        raise InputError(f"{file}: has no docstring; say on its first line what the figure shows")
    if not callable(getattr(module, "draw", None)):
        raise InputError(f"{file}: has no function draw(results, labels) that returns a figure")
    return module


def try_to_draw(draw: Callable[[Results, Labels], Drawn], results: Results, labels: Labels) -> Drawn | str:
    """Return what `draw` draws, or why it does not."""
    if results.rows.empty:
        return NOTHING
    try:
        return draw(results, labels)
    except (PoolingError, DrawingError) as error:
        return f"not drawn: {error}"
    except (KeyError, IndexError) as error:
        return f"not drawn: its points lack {error}"


def _is_single(results: Results) -> bool:
    return len(results.points) == 1 and not results.rows.empty


def _point_card(subject: Subject) -> str:
    """Return every metric of a single point as text."""
    return "\n".join([f"# {subject.file}", "", "```", *means(subject.results.rows), "```", ""])


def _labelled(card: str, subject: Subject) -> str:
    """Return a card with the label of embedded data, if it shows any."""
    return "".join([card, *(f"\n{label}\n" for label in data_label(subject.experiment))])


def _write_text(text: str, name: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)  # there may be no figure
    path = folder / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    return path


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
