"""Warnings about a plan: where its numbers mean less than they seem to.

A warning is a sentence without a capital letter and a full stop, so that it can follow a heading.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.steady_state import steady_state
from hardware_profiles.profile import GpuProfile, read_profile
from planner.choice.chains.ends import ends_gb, spare_memory_gb
from planner.choice.cheapest import choices, is_exhaustive
from planner.choice.prediction import theory_applies
from planner.choice.sharing.computation import never_meet
from planner.inventory.efficiency import Fit, efficiency_of, is_by_peak
from planner.inventory.goals import Cheapest
from planner.results import MUCH, Alternative, Computation, Plan
from planner.study.sensitivity import links_per_chain_s
from planner.words import some_names, time_words
from system import InputError, RandomStreams
from system.checks import SLACK
from system.words import counted, listed
from workloads.synthetic import CalibratedWorkload, is_poisson_exponential
from workloads.traces import Replay

Floats = NDArray[np.float64]
Recorded = Replay | CalibratedWorkload  # workloads with a rule for over-long requests

SHORT = 100  # mean response times: a replayed workload that lasts no longer is short
BURSTY = 1.2  # times the mean rate: from there on, the rate around an average request is a burst
LINKS_DOMINATE = 0.5  # share of communication in the service time
ARITHMETIC_SHORT = 0.5  # share of a server's peak arithmetic rate that prompts need


def warnings(plan: Plan, seed: int = 0) -> tuple[str, ...]:
    """Return what to be careful about, one sentence for each point."""
    parts = (
        _of_search(plan),
        _of_requests(plan, seed),
        _of_interference(plan),
        _of_arithmetic(plan),
        _of_ends(plan),
        _of_links(plan),
        _of_profiles(plan),
    )
    return tuple(sentence for part in parts for sentence in part)


def better_alternatives(plan: Plan, alternatives: tuple[Alternative, ...]) -> Iterator[str]:
    """Yield a warning for each alternative that beats the plan at this rate.

    Both are compared under one evaluator, and a difference within its accuracy does not count.
    """
    time = f"its {time_words(plan.inventory.goal.quantile)}"
    for other in alternatives:
        compared = other.comparison
        if compared is None or not compared.is_better:
            continue
        if compared.plan_s is None:
            yield (
                f"the plan does not serve requests as fast as they come, but {other.name} does; {time} is "
                f"{compared.alternative_s:.4g} s"
            )
        elif compared.plan_s - compared.alternative_s > plan.accuracy * compared.plan_s:
            simulated = " for the same simulated requests" if compared.half_width_s > 0 else ""
            yield (
                f"{other.name} does better{simulated}: {time} is {compared.alternative_s:.4g} s instead of "
                f"{compared.plan_s:.4g} s"
            )


def _of_search(plan: Plan) -> Iterator[str]:
    inventory = plan.inventory
    if plan.candidates and not theory_applies(inventory.workload, inventory.service.model):
        yield (
            "the memory reserved for requests was searched from coarse to fine by simulation; another amount may be "
            "slightly better"
        )
    if plan.candidates and isinstance(inventory.goal, Cheapest) and not is_exhaustive(inventory):
        yield (
            f"there are too many choices of servers to try them all ({choices(inventory):.3g}); servers were dropped, "
            "the most expensive first, as long as the SLO was met, which may miss the cheapest choice"
        )


def _of_requests(plan: Plan, seed: int) -> Iterator[str]:
    workload, tokens = plan.inventory.workload, plan.inventory.model.cache_tokens
    too_long = workload.over_length_share(tokens)
    if too_long > 0:
        treated = f" (over_length = {workload.over_length})" if isinstance(workload, Recorded) else ""
        yield f"{too_long:.1%} of the requests are longer than the {tokens} tokens of a cache slot{treated}"
    if not is_poisson_exponential(workload):
        yield from _of_arrivals(plan, workload.jobs(plan.prediction.rate_per_s, RandomStreams(seed)).arrival_s)


def _of_arrivals(plan: Plan, arrival_s: Floats) -> Iterator[str]:
    """Yield warnings about arrivals that end too soon or come in bursts.

    A steady state needs a workload that is much longer than a response time.
    """
    prediction, span_s = plan.prediction, float(arrival_s[-1] - arrival_s[0])
    if span_s < SHORT * prediction.mean_s:
        yield (
            f"at {prediction.rate_per_s:.3g} requests/s the workload of {counted(arrival_s.size, 'request')} lasts "
            f"{span_s:.3g} s, only {span_s / prediction.mean_s:.0f} times the mean response time: queues that build up "
            "more slowly are not seen"
        )
    busy_per_s = busy_rate_per_s(arrival_s, prediction.mean_s)
    if busy_per_s >= BURSTY * prediction.rate_per_s:
        yield _bursts(plan, busy_per_s)


def _bursts(plan: Plan, busy_per_s: float) -> str:
    prediction, total_per_s = plan.prediction, plan.composition.total_rate_per_s
    bursts = (
        f"requests come in bursts: around an average request the rate is {busy_per_s:.3g} requests/s, a load of "
        f"{busy_per_s / total_per_s:.2f}, while the mean load is {prediction.rate_per_s / total_per_s:.2f}"
    )
    if not plan.inventory.service.is_independent:
        return bursts
    poisson = steady_state(plan.composition)
    return (
        f"{bursts}; Poisson arrivals and exponential sizes would give a mean of {poisson.mean_s('response'):.3g} s and "
        f"a P95 of {poisson.quantile_s('response', 0.95):.3g} s, but the given requests have a mean of "
        f"{prediction.mean_s:.3g} s and a P95 of {prediction.quantiles_s[0.95]:.3g} s"
    )


def busy_rate_per_s(arrival_s: Floats, window_s: float) -> float:
    """Return the mean rate (1/s) at which others arrive around a request.

    Only arrivals in the request's own window of time count.

    It is the arrival rate for Poisson arrivals, and more for arrivals in bursts that are longer than the window.
    """
    counts = np.bincount(((arrival_s - arrival_s[0]) // window_s).astype(np.int64)).astype(float)
    return float(counts @ (counts - 1) / (counts.sum() * window_s))


def _of_interference(plan: Plan) -> Iterator[str]:
    """Yield a warning if requests slow each other much at the plan's rate."""
    prediction, load = plan.prediction, plan.prediction.load_of_saturation
    if plan.inventory.users is not None:
        return
    if plan.computation is not None:
        yield from _of_computation(plan, plan.computation)
    elif load is not None and load > MUCH:
        manner = plan.inventory.service.manner
        yield (
            f"requests slow each other much: {prediction.rate_per_s:.3g} requests/s is {load:.0%} of the about "
            f"{prediction.saturation_rate_per_s:.3g} requests/s of servers that {manner}"
        )


def _of_computation(plan: Plan, computation: Computation) -> Iterator[str]:
    """Yield a warning if the servers compute too little for the rate."""
    load, rate_per_s = plan.load_of_computation, plan.prediction.rate_per_s
    share = (
        f"{rate_per_s:.3g} requests/s is {load:.0%} of the about {computation.saturation_rate_per_s:.3g} requests/s "
        "that these servers compute"
    )
    if computation.prediction is None and load > MUCH:
        yield f"{share}: requests pile up, and none of the times by equation (2) will be kept; add servers"
    elif load > MUCH:
        yield (
            f"equation (2) assumes that requests do not slow each other, and its times are too short: {share}; expect "
            "the times with shared computation"
        )
    goal, times = plan.inventory.goal, computation.prediction
    if isinstance(goal, Cheapest) and times is not None and times.quantiles_s[goal.quantile] > goal.slo_s:
        yield (
            f"with shared computation P{100 * goal.quantile:g} is {times.quantiles_s[goal.quantile]:.3g} s, above the "
            f"{goal.slo_s:g} s of the SLO: these servers are too few"
        )


def prefill_share(plan: Plan) -> Floats:
    """Return (J,) shares of the servers' peak arithmetic rates that prompts alone need.

    A server with a share above 1 cannot keep up. The service model assumes that concurrent requests do not slow each
    other; that can be true of decoding, but not of prompts.
    """
    composition, prediction = plan.composition, plan.prediction
    system = composition.system
    per_s = np.repeat(prediction.rate_per_s * prediction.chain_shares, np.diff(composition.hop_start))
    prompt_s = composition.hop_blocks * system.servers.block_s[composition.hop_server, 1] * system.mean_job[1]
    share = np.bincount(composition.hop_server, per_s * prompt_s, minlength=len(system.servers))
    return share.astype(np.float64)


def _of_arithmetic(plan: Plan) -> Iterator[str]:
    """Yield a warning if prompts need much of a server.

    Where shared computation is simulated, as it is for users, and under service models in which requests slow each
    other, prompts count already. They also count where no server has two requests.
    """
    inventory = plan.inventory
    if plan.computation is not None or inventory.users is not None or not inventory.service.is_independent:
        return
    if never_meet(plan.composition):
        return
    share = prefill_share(plan)
    over = np.flatnonzero(share > ARITHMETIC_SHORT)
    if over.size:
        names = some_names(inventory, plan.members[over].tolist())
        yield (
            f"prompts alone need {_up_to(share[over])} of the peak arithmetic rate of {names}: the service model "
            "assumes that concurrent requests do not slow each other, so expect longer times and a lower largest rate "
            "than predicted"
        )


def _up_to(shares: Floats) -> str:
    """Return one share in words, or the largest of several."""
    return f"{shares.max():.0%}" if shares.size == 1 else f"up to {shares.max():.0%}"


def _of_ends(plan: Plan) -> Iterator[str]:
    """Yield a warning if a running layout lacks memory for embedding and head.

    A new plan keeps that memory.
    """
    lacking_gb = ends_gb(plan.composition, plan.inventory) - spare_memory_gb(plan.composition)
    lacking = np.flatnonzero(lacking_gb > SLACK)
    if not plan.candidates and lacking.size:
        names = some_names(plan.inventory, plan.members[lacking].tolist())
        yield (
            f"embedding and output head do not fit beside the blocks and full caches of {names}: up to "
            f"{lacking_gb.max():.3g} GB are missing, so these chains serve fewer requests at once"
        )


def _of_links(plan: Plan) -> Iterator[str]:
    composition = plan.composition
    share = plan.prediction.chain_shares
    links = float(share @ links_per_chain_s(composition) / (share @ composition.mean_service_s))
    if links > LINKS_DOMINATE:
        yield (
            f"communication dominates: round trips, overheads and activations take {links:.0%} of the service time of "
            "a request alone"
        )


def _of_profiles(plan: Plan) -> Iterator[str]:
    """Yield what block times rest on that were not measured."""
    efficiency, on_fits = efficiency_of(plan.inventory.engine.name), defaultdict[Fit, list[GpuProfile]](list)
    used = {int(plan.members[j]) for j in plan.composition.hop_server}
    for name in sorted({name for j in used for name in plan.inventory.device_names(j)}):
        profile = _profile(name)
        if profile is not None and is_by_peak(profile, plan.inventory.model):
            on_fits[efficiency.fit(profile.family)].append(profile)
    for fit, profiles in on_fits.items():
        names, (low, high) = [profile.name for profile in profiles], efficiency.spread(profiles[0].family)
        yield (
            f"the block times of {listed(names)} follow from data sheets and {fit.basis(names)}; nine in ten of those "
            f"take {low:.2f} to {high:.2f} times as long as predicted, so measure one server of each kind if you need "
            "closer numbers"
        )


def _profile(name: str) -> GpuProfile | None:
    try:
        content = read_profile(name)
    except InputError:  # no profile of this name: the inventory itself, or a file beside it, gives the numbers
        return None
    return GpuProfile(**{key: value for key, value in content.items() if key != "_target_"})
