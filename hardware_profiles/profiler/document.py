"""The profile as a file: every number that a reader needs to judge the fit, in one readable form. Needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from hardware_profiles.measured import COLUMNS, TIMES, Rows
from hardware_profiles.profile import GpuProfile, read_profile
from hardware_profiles.profiler.fit import BlockFit
from system import InputError
from system.checks import require

DIGITS = 5  # of measured numbers; times scatter more


class Measured(NamedTuple):
    """What was found for one model; `relay_s` is (s per hop, s per byte), where the relay was measured."""

    fit: BlockFit
    points: Mapping[str, Rows]
    relay_s: tuple[float, float] | None = None


def profile_of(models: Mapping[str, Measured], told: Mapping[str, Any], measured_on: Mapping[str, Any]) -> GpuProfile:
    """The profile, checked; `told` are its name, description, source and the device's numbers.

    The overhead of models that were not measured is that of the first.
    """
    return GpuProfile(
        **told,
        overhead_s=next(iter(models.values())).fit.coefficients_s[0],
        measured_block_s={name: entry.fit.coefficients_s for name, entry in models.items()},
        measured_relay_s={name: entry.relay_s for name, entry in models.items() if entry.relay_s},
        fit_report={name: entry.fit.report for name, entry in models.items()},
        measured_points={name: entry.points for name, entry in models.items()},
        measured_on=measured_on,
    )


def text_of(found: GpuProfile) -> str:
    """The file's text; `hardware_profiles.profile.profile` reads it."""
    lines = [_line("", key, getattr(found, key)) for key in ("name", "description", "source")]
    numbers = ("memory_gb", "prefill_tflops", "bandwidth_gb_per_s", "overhead_s")
    lines += [_line("", key, float(getattr(found, key))) for key in numbers]
    lines += ["measured_on:", *(_line("  ", key, value) for key, value in found.measured_on.items())]
    lines += ["# s, s per input token, s per further output token, of one block"]
    lines += ["measured_block_s:", *(_line("  ", *entry) for entry in found.measured_block_s.items())]
    if found.measured_relay_s:
        lines += ["# s per hop, s per byte", "measured_relay_s:"]
        lines += [_line("  ", *entry) for entry in found.measured_relay_s.items()]
    lines += ["# errors are means of absolute relative errors", "fit_report:"]
    for model, report in found.fit_report.items():
        lines += [f"  {model}:", *(_line("    ", key, value) for key, value in report.items())]
    return "\n".join([*lines, *_point_lines(found), ""])


def write(path: Path, found: GpuProfile, *, overwrite: bool) -> None:
    """Write the file and read it again; raises `InputError` if it is there already or cannot be written."""
    require_writable(path, overwrite=overwrite)
    try:
        path.write_text(text_of(found), encoding="utf-8")
    except OSError as error:
        raise InputError(f"to = {path}: {error.strerror}; name a file that can be written") from error
    read_profile(path.stem, path.parent)


def require_writable(path: Path, *, overwrite: bool) -> None:
    """Raise `InputError` before anything is measured for nothing."""
    require(path.suffix == ".yaml", "to", path, "must end in .yaml, as profiles do")
    require(path.parent.is_dir(), "to", path, f"there is no folder {path.parent}, make it first")
    require(overwrite or not path.exists(), "to", path, "is there already; --overwrite replaces it")


def _point_lines(found: GpuProfile) -> list[str]:
    lines = ["measured_points:"]
    for model, kinds in found.measured_points.items():
        lines += [f"  {model}:"]
        for kind, rows in kinds.items():
            lines += [f"    {kind}: # {', '.join((*COLUMNS[kind], *TIMES))}"]
            lines += [f"      - {_value(row)}" for row in rows]
    return lines


def _line(indent: str, key: str, value: Any) -> str:
    return f"{indent}{key}: {_value(value)}"


def _value(value: Any) -> str:
    """Text in YAML's own quotes; numbers with a point, never as 1e-05, which YAML takes for text."""
    if isinstance(value, str) or value is None:
        return yaml.safe_dump(value, width=np.inf, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, int):
        return str(value)
    return np.format_float_positional(value, precision=DIGITS, fractional=False, trim="0")
