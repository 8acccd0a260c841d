"""Mean times where requests slow each other, by approximations for serial step queues and for lockstep.

Serial step queues are those of `shared_chains`, under JFFC. While jobs wait, all chains are full and serve at rate ν'
together, so the number of waiting jobs is geometric on top of the loss system, as in `evaluators.queueing.exact`.
Lockstep is that of `evaluators.queueing.lockstep.response`.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch.jffc import is_jffc
from evaluators.queueing.interference_response import InterferenceResponse, require_below
from evaluators.queueing.lockstep.response import LockstepChains
from evaluators.queueing.shared_chains import SharedChains
from evaluators.queueing.shared_flow import Flow, empty_scratch, full_chains, jffc_without_queue
from system.checks import require_at_most
from system.composition import Composition
from system.errors import AccuracyError, InputError, NotApplicableError
from system.layout import Layout
from system.limits import SHARED_CHAINS
from system.service.model import ServiceModel, StepRules
from workloads.arrivals import Poisson
from workloads.workload import Workload

Floats = NDArray[np.float64]


class StepQueues:
    """The chains of a layout as serial step queues, at any arrival rate.

    Arrivals count as Poisson, and chains without a rule as under JFFC. Raises `NotApplicableError` for other service
    models and other rules.
    """

    def __init__(self, chains: Composition, workload: Workload, service: ServiceModel) -> None:
        _require_jffc(chains)
        _require_serial_steps(service)
        require_at_most(SHARED_CHAINS, chains=len(chains))
        self._chains = _shared_chains(chains, workload, service)

    @property
    def largest_rate_per_s(self) -> float:
        """Return ν', the rate at which jobs leave while all chains are full."""
        return float(self._full_per_s.sum())

    def at_rate(self, rate_per_s: float) -> InterferenceResponse:
        """Return the mean times at an arrival rate; raise `UnstableError` unless λ < ν'."""
        largest_per_s = self.largest_rate_per_s
        require_below(largest_per_s, rate_per_s, "where requests slow each other")
        lost, flow = self._without_waiting(rate_per_s)
        load, slots = rate_per_s / largest_per_s, int(self._chains.capacity.sum())
        excursion = load / (1 - load)  # mean number of waiting jobs while all chains are full
        normaliser = 1 + lost * excursion  # Z, the weight of all states if those without a queue weigh 1
        jobs = flow.jobs.sum() + lost * (slots * excursion + load / (1 - load) ** 2)
        shares = flow.rate_per_s + lost * excursion * self._full_per_s
        shares /= shares.sum()
        return InterferenceResponse(
            rate_per_s,
            largest_per_s,
            float(jobs / normaliser / rate_per_s),
            lost / (1 - load) / normaliser,
            shares,
            float(shares @ flow.first_token_s),
        )

    @cached_property
    def _full_per_s(self) -> Floats:
        """Return (K,) the rates of the chains while all are full."""
        rate_per_s = np.zeros(self._chains.capacity.size)
        if not full_chains(self._chains, empty_scratch(self._chains), rate_per_s):
            raise _unsettled()
        return rate_per_s

    def _without_waiting(self, rate_per_s: float) -> tuple[float, Flow]:
        """Return the share of lost jobs and the flow if no job waited."""
        flow = Flow(*np.zeros((3, self._chains.capacity.size)))
        lost = jffc_without_queue(rate_per_s, self._chains, empty_scratch(self._chains), flow)
        if np.isnan(lost):
            raise _unsettled()
        return lost, flow


SlowedChains = StepQueues | LockstepChains


def slowed_chains(layout: Layout, workload: Workload, service: ServiceModel) -> SlowedChains:
    """Return chains, whose jobs slow each other, at any arrival rate.

    Raises as `StepQueues` and `LockstepChains` do, and `NotApplicableError` for routed layouts.
    """
    kind = LockstepChains if service.loop == "rounds" else StepQueues
    return kind(layout.composition(), workload, service)


def interference(layout: Layout, workload: Workload, service: ServiceModel) -> InterferenceResponse:
    """Return the mean times of a layout's chains where jobs slow each other.

    In step queues the time is for K chains with C slots on H hops about K² + C H in each of some tens of rounds. Raises
    as `slowed_chains` and its `at_rate` do.
    """
    return slowed_chains(layout, workload, service).at_rate(layout.system.arrival_rate_per_s)


def require_poisson(evaluator: str, workload: Workload) -> None:
    """Raise `NotApplicableError` unless arrivals are Poisson."""
    if not isinstance(getattr(workload, "arrivals", None), Poisson):
        raise NotApplicableError(f"evaluator = {evaluator}: holds for Poisson arrivals only; use evaluator=simulation")


def largest_rate_per_s(layout: Layout, workload: Workload, service: ServiceModel) -> float:
    """Return ν', the largest rate with a steady state; raise as `interference` does."""
    return slowed_chains(layout, workload, service).largest_rate_per_s


def known_largest_rate_per_s(layout: Layout, workload: Workload, service: ServiceModel) -> float | None:
    """Return ν', or None where no theory knows it."""
    try:
        return largest_rate_per_s(layout, workload, service)
    except InputError:
        return None


def _unsettled() -> AccuracyError:
    return AccuracyError("interference: the rates of the chains do not settle; simulate this system instead")


def _require_jffc(chains: Composition) -> None:
    if chains.rule is not None and not is_jffc(chains.rule):
        raise NotApplicableError("interference: is known for dispatch=jffc only; simulate this layout instead")


def _require_serial_steps(service: ServiceModel) -> None:
    """Raise `NotApplicableError` unless servers compute whole steps, one at a time.

    Their speed must be constant.
    """
    if service.loop != "steps" or service.rules != StepRules() or service.factors(np.random.default_rng(0)).size > 1:
        raise NotApplicableError(
            f"service = {type(service).__name__}: the theory of interference is for service=lockstep, and for "
            "service=steps with serial steps, whole prompts, and neither handling, head nor varying slowdown; use a "
            "simulation"
        )


def _shared_chains(chains: Composition, workload: Workload, service: ServiceModel) -> SharedChains:
    """Return the times of the mean job, by the service model's own function."""
    servers, (_, input_tokens, further_tokens) = chains.system.servers, chains.system.mean_job
    settings, (slowdown,) = service.settings_of(servers), service.factors(None)
    hops = list(zip(chains.hop_charged.tolist(), chains.hop_server.tolist(), strict=True))

    def seconds(prompt_tokens: float, steps: int) -> Floats:
        return slowdown * np.array(
            [service.step_s(prompt_tokens, 0.0, steps, m, servers.block_s[j], settings[j]) for m, j in hops]
        )

    prompt_s, token_s = seconds(input_tokens, 0), seconds(0.0, 1)
    spread_s = seconds(input_tokens * (1 + workload.prompt_cv), 0) - prompt_s
    begin, no_blocks = chains.hop_start[:-1], np.zeros_like(chains.hop_charged)
    travel_s = chains.system.path_coefficients_s(chains.hop_server, no_blocks, chains.hop_start)
    by_chain = np.zeros((len(chains), len(servers)))
    np.add.at(by_chain, (np.repeat(np.arange(len(chains)), np.diff(chains.hop_start)), chains.hop_server), prompt_s)
    return SharedChains(
        chains.hop_start,
        chains.hop_server,
        prompt_s,
        token_s,
        travel_s[:, 0] + travel_s[:, 1] * input_tokens,
        travel_s[:, 2].copy(),
        chains.capacity,
        (by_chain > 0).astype(float) @ by_chain.T,
        np.maximum.reduceat(prompt_s, begin),
        float((spread_s.sum() / prompt_s.sum()) ** 2) if prompt_s.sum() > 0 else 0.0,
        further_tokens,
    )
