"""Mean and tail response times of chains in lockstep, from a Markov chain on the numbers of busy slots.

Jobs count as exponential work that a chain with b busy slots does at the rate of `rounds.Rounds`. While jobs wait, all
chains are full and serve at the rate ν' together, so the number of waiting jobs is geometric.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch.jffc import JFFC
from evaluators.queueing.exact_response import ExponentialWaits
from evaluators.queueing.interference_response import LockstepResponse, require_below
from evaluators.queueing.lockstep.rounds import Rounds, rounds_of
from evaluators.queueing.lockstep.states import States, states_of
from system.composition import Composition
from system.dispatch import Dispatch
from system.errors import NotApplicableError
from system.service.model import ServiceModel
from workloads.workload import Workload

Floats = NDArray[np.float64]

LEAST_BUDGET = 1.5  # over a mean prompt, so that few prompts are cut
EXPONENTIAL = 0.2  # how far the variation of prompts may be from that of exponential sizes
LEAST_VARIABLE = 1e-6  # share of a service time that depends on the size


class LockstepChains:
    """The chains of a layout in lockstep, at any arrival rate.

    Arrivals count as Poisson, and chains without a rule as under JFFC. Raises `NotApplicableError` for chains that
    share servers, for prompts in chunks, for servers of varying speed, and as `states_of` does.
    """

    def __init__(self, chains: Composition, workload: Workload, service: ServiceModel) -> None:
        if chains.shared_servers:
            raise NotApplicableError(
                "interference: chains that share a server wait for each other's batches in lockstep; use "
                "allocation=reserved_only, or simulate this layout"
            )
        _require_whole_prompts(chains, service)
        self._chains, self._prompt_cv = chains, workload.prompt_cv
        self._rule = chains.rule if isinstance(chains.rule, Dispatch) else JFFC
        self._rounds: list[Rounds] = rounds_of(chains, workload.prompt_cv, service)

    @property
    def largest_rate_per_s(self) -> float:
        """Return ν', the rate at which jobs leave while all chains are full."""
        return float(self._full_per_s.sum())

    @cached_property
    def _full_per_s(self) -> Floats:
        return np.array([rounds.full_rate_per_s for rounds in self._rounds])

    @cached_property
    def _states(self) -> States:
        return states_of(self._chains, self._rule)

    def at_rate(self, rate_per_s: float) -> LockstepResponse:
        """Return the times at an arrival rate; raise `UnstableError` unless λ < ν'."""
        largest_per_s = self.largest_rate_per_s
        require_below(largest_per_s, rate_per_s, "in lockstep")
        states, leaving_per_s = self._states, [rounds.rate_per_s for rounds in self._rounds]
        probability = states.probabilities(rate_per_s, leaving_per_s)
        load, lost = rate_per_s / largest_per_s, float(probability[-1])
        full = lost * load / (1 - load)  # time in which jobs wait, beside 1 for all states in which no job does
        probability, queued = probability / (1 + full), full / (1 + full)
        served_per_s = queued * self._full_per_s + states.served_per_s(probability, leaving_per_s)
        jobs = queued * self._chains.capacity + probability @ states.lattice.busy
        waiting = float(queued + probability[-1])
        by_chain = waiting * self._full_per_s / largest_per_s
        first_token_s, fixed_s = self._starts(probability, by_chain, served_per_s)
        service_s = jobs / served_per_s
        fixed_s = np.minimum(fixed_s, (1 - LEAST_VARIABLE) * service_s)
        shares = served_per_s / served_per_s.sum()
        cv2 = float(shares @ (1 - fixed_s / service_s) ** 2)  # of a service time that is fixed in part
        waits = ExponentialWaits(waiting, (largest_per_s - rate_per_s) * 2 / (1 + cv2), by_chain)
        return LockstepResponse(
            rate_per_s,
            largest_per_s,
            float(shares @ service_s + waits.mean_s),
            waiting,
            shares,
            first_token_s,
            waits=waits,
            service_s=service_s,
            fixed_s=fixed_s,
            has_exponential_sizes=abs(self._prompt_cv - 1) <= EXPONENTIAL,
        )

    def _starts(self, probability: Floats, by_chain: Floats, served_per_s: Floats) -> tuple[float, Floats]:
        """Return mean times to the first token, and fixed times.

        The first is over all jobs, the second (K,) by chain. `by_chain` are the shares of jobs that wait before they
        run on each chain; these start at the end of a round.
        """
        first_token_s, fixed_s = 0.0, np.zeros(by_chain.size)
        for k, (rounds, waited) in enumerate(zip(self._rounds, by_chain.tolist(), strict=True)):
            at_once = self._states.joining(k, probability)
            at_once_s = rounds.first_token_s(float(served_per_s[k]))
            first_token_s += float(at_once @ at_once_s) + waited * rounds.waited_first_token_s
            mean_s = at_once @ (rounds.begin_s + rounds.fixed_s) + waited * rounds.fixed_s[-1]
            fixed_s[k] = mean_s / max(at_once.sum() + waited, np.finfo(float).tiny)
        return first_token_s, fixed_s


def _require_whole_prompts(chains: Composition, service: ServiceModel) -> None:
    """Raise `NotApplicableError` unless nearly all prompts are computed at once, at a constant speed."""
    rules, prompt_tokens = service.rules, chains.system.mean_job[1]
    varies = service.factors(np.random.default_rng(0)).size > 1
    if rules.prefill_chunk_tokens is not None or rules.handling_s > 0 or varies:
        raise NotApplicableError(
            f"service = {type(service).__name__}: the theory of lockstep is for whole prompts without handling and "
            "varying slowdown; use a simulation"
        )
    if (budget := rules.budget_tokens) is not None and budget < LEAST_BUDGET * prompt_tokens:
        raise NotApplicableError(
            f"budget_tokens = {budget}: cuts prompts of {prompt_tokens:g} tokens in the mean, and the theory of "
            f"lockstep is for whole prompts; give at least {LEAST_BUDGET * prompt_tokens:g}, or use a simulation"
        )
