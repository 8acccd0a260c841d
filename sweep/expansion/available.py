"""Experiments on the data that can be had (`data=available`): recorded data, or else the embedded variant.

conf/data/available.yaml lists two choices of data. An experiment whose data sets are on this machine, or can be
downloaded, gets the first; any other gets the second. Where the second does not fit an experiment, the first stays,
and its points without their data set are skipped. Notes say for which experiments this happened, and why.
"""

from collections.abc import Callable, Iterable, Sequence

from hydra.errors import HydraException

from sweep.errors import hydra_sentence
from sweep.expansion.commands import Sweep
from sweep.expansion.embedded import data_sets
from system import InputError
from system.errors import DataUnavailableError
from workloads.datasets import DataSet

Expand = Callable[[list[str]], list[Sweep]]  # from the words of a command to its sweeps


def available_sweeps(words: Sequence[str], preference: Sequence[str], expand: Expand) -> tuple[list[Sweep], list[str]]:
    """Return the sweeps of a command on the data that can be had.

    The second result has a line for each data set that cannot be had, with the remedy, and for each experiment that
    needs one.
    """
    first, second = (f"data={choice}" for choice in preference)
    others = [word for word in words if not word.startswith("data=")]
    sweeps: list[Sweep] = []
    why: dict[str, str] = {}
    notes: list[str] = []
    for sweep in expand([*others, first]):
        unavailable = unavailable_data(sweep)
        if unavailable:
            sweep, note = _replacement(sweep, [*others, second], list(unavailable), expand)
            notes.append(note)
        sweeps.append(sweep)
        why |= unavailable
    return sweeps, [*why.values(), *notes]


def unavailable_data(sweep: Sweep) -> dict[str, str]:
    """Return why data sets of a sweep cannot be had, by name."""
    entries = {entry["name"]: entry for point in sweep.points for _, entry in data_sets(point.case)}
    why: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            DataSet(**{key: text for key, text in entry.items() if key != "_target_"}).path()
        except DataUnavailableError as error:
            why[name] = str(error)
    return why


def _replacement(sweep: Sweep, words: Sequence[str], unavailable: Iterable[str], expand: Expand) -> tuple[Sweep, str]:
    """Return the sweep that takes the place of another, and a note.

    Without an embedded variant it is the same sweep.
    """
    own = [word for word in sweep.words if word.startswith("experiment=")]
    lacking = f"as {' and '.join(unavailable)} cannot be had"
    try:
        (variant,) = expand([*own, *(word for word in words if not word.startswith("experiment="))])
    except (InputError, HydraException) as error:
        note = f"left out where it needs data, {lacking} and it has no embedded variant ({hydra_sentence(error)})"
        return sweep._replace(notes=[*sweep.notes, note]), f"{sweep.experiment}: {note}"
    note = f"{variant.experiment} stands in for {sweep.experiment}, {lacking}"
    return variant._replace(notes=[*variant.notes, note]), note
