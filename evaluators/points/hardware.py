"""The time models of computation and communication as evaluators (Fig. 4 and 5, claim C12)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from evaluators.points.case import Draw, Measurement
from hardware_profiles.profile import GpuProfile
from system import ServedModel
from system.checks import floor_with_slack, require, require_count


@dataclass(frozen=True)
class ComputationProfile:
    """Computation time of a job on one GPU.

    It is the time of the first token over blocks and over input tokens, and the time of the further tokens over output
    tokens. Where blocks vary, the prompt has the workload's mean length; where lengths vary, there is one block.
    `measured_fit` is 1 if the profile's coefficients were fitted to measurements of this model, and 0 if footnote 2
    gives them. Measured points are reported unchanged, as medians with their P10 and P90: for one block over lengths
    and contexts, and over blocks if a prompt of mean length was measured.
    """

    profile: GpuProfile
    input_tokens: Sequence[int]
    output_tokens: Sequence[int]

    def __post_init__(self) -> None:
        _require_lengths(self.input_tokens, self.output_tokens)

    @property
    def varies_with(self) -> Literal["nothing"]:
        """Return `nothing`: the times follow from the profile."""
        return "nothing"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compute the times of the profile for the model of the case."""
        model = draw.case.fitted_model
        once_s, input_token_s, output_token_s = self.profile.block_coefficients_s(model)
        block_s = once_s + input_token_s * draw.case.fitted_workload.mean_job[1]
        return [
            Measurement("measured_fit", model.name in self.profile.measured_block_s),
            *(Measurement("prefill_by_blocks_s", blocks * block_s, blocks) for blocks in self._hostable(model)),
            *(Measurement("prefill_by_input_s", once_s + input_token_s * n, n) for n in self.input_tokens),
            *(Measurement("decode_by_output_s", output_token_s * (n - 1), n) for n in self.output_tokens),
            *self._measured(model, draw.case.fitted_workload.mean_job[1]),
        ]

    def _measured(self, model: ServedModel, mean_prompt: float) -> Iterator[Measurement]:
        points = self.profile.measured_points.get(model.name, {})
        for blocks, tokens, *times_s in points.get("prefill", ()):
            if blocks == 1:
                yield from _spread("prefill_by_input", times_s, tokens)
            if tokens == mean_prompt and blocks in self._hostable(model):
                yield from _spread("prefill_by_blocks", times_s, blocks)
        for blocks, context, *times_s in points.get("decode", ()):
            if blocks == 1:
                yield from _spread("decode_by_context", times_s, context)
                yield Measurement("decode_by_context_s", self.profile.block_coefficients_s(model)[2], context)

    def _hostable(self, model: ServedModel) -> range:
        """Return 1, 2, ... up to the most blocks that fit the GPU's memory.

        Only parameters are counted.
        """
        fitting = int(floor_with_slack(self.profile.memory_gb / model.block_memory_gb))
        return range(1, min(fitting, model.block_count) + 1)


@dataclass(frozen=True)
class CommunicationProfile:
    """Communication time of a job with a server, as the mean over the cluster.

    It is the time for the first token and for every further one. If a profile with a measured relay is given, the time
    of the relay is included: a message to a server on the same machine and back.
    """

    deterministic: ClassVar[bool] = True
    uses_jobs: ClassVar[bool] = False

    input_tokens: Sequence[int]
    output_tokens: Sequence[int]
    profile: GpuProfile | None = None

    def __post_init__(self) -> None:
        _require_lengths(self.input_tokens, self.output_tokens)
        require(
            min(self.output_tokens) > 1, "output_tokens", self.output_tokens, "must be above 1 to have further tokens"
        )

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: the times follow from the cluster."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compute the communication times on the cluster of one draw."""
        once_s, input_token_s, output_token_s = draw.system.servers.communication_s.mean(axis=0)
        return [
            *(Measurement("first_token_communication_s", once_s + input_token_s * n, n) for n in self.input_tokens),
            *(Measurement("further_token_communication_s", output_token_s, n) for n in self.output_tokens),
            *self._measured(draw.case.fitted_model.name),
        ]

    def _measured(self, model: str) -> Iterator[Measurement]:
        if self.profile is None or model not in self.profile.measured_relay_s:
            return
        hop_s, byte_s = self.profile.measured_relay_s[model]
        for tokens, byte_count, *times_s in self.profile.measured_points.get(model, {}).get("relay", ()):
            yield from _spread("relay_by_tokens", times_s, tokens)
            yield Measurement("relay_by_tokens_s", hop_s + byte_s * byte_count, tokens)


def _spread(name: str, times_s: Sequence[float], coordinate: float) -> Iterator[Measurement]:
    """Yield the median of measured times, and P10 and P90 if stated."""
    for ending, time_s in zip(("measured_s", "p10_s", "p90_s"), times_s, strict=False):
        yield Measurement(f"{name}_{ending}", time_s, coordinate)


def _require_lengths(input_tokens: Sequence[int], output_tokens: Sequence[int]) -> None:
    for name, lengths in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        require(len(lengths) > 0, name, list(lengths), "give at least one length")
        for tokens in lengths:
            require_count(**{name: tokens})
