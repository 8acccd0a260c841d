"""GPU profiles: a server's memory and the time that one block takes on it (paper footnote 2).

A profile is one YAML file in this module's folder. Its numbers come from a data sheet, a paper or measurements.
"""

import difflib
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from textwrap import shorten
from typing import Any

from hardware_profiles.measured import CHECKS, Rows, require_mapping
from hardware_profiles.quantities import require_balanced, require_near_roofline, require_plausible
from system import InputError, ServedModel
from system.checks import echo, require, require_not_negative, require_one_of, require_positive, require_share
from system.documents.records import record_of
from system.documents.yaml_files import read_yaml
from system.limits import ECHO, LISTED

FOLDER = Path(__file__).parent
# Kinds of devices that reach similar shares of their peak numbers.
DEVICE_FAMILIES = (
    "nvidia",  # GeForce and workstation cards from Ampere on, and cards for servers with their chips, as L40S and A10
    "nvidia_datacentre",  # with HBM, and T4
    "nvidia_turing",  # GTX 16, RTX 20 and their workstation cards
    "nvidia_pascal",  # Maxwell and Pascal
    "nvidia_unified",  # memory shared with a CPU, as in GB10 and Jetson
    "amd",  # Radeon cards
    "amd_datacentre",  # with HBM: Instinct, and Radeon VII
    "amd_unified",  # as in Strix Halo
    "intel",
    "apple",
    "cpu",
)
PEAK = (1.0, 1.0)  # shares of peak arithmetic and of peak bandwidth
NAME = re.compile(r"\w[\w.+ -]*")


@dataclass(frozen=True)
class GpuProfile:
    """One kind of GPU, with the roofline of footnote 2.

    In the roofline, prefill is bound by arithmetic and decoding by memory bandwidth. `measured_block_s` maps a model's
    name to fitted (s, s per input token, s per further output token) of one block; the fit of a listed model replaces
    the roofline. The profiler also writes, by model, `measured_relay_s` with (s per hop, s per byte) of the relay,
    `measured_engine` with the constants of an engine that serves the model (`hardware_profiles.measured.CONSTANTS`),
    `fit_report` with the quality of the fits, and `measured_points` with the measured rows
    (`hardware_profiles.measured`). `measured_on` describes the machine and the software; only people read it.

    Memory that a CPU shares, as in a Mac, is stated as a whole; `usable_share` of it is open to the GPU. Where a device
    is sold with several sizes of memory, `memory_choices_gb` lists them, and `memory_gb` is one of them.

    `hosting` states, by model, what such a server hosts: `free_memory_gb` for blocks and caches, the `most_blocks` and
    the `typical_blocks`, and `cache_tokens`, the tokens whose cache fits beside 1, 2, ... blocks.
    """

    name: str
    description: str
    source: str
    memory_gb: float  # M
    prefill_tflops: float  # f
    bandwidth_gb_per_s: float  # b
    overhead_s: float  # t_o, once per block and job
    family: str = ""  # one of `DEVICE_FAMILIES`, or unknown
    usable_share: float = 1.0
    memory_choices_gb: Sequence[float] = ()
    cost_per_hour: float = math.nan  # NaN: not stated; likewise:
    idle_w: float = math.nan
    busy_w: float = math.nan  # at most the thermal design power, which data sheets state
    measured_block_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    measured_relay_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    measured_engine: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    fit_report: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    measured_points: Mapping[str, Mapping[str, Rows]] = field(default_factory=dict)
    hosting: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    measured_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            NAME.fullmatch(self.name) is not None, "name", self.name, "must have letters, digits, spaces and _.+- only"
        )
        if self.family:
            require_one_of(DEVICE_FAMILIES, family=self.family)
        require_positive(
            memory_gb=self.memory_gb, prefill_tflops=self.prefill_tflops, bandwidth_gb_per_s=self.bandwidth_gb_per_s
        )
        if self.usable_share != 1:
            require_share(usable_share=self.usable_share)
        require_positive(**{f"memory_choices_gb[{n}]": size for n, size in enumerate(self.memory_choices_gb)})
        optional = {name: getattr(self, name) for name in ("cost_per_hour", "idle_w", "busy_w")}
        stated = {name: value for name, value in optional.items() if value is not math.nan}
        require_not_negative(overhead_s=self.overhead_s, **stated)
        for name in ("memory_gb", "prefill_tflops", "bandwidth_gb_per_s", "overhead_s", *stated):
            require_plausible(name, getattr(self, name))
        require_balanced(self.memory_gb, self.prefill_tflops, self.bandwidth_gb_per_s)
        remedy = f"is above busy_w = {self.busy_w:g}; a server that computes takes more"
        require(not self.idle_w > self.busy_w, "idle_w", self.idle_w, remedy)
        for name in CHECKS:
            require_mapping(name, getattr(self, name))
            for model, entry in getattr(self, name).items():
                CHECKS[name](f"{name}.{echo(model)}", entry)
        require_mapping("measured_on", self.measured_on)

    def block_coefficients_s(
        self, model: ServedModel, shares: tuple[float, float] = PEAK
    ) -> tuple[float, float, float]:
        """Return the time of one block for one job as three coefficients.

        They are in seconds and belong to x = (1, input tokens, output tokens - 1). `shares` of the peak arithmetic and
        of the peak bandwidth are reached; measured times are used as they are.
        """
        of_arithmetic, of_bandwidth = shares
        input_token_s = model.prefill_gflop / (self.prefill_tflops * of_arithmetic * 1e3)
        output_token_s = model.decode_read_gb / (self.bandwidth_gb_per_s * of_bandwidth)
        if model.name not in self.measured_block_s:
            return self.overhead_s, input_token_s, output_token_s
        once_s, measured_input_s, measured_output_s = self.measured_block_s[model.name]
        field = f"measured_block_s.{model.name}"
        require_near_roofline(field, (measured_input_s, measured_output_s), (input_token_s, output_token_s))
        return once_s, measured_input_s, measured_output_s

    def estimate_note(self, model: ServedModel) -> str | None:
        """Return why measured times are not used for a model.

        Weights of another precision make another model, whose name begins with the same words. Return None where the
        times are measured, or where nothing was measured.
        """
        if model.name in self.measured_block_s or not self.measured_block_s:
            return None
        of_one = [name for name in self.measured_block_s if model.name.startswith(f"{name}_")]
        kind = f"{of_one[0]} in 16 bit" if of_one else f"{', '.join(self.measured_block_s)} only"
        return f"{self.name} was measured with {kind}: its times for {model.name} follow from its data sheet"

    def batch_curve(self, model: ServedModel) -> dict[int, float]:
        """Return the measured times of stacks of one-token steps by their sizes.

        They are relative to a single step, and medians over the measured contexts. Where no context is stated and no
        single step was measured, a single step takes the time of the smallest stack, as weights must be read for
        either. The curve is empty if no batches of the model were measured.
        """
        points, times_s = self.measured_points.get(model.name, {}), defaultdict(list)
        for _, jobs, _, median_s, *_ in points.get("decode_batch", ()):
            times_s[int(jobs)].append(median_s)
        together_s = {int(jobs): median_s for _, jobs, median_s, *_ in points.get("decode_together", ())}
        if 1 not in times_s and not together_s:
            return {}
        alone_s = median(times_s[1]) if 1 in times_s else together_s[min(together_s)]
        medians_s = together_s | {jobs: median(values) for jobs, values in times_s.items()}
        return {jobs: medians_s[jobs] / alone_s for jobs in sorted(medians_s)}

    def prompt_curve(self, model: ServedModel) -> dict[int, float]:
        """Return the measured times of prompts in one block by their tokens.

        They are medians. The curve is empty if no prompts were measured.
        """
        rows = self.measured_points.get(model.name, {}).get("prefill", ())
        return {int(tokens): median_s for blocks, tokens, median_s, *_ in rows if blocks == 1}


def read_profile(name: str, folder: Path = FOLDER, remedy: str = "") -> dict[str, Any]:
    """Read a profile's file as a mapping for `instantiate`.

    Raises `InputError` with the nearest names of its series and a `remedy` (all names by default) if there is no such
    profile, and with the name of the file if one of its keys is missing, unknown or not a number.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        alike = [known for known in names if _letters(known) == _letters(str(name))]
        near = difflib.get_close_matches(str(name)[:ECHO], alike or names, n=2)
        nearest = f"did you mean {' or '.join(near)}; " if near else ""
        listed = f"there are {shorten(', '.join(names), LISTED, placeholder=' ...')}"
        raise InputError(f"profile = {echo(name)}: there is no such GPU profile; {nearest}{remedy or listed}")
    content = read_yaml(folder / f"{name}.yaml")
    record_of(GpuProfile, f"{name}.yaml", content)
    return {"_target_": "hardware_profiles.profile.GpuProfile", **content}


def _letters(name: str) -> str:
    """Return the letters before the first digit, which devices of one series share."""
    return re.split(r"\d", name, maxsplit=1)[0]


def engine_constants(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the constants of the engine that a profile measured, and its `batch_curve`.

    They are those of the first model. Raises `InputError` if the profile measured no engine.
    """
    content = {key: value for key, value in read_profile(name, folder).items() if key != "_target_"}
    measured = GpuProfile(**content).measured_engine
    require(bool(measured), "profile", name, "measured no engine; use python -m hardware_profiles.profiler --engine")
    model, constants = next(iter(measured.items()))
    rows = content["measured_points"][model]["decode_together"]
    return {**constants, "batch_curve": {int(jobs): seconds / rows[0][2] for _, jobs, seconds in rows}}
