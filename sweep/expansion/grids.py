"""Grids: the axes that an experiment declares, and what the command line keeps, replaces and adds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from sweep.expansion.embedded import declared_axes, stand_ins_of, with_stand_ins
from sweep.expansion.values import chosen_values
from system.checks import require
from system.limits import AXIS

UNNAMED = "unnamed"  # the name of a sweep that is no experiment's
Grid = dict[str, Override | None]  # the values of each axis; None where the grid leaves the axis out
Given = dict[str, Override]  # the overrides of a command line by key
Parse = Callable[[str], Override]


def require_experiment(config: DictConfig, choice: str | None) -> None:
    """Raise `InputError` if the file of the chosen experiment sets no name."""
    named = config.experiment.name != UNNAMED or choice is None
    remedy = "its file must begin with the line `# @package _global_` and set experiment.name"
    require(named, "experiment", choice, remedy)


def axes_of_grids(declared: list[Grid], given: Mapping[str, Override], parse: Parse) -> list[dict[str, Override]]:
    """Return the axes of each declared grid that a command line keeps.

    Axes of the command line replace or extend the declared ones.
    """
    return [
        _axes(grid, {key: text for key, text in part.items() if key not in kept and _is_axis(key, grid, declared)})
        for part, about in _parts(dict(given), declared, parse)
        for grid, kept in _kept_grids(part, about)
    ]


def declared_grids(config: DictConfig, given: Mapping[str, Override], parse: Parse) -> list[Grid]:
    """Return the declared grids of an experiment, with stand-ins for recorded data.

    Axes from the command line get no stand-ins.
    """
    if "experiment.axes" in given:
        return _grids(config.experiment.axes, parse)
    stand_ins, grids = stand_ins_of(config), _grids(declared_axes(config), parse)
    return [
        {
            axis: parse(f"{axis}={with_stand_ins(values_in(grid, axis), stand_ins[axis])}")
            if grid[axis] is not None and axis in stand_ins
            else grid[axis]
            for axis in grid
        }
        for grid in grids
    ]


def _grids(axes: Any, parse: Parse) -> list[Grid]:
    """Return the grids of `experiment.axes`: one, or a list with the same keys."""
    grids = [dict(grid) for grid in axes] if OmegaConf.is_list(axes) else [dict(axes or {})]
    same = bool(grids) and all(grid.keys() == grids[0].keys() for grid in grids)
    require(same, "experiment.axes", [list(grid) for grid in grids], "every grid must have the same keys")
    return [
        {axis: None if values is None else parse(f"{axis}={_axis_text(values)}") for axis, values in grid.items()}
        for grid in grids
    ]


def _axis_text(values: Any) -> str:
    """Return an axis as on the command line.

    A list becomes `a,b,c`; text such as `range(1,9)` stays as it is.
    """
    several = values if OmegaConf.is_list(values) else [values]
    require(len(several) <= AXIS, "experiment.axes", f"{len(several):,} values", f"an axis has at most {AXIS:,}")
    return ",".join("null" if value is None else str(value) for value in several)


def _parts(given: Given, grids: list[Grid], parse: Parse) -> Iterator[tuple[Given, list[Grid]]]:
    """Yield the command line with the grids that it applies to.

    If the grids have a single value of an axis each and the command line gives known and new values, there are two
    parts: grids with known values keep theirs, and new values are swept in all grids that have the axis.
    """
    for key, override in given.items():
        values = chosen_values(override)
        about = [grid for grid in grids if values_in(grid, key)]
        new = [value for value in values if not any(value in values_in(grid, key) for grid in about)]
        if 0 < len(new) < len(values) and all(len(values_in(grid, key)) == 1 for grid in about):
            known = [value for value in values if value not in new]
            yield from _parts(given | {key: parse(f"{key}={','.join(known)}")}, grids, parse)
            yield from _parts(given | {key: parse(f"{key}={','.join(new)}")}, about, parse)
            return
    yield given, grids


def _axes(grid: Grid, given: Mapping[str, Override]) -> dict[str, Override]:
    """Return the axes of a grid."""
    declared = {key: override for key, override in grid.items() if override is not None}
    swept = {key: override for key, override in given.items() if override.is_sweep_override()}
    return {key: given.get(key, override) for key, override in declared.items()} | swept


def _kept_grids(given: Mapping[str, Override], grids: list[Grid]) -> Iterator[tuple[Grid, set[str]]]:
    """Yield the grids that the command line keeps.

    Each comes with the axes whose single value it keeps. A grid with a single value of an axis is kept if the command
    line gives that value. Values that are new to all grids replace it.
    """
    wanted = {key: set(chosen_values(override)) for key, override in given.items()}
    known = {key: wanted[key] & {value for grid in grids for value in values_in(grid, key)} for key in wanted}
    for grid in grids:
        single = {key for key in grid if len(values_in(grid, key)) == 1 and known.get(key) and len(grids) > 1}
        if all(set(values_in(grid, key)) <= wanted[key] for key in single):
            yield grid, single


def _is_axis(key: str, grid: Grid, grids: list[Grid]) -> bool:
    """Return whether a key may be an axis of a grid.

    It may not if the grid leaves it out (null) and another grid has it.
    """
    return grid.get(key) is not None or not any(values_in(other, key) for other in grids)


def values_in(grid: Grid, key: str) -> list[str]:
    """Return the values of an axis; none where the grid leaves it out."""
    override = grid.get(key)
    return chosen_values(override) if override is not None else []
