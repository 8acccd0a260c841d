"""Least work: the policy against plain Python, its limits, and the settings that it gets for a layout."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.least_work import least_work_dispatch
from evaluators.simulation import simulate, simulate_layout
from evaluators.simulation.streamed import stream_layout
from system import Composition, InputError, RandomStreams
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from system.service.independent import INDEPENDENT
from system.service.steps import Steps
from tests.support.oracles.instances import chains_of, one_server_chains, poisson_jobs
from tests.support.oracles.steps.runs import token_jobs
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload


def plain_least_work(
    chains: Composition,
    busy: np.ndarray,
    allowed: Sequence[int] | None = None,
    weight: float = 0.5,
    prompt_weight: float = 0.0,
) -> int:
    """Return the chain by the rule as written; -1 if none has room.

    Without `allowed`, all chains are allowed.
    """
    servers, (_, prompt_tokens, further_tokens), times_s = chains.system.servers, chains.system.mean_job, {}

    def outstanding_s(server: int) -> tuple[float, float]:
        work_s = prompts_s = 0.0
        for k, chain in enumerate(chains.chains):
            if server in chain.servers:
                once_s, prompt_s, further_s = servers.block_s[server] * chain.blocks[chain.servers.index(server)]
                prompts_s += busy[k] * (once_s + prompt_s * prompt_tokens)
                work_s += busy[k] * (once_s + prompt_s * prompt_tokens + further_s * further_tokens)
        return work_s, prompts_s

    for k, chain in enumerate(chains.chains):
        if busy[k] < chain.capacity and (allowed is None or k in allowed):
            works_s, prompts_s = zip(*map(outstanding_s, chain.servers), strict=True)
            times_s[k] = chain.mean_service_s + weight * max(works_s) + prompt_weight * sum(prompts_s)
    return min(times_s, key=times_s.__getitem__, default=-1)


def answer(chains: Composition, dispatch: Dispatch, busy: np.ndarray) -> int:
    """Return the policy's choice in a state without jobs in the queues of chains."""
    state = busy, np.zeros(len(chains), np.int64), 1, chains.capacity, chains.service_rate_per_s
    return dispatch.policy(*state, dispatch.settings_for(chains), 0.5)


def random_busy(rng: np.random.Generator, chains: Composition) -> np.ndarray:
    return chains.capacity.copy() if rng.random() < 0.05 else rng.integers(0, chains.capacity + 1)


@pytest.mark.parametrize(("weight", "prompt_weight"), [(0.0, 0.0), (0.25, 0.0), (0.5, 0.0), (0.5, 0.5), (0.5, 2.0)])
def test_it_agrees_with_its_plain_form(weight, prompt_weight):
    rng, dispatch, slower = np.random.default_rng(801), least_work_dispatch(weight, prompt_weight), 0
    for _ in range(60):
        chains = chains_of(rng)
        for _ in range(20):
            busy = random_busy(rng, chains)
            chosen = answer(chains, dispatch, busy)
            assert chosen == plain_least_work(chains, busy, None, weight, prompt_weight)
            assert (chosen == -1) == bool((busy == chains.capacity).all())
            slower += chosen > np.flatnonzero(busy < chains.capacity).min(initial=len(chains))
    assert (slower > 100) == (weight > 0)


def test_it_is_jffc_where_chains_share_nothing_and_serve_one_job_each():
    rng, dispatch = np.random.default_rng(802), least_work_dispatch()
    for _ in range(5):
        count = int(rng.integers(1, 8))
        chains = one_server_chains(np.sort(rng.uniform(0.5, 5, count)), np.ones(count, np.int64), 1.0)
        jobs = poisson_jobs(rng, 500, 0.9 * chains.total_rate_per_s)
        ours, jffc = (simulate_layout(chains.under(rule), jobs).times for rule in (dispatch, JFFC))
        assert ours.response_s.tobytes() == jffc.response_s.tobytes()
        assert (ours.chain == jffc.chain).all()


def test_it_is_jffc_on_a_single_chain():
    chains = one_server_chains(np.array([0.7]), np.array([5]), 1.0)
    jobs = poisson_jobs(np.random.default_rng(803), 500, 0.9 * chains.total_rate_per_s)
    ours, jffc = (simulate_layout(chains.under(rule), jobs).times for rule in (least_work_dispatch(), JFFC))
    assert ours.response_s.tobytes() == jffc.response_s.tobytes()


def test_two_equal_servers_share_the_jobs_where_jffc_fills_one():
    """Check servers of four slots; both serve a job alone in the same time."""
    chains = one_server_chains(np.array([1.0, 1.0]), np.array([4, 4]), 1.0)
    assert [answer(chains, least_work_dispatch(), np.array(busy)) for busy in ([0, 0], [1, 0], [2, 1])] == [0, 1, 1]
    assert [answer(chains, JFFC, np.array(busy)) for busy in ([0, 0], [1, 0], [2, 1])] == [0, 0, 0]


def test_jobs_leave_earlier_than_under_jffc_where_steps_queue_at_a_server_with_many_slots():
    """Check the paired difference of the mean response over independent runs."""
    rng, gains_s = np.random.default_rng(804), []
    chains = one_server_chains(np.array([[0.2, 0, 0.1], [0.2, 0, 0.11]]), np.array([8, 8]), 1.0)
    for _ in range(8):
        jobs = token_jobs(rng, 400, 0.5)
        means_s = [
            simulate_layout(chains.under(rule), jobs, Steps()).times.mean_s("response")
            for rule in (JFFC, least_work_dispatch())
        ]
        gains_s.append(means_s[0] - means_s[1])
    assert np.mean(gains_s) > 4 * np.std(gains_s, ddof=1) / np.sqrt(len(gains_s))


def test_chains_without_servers_are_refused():
    message = r"^dispatch = least_work: is prepared for the servers of a layout; use simulate_layout$"
    with pytest.raises(InputError, match=message):
        simulate(poisson_jobs(np.random.default_rng(0), 5, 1.0), [1.0], [1], least_work_dispatch())


@pytest.mark.parametrize("name", ["weight", "prompt_weight"])
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_weights_below_0_are_refused(name, value):
    with pytest.raises(InputError, match=rf"^{name} = .*: must be a finite number, 0 or above$"):
        least_work_dispatch(**{name: value})


@compiled(DISPATCH)
def keeps_to_its_setting(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    k = int(settings[0])
    return k if busy[k] < capacity[k] else -1


BY_RATE = Dispatch(
    keeps_to_its_setting,
    work_conserving=False,
    settings_of=lambda chains: [float(chains.load > 0.5)],
)


def test_settings_follow_the_rate_of_the_layout():
    chains = chains_of(np.random.default_rng(805)).under(BY_RATE)
    jobs = poisson_jobs(np.random.default_rng(805), 50, 1.0)
    for load, expected in ((0.3, 0), (0.7, 1), (0.2, 0)):
        layout = chains.at_rate(load * chains.total_rate_per_s)
        assert (simulate_layout(layout, jobs).times.chain == expected).all()
        chains = layout


def test_settings_that_are_not_finite_are_refused():
    chains = chains_of(np.random.default_rng(806)).under(replace(BY_RATE, settings_of=lambda chains: [np.nan]))
    with pytest.raises(InputError, match=r"^settings\[0\] = nan: must be a finite number"):
        simulate_layout(chains, poisson_jobs(np.random.default_rng(806), 5, 1.0))


def test_chunks_of_jobs_are_dispatched_as_whole_runs():
    chains = chains_of(np.random.default_rng(807)).under(least_work_dispatch())
    layout = chains.at_rate(0.8 * chains.total_rate_per_s)
    workload, rate = SyntheticWorkload(Poisson(), 1000, 3, 2), layout.system.arrival_rate_per_s
    whole = simulate_layout(layout, workload.jobs(rate, RandomStreams(5))).times
    streamed = stream_layout(layout, workload.chunks(rate, RandomStreams(5), 60), 1000, INDEPENDENT)
    assert streamed.mean_s("response") == pytest.approx(whole.mean_s("response"), rel=1e-12)


def test_the_chains_that_remain_keep_their_hops_capacities_and_rule():
    rng = np.random.default_rng(808)
    for _ in range(20):
        chains = chains_of(rng).under(JFFC)
        kept = np.flatnonzero(rng.random(len(chains)) < 0.6)
        if kept.size:
            remaining = chains.only(kept)
            assert remaining.chains == [chains.chain(k) for k in kept]
            assert remaining.rule is JFFC
