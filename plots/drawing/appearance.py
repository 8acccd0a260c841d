"""How all figures of a command look: their theme, their width in print and a style file of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns

from system import InputError
from system.checks import require

# Type 42 is TrueType; publishers refuse Type 3, the default. The salt makes the names in an SVG the same each time.
SETTINGS = {
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "server-chains",
}
WIDTHS_IN = {"column": 3.5, "page": 7.16}  # of a paper in two columns
NARROWEST_IN, WIDEST_IN = 2.0, 40.0
PRINTED_SCALE = 8 / 9.6  # labels have 8 points in print, and 9.6 in the theme


@dataclass(frozen=True)
class Appearance:
    """The width and the style file of figures; without them, figures are as wide as their panels."""

    width_in: float | None = None
    style: Path | None = None

    def facts(self) -> list[Any]:
        """Return the width and the settings of the style file."""
        return [self.width_in, read_style(self.style) if self.style else None]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Apply this appearance to the figures of a block.

        Raises `InputError` for a style file with values that only drawing refuses.
        """
        token = _CURRENT.set(self)
        try:
            with mpl.rc_context():
                yield
        except Exception as error:
            if self.style is None or (isinstance(error, InputError) and error.__cause__ is None):
                raise
            remedy = "correct its values, or leave it out"
            raise InputError(f"style = {self.style}: a figure cannot be drawn with it ({error}); {remedy}") from error
        finally:
            _CURRENT.reset(token)

    def set_theme(self) -> None:
        """Set the theme of new figures, with the style file on top."""
        sns.set_theme(context="paper", style="whitegrid", font_scale=PRINTED_SCALE if self.width_in else 1, rc=SETTINGS)
        if self.style:
            plt.style.use(self.style)


AS_DRAWN = Appearance()
_CURRENT: ContextVar[Appearance] = ContextVar("appearance", default=AS_DRAWN)


def current_appearance() -> Appearance:
    """Return the appearance that is applied."""
    return _CURRENT.get()


def appearance_of(width: str | None, style: Path | None) -> Appearance:
    """Return the appearance that a command line states.

    A width is `column`, `page` or a number of inches. Raises `InputError` for another width, and for a style file that
    is missing or has an unknown setting or an invalid value.
    """
    appearance = Appearance(None if width is None else _inches(width), style)
    appearance.facts()
    return appearance


def _inches(width: str) -> float:
    if width in WIDTHS_IN:
        return WIDTHS_IN[width]
    named = " or ".join(f"{name} ({inches} in)" for name, inches in WIDTHS_IN.items())
    remedy = f"must be {named}, or a number of inches from {NARROWEST_IN:g} to {WIDEST_IN:g}"
    try:
        inches = float(width)
    except ValueError:
        raise InputError(f"width = {width}: {remedy}") from None
    require(NARROWEST_IN <= inches <= WIDEST_IN, "width", width, remedy)
    return inches


def read_style(path: Path) -> dict[str, Any]:
    """Return the settings of a style file of matplotlib.

    Raises `InputError` if the file is missing, or has an unknown setting or an invalid value.
    """
    require(path.is_file(), "style", path, "does not exist; name a style file of matplotlib")
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            _require_setting(path, line.partition("#")[0].partition(":")[0].strip())
        settings = mpl.rc_params_from_file(path, fail_on_error=True, use_default_template=False)
        return {str(name): value for name, value in settings.items()}
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"style = {path}: {' '.join(str(error).split())}; correct this line") from error


def _require_setting(path: Path, name: str) -> None:
    """Raise `InputError` unless a name is empty or a setting of matplotlib."""
    near = get_close_matches(name, mpl.rcParams, n=1)
    remedy = f"did you mean {near[0]}?" if near else "remove this line"
    require(name in {"", *mpl.rcParams}, "style", path, f"{name} is no setting of matplotlib; {remedy}")
