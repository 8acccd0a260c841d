"""GPU profiles: a server's memory and the time that one block takes on it (paper footnote 2).

A profile is one YAML file in this module's folder. Its numbers come from a data sheet, a paper or measurements.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from hardware_profiles.measured import CHECKS, Rows, require_mapping
from system import InputError, ServedModel
from system.checks import require, require_not_negative, require_positive

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class GpuProfile:
    """One kind of GPU, with the roofline of footnote 2.

    In the roofline, prefill is bound by arithmetic and decoding by memory bandwidth. `measured_block_s` maps a model's
    name to fitted (s, s per input token, s per further output token) of one block; the fit of a listed model replaces
    the roofline. The profiler also writes, by model, `measured_relay_s` with (s per hop, s per byte) of the relay,
    `fit_report` with the quality of the fits, and `measured_points` with the measured rows
    (`hardware_profiles.measured`). `measured_on` describes the machine and the software; only people read it.
    """

    name: str
    description: str
    source: str
    memory_gb: float  # M
    prefill_tflops: float  # f
    bandwidth_gb_per_s: float  # b
    overhead_s: float  # t_o, once per block and job
    cost_per_hour: float = math.nan  # NaN: not stated; likewise:
    idle_w: float = math.nan
    busy_w: float = math.nan  # at most the thermal design power, which data sheets state
    measured_block_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    measured_relay_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    fit_report: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    measured_points: Mapping[str, Mapping[str, Rows]] = field(default_factory=dict)
    measured_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_positive(
            memory_gb=self.memory_gb, prefill_tflops=self.prefill_tflops, bandwidth_gb_per_s=self.bandwidth_gb_per_s
        )
        optional = {name: getattr(self, name) for name in ("cost_per_hour", "idle_w", "busy_w")}
        stated = {name: value for name, value in optional.items() if value is not math.nan}
        require_not_negative(overhead_s=self.overhead_s, **stated)
        for name in CHECKS:
            require_mapping(name, getattr(self, name))
            for model, entry in getattr(self, name).items():
                CHECKS[name](f"{name}.{model}", entry)

    def block_coefficients_s(self, model: ServedModel) -> tuple[float, float, float]:
        """Return the time of one block for one job as three coefficients.

        They are in seconds and belong to x = (1, input tokens, output tokens - 1).
        """
        if model.name in self.measured_block_s:
            once_s, per_input_token_s, per_output_token_s = self.measured_block_s[model.name]
            return once_s, per_input_token_s, per_output_token_s
        per_input_token_s = model.prefill_gflop / (self.prefill_tflops * 1e3)
        return self.overhead_s, per_input_token_s, model.decode_read_gb / self.bandwidth_gb_per_s


def read_profile(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Read a profile's file as a mapping for `instantiate`.

    Raises `InputError` with the nearest names if there is no such profile, and with the name of the file if one of its
    keys is missing, unknown or not a number.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        near = difflib.get_close_matches(name, names, n=2)
        nearest = f"did you mean {' or '.join(near)}; " if near else ""
        raise InputError(f"profile = {name}: there is no such GPU profile; {nearest}there are {', '.join(names)}")
    content = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
    _check_keys(f"{name}.yaml", content)
    return {"_target_": "hardware_profiles.profile.GpuProfile", **content}


def _check_keys(file: str, content: Any) -> None:
    """Raise `InputError` unless a file has the keys of a profile.

    All fields without a default must be there and no other keys, and numbers must be numbers.
    """
    require(isinstance(content, dict), file, type(content).__name__, "must be a mapping of keys to values")
    required = {entry.name for entry in fields(GpuProfile) if entry.default_factory is entry.default is MISSING}
    known = {entry.name: entry.type for entry in fields(GpuProfile)}
    require(content.keys() <= known.keys(), file, sorted(content.keys() - known.keys()), "unknown keys; remove them")
    missing = sorted(required - content.keys())
    require(not missing, file, missing, "missing keys; give each a value")
    for key, value in content.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        require(
            known[key] is not float or is_number, f"{key} in {file}", repr(value), "must be a number, such as 0.001"
        )
