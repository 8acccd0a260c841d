"""The theory of requests that slow each other as an evaluator (`conf/evaluator`)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from evaluators.points.case import Draw, Measurement
from evaluators.queueing.interference import interference, require_poisson
from system.checks import require_share
from system.composition import Composition
from system.response import Floats
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel


@dataclass(frozen=True, kw_only=True)
class InterferenceEvaluator:
    """Mean times, shares of chains and the largest stable rate where jobs slow each other, without a simulation.

    The numbers are approximate, and not to be trusted close to the largest stable rate (`load_of_saturation`). Response
    times at `quantiles` are known in lockstep only.
    """

    deterministic: ClassVar[bool] = True
    uses_jobs: ClassVar[bool] = False

    service: ServiceModel = INDEPENDENT
    quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)

    def __post_init__(self) -> None:
        for quantile in self.quantiles:
            require_share(quantiles=quantile)

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: theory needs no jobs."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compute the means of one draw.

        Raises `UnstableError` at or above the largest stable rate, and `NotApplicableError` unless arrivals are
        Poisson, and as `evaluators.queueing.interference.slowed_chains` does.
        """
        require_poisson("interference", draw.case.workload)
        times = interference(draw.layout, draw.case.fitted_workload, self.service)
        chains = draw.layout.composition()
        computation, prompts = shares_of_time(chains, times.chain_shares)
        quantiles_s = times.response_quantiles_s(self.quantiles)
        return [
            Measurement("response_mean_s", times.mean_response_s),
            *(Measurement("response_quantile_s", time_s, q) for q, time_s in quantiles_s.items()),
            Measurement("waiting_mean_s", times.mean_waiting_s),
            Measurement("service_mean_s", times.mean_service_s),
            Measurement("first_token_mean_s", times.mean_first_token_s),
            Measurement("waiting_probability", times.waiting_probability),
            Measurement("saturation_rate_per_s", times.largest_rate_per_s),
            Measurement("total_rate_per_s", chains.total_rate_per_s),
            Measurement("load_of_saturation", times.load),
            Measurement("computation_share", computation),
            Measurement("prompt_share", prompts),
            *(Measurement("chain_share", share, k) for k, share in enumerate(times.chain_shares, 1)),
        ]


def shares_of_time(chains: Composition, chain_shares: Floats) -> tuple[float, float]:
    """Return the shares of computation and of prompts in it.

    The first is of the service time (2), the second of computation. Both are ratios of means over jobs, of which chain
    k serves the share `chain_shares[k]`.
    """
    system = chains.system
    per_block_s = system.servers.block_s[chains.hop_server] * np.asarray(system.mean_job)
    by_chain_s = np.add.reduceat(chains.hop_charged[:, None] * per_block_s, chains.hop_start[:-1])
    once_s, prompt_s, tokens_s = chain_shares @ by_chain_s
    computation_s = once_s + prompt_s + tokens_s
    return computation_s / float(chain_shares @ chains.mean_service_s), (once_s + prompt_s) / computation_s
