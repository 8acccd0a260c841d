"""The largest flow of tokens through a layout, and the bound that its servers set (Helix's objective)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from algorithms.helix import FlowPlacement
from evaluators.points.case import Draw, Measurement
from system.checks import require_boolean
from system.token_flow import compute_bound_tokens_per_s, linear_law_servers, max_flow


@dataclass(frozen=True, kw_only=True)
class MaxFlowEvaluator:
    """The tokens/s that a placement carries at most, whatever the dispatch of requests.

    Prompt tokens and further tokens count alike; `flow_output_tokens_per_s` is the share of the output. `partial`
    allows a token to enter a server in the middle of its blocks. `linear_law_servers` counts the servers whose rates
    follow from the linear law, because their profiles have no measured prompts or stacks of steps.
    `flow_bound_tokens_per_s` is there for placements whose planner has proven a bound on the flow of all placements.
    """

    deterministic: ClassVar[bool] = True
    uses_jobs: ClassVar[bool] = False

    partial: bool = True

    def __post_init__(self) -> None:
        require_boolean(partial=self.partial)

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: the flow follows from the placement."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Return the flow of one draw's placement; raise `NotApplicableError` without lengths in tokens."""
        system, placement = draw.layout.system, draw.layout.placement
        flow = max_flow(system, placement, self.partial)
        _, input_tokens, further_tokens = system.mean_job
        output_share = (further_tokens + 1) / (input_tokens + further_tokens + 1)
        planned = [placement.bound_tokens_per_s] if isinstance(placement, FlowPlacement) else []
        return [
            *(Measurement("flow_bound_tokens_per_s", bound) for bound in planned),
            Measurement("flow_tokens_per_s", flow.tokens_per_s),
            Measurement("flow_output_tokens_per_s", flow.tokens_per_s * output_share),
            Measurement("compute_bound_tokens_per_s", compute_bound_tokens_per_s(system)),
            Measurement("linear_law_servers", len(linear_law_servers(system))),
        ]
