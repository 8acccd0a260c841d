"""The profile as a readable file, with all numbers that are needed to judge the fit. Needs no torch."""

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

DIGITS = 5  # significant digits of measured numbers; times scatter more than that


class MeasuredModel(NamedTuple):
    """The fit and the points of one model.

    `relay_s` is (s per hop, s per byte), or None if the relay was not measured.
    """

    fit: BlockFit
    points: Mapping[str, Rows]
    relay_s: tuple[float, float] | None = None


def profile_of(
    models: Mapping[str, MeasuredModel], device: Mapping[str, Any], measured_on: Mapping[str, Any]
) -> GpuProfile:
    """Return the profile of measured models, checked.

    `device` has the profile's name, description and source, its memory and its rates. Models that were not measured get
    the overhead of the first measured model.
    """
    return GpuProfile(
        **device,
        overhead_s=next(iter(models.values())).fit.coefficients_s[0],
        measured_block_s={name: entry.fit.coefficients_s for name, entry in models.items()},
        measured_relay_s={name: entry.relay_s for name, entry in models.items() if entry.relay_s},
        fit_report={name: entry.fit.report for name, entry in models.items()},
        measured_points={name: entry.points for name, entry in models.items()},
        measured_on=measured_on,
    )


def text_of(profile: GpuProfile) -> str:
    """Return a profile as the text of a file that `hardware_profiles.profile` reads."""
    lines = [_line("", key, getattr(profile, key)) for key in ("name", "description", "source")]
    numbers = ("memory_gb", "prefill_tflops", "bandwidth_gb_per_s", "overhead_s")
    lines += [_line("", key, float(getattr(profile, key))) for key in numbers]
    lines += ["measured_on:", *(_line("  ", key, value) for key, value in profile.measured_on.items())]
    lines += ["# of one block: s, s per input token, s per further output token"]
    lines += ["measured_block_s:", *(_line("  ", *entry) for entry in profile.measured_block_s.items())]
    if profile.measured_relay_s:
        lines += ["# s per hop, s per byte", "measured_relay_s:"]
        lines += [_line("  ", *entry) for entry in profile.measured_relay_s.items()]
    if profile.measured_engine:
        lines += ["# of an engine: s per round, server, token and prompt; round trips per block", "measured_engine:"]
        for model, constants in profile.measured_engine.items():
            lines += [f"  {model}:", *(_line("    ", key, float(value)) for key, value in constants.items())]
    lines += ["# errors are mean absolute relative errors", "fit_report:"]
    for model, report in profile.fit_report.items():
        lines += [f"  {model}:", *(_line("    ", key, value) for key, value in report.items())]
    return "\n".join([*lines, *_point_lines(profile), ""])


def write(path: Path, profile: GpuProfile, *, overwrite: bool) -> None:
    """Write a profile's file and read it again as a check.

    Raises `InputError` if the file cannot be written, or if it exists and `overwrite` is false.
    """
    require_writable(path, overwrite=overwrite)
    try:
        path.write_text(text_of(profile), encoding="utf-8")
    except OSError as error:
        raise InputError(f"to = {path}: {error.strerror}; name a file that can be written") from error
    read_profile(path.stem, path.parent)


def require_writable(path: Path, *, overwrite: bool) -> None:
    """Raise `InputError` unless a profile can be written to a file.

    This is called before measuring, so that no measurement is lost.
    """
    require(path.suffix == ".yaml", "to", path, "must end in .yaml")
    require(path.parent.is_dir(), "to", path, f"there is no folder {path.parent}; create it first")
    require(overwrite or not path.exists(), "to", path, "exists already; use --overwrite to replace it")


def _point_lines(profile: GpuProfile) -> list[str]:
    lines = ["measured_points:"]
    for model, kinds in profile.measured_points.items():
        lines += [f"  {model}:"]
        for kind, rows in kinds.items():
            columns = (*COLUMNS[kind], *TIMES)[: len(rows[0])]
            lines += [f"    {kind}: # {', '.join(columns)}"]
            lines += [f"      - {_value(row)}" for row in rows]
    return lines


def _line(indent: str, key: str, value: Any) -> str:
    return f"{indent}{key}: {_value(value)}"


def _value(value: Any) -> str:
    """Return a value in YAML.

    Text is quoted as YAML needs. Floats have a decimal point and no exponent, because YAML reads 1e-05 as text.
    """
    if isinstance(value, str) or value is None:
        return yaml.safe_dump(value, width=np.inf, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, int):
        return str(value)
    return np.format_float_positional(value, precision=DIGITS, fractional=False, trim="0")
