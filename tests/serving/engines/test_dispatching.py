"""Dispatch over chains: the simulator's decisions, lost chains, failed jobs and broken rules, in virtual time."""

import asyncio
from collections.abc import Mapping

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.least_work import least_work_dispatch
from evaluators.simulation import simulate_layout
from serving.endpoint.streamed import ClientLag
from serving.engines.dispatching import GRACE_S, DispatchedRun, Dispatcher
from system import InputError
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from tests.algorithms.test_dispatch import DISPATCHES
from tests.serving.engines.virtual_time import run_virtually
from tests.support.oracles.instances import chains_of, one_server_chains, poisson_jobs

POLICIES = {**DISPATCHES, "least_work": least_work_dispatch()}


class Chains:
    """Chains that serve each job in its time by equation (2); one of them may end."""

    def __init__(self, layout, jobs):
        self.layout, self.jobs = layout, jobs
        self.lost, self.broken = {}, set()

    async def send(self, chain, job, record):
        coefficients_s, (input_tokens, further) = self.layout.job_coefficients_s[chain], self.jobs.lengths[0]
        now_s, size = asyncio.get_running_loop().time, self.jobs.size[job]
        record.start_s = now_s()
        if chain in self.broken:
            record.status, record.reason = "failed", "the endpoint closed the connection"
            return
        first_s = size * (coefficients_s[0] + coefficients_s[1] * input_tokens)
        await asyncio.sleep(first_s)
        record.first_token_s = now_s()
        await asyncio.sleep(size * coefficients_s[2] * further)
        record.end_s, record.tokens, record.status = now_s(), int(further) + 1, "served"

    def end(self, chain, reason="the host of chain 0 ended"):
        self.broken.add(chain)
        self.lost[chain] = reason

    def losses(self) -> Mapping[int, str]:
        return self.lost


def dispatched(chains: Chains, happens=None, reroute=True) -> DispatchedRun:
    """Serve all jobs in virtual time; `happens` is a time and a call."""
    ends = []

    async def run():
        dispatcher = Dispatcher(chains.layout, chains.jobs, chains.send, chains.losses, reroute)
        if happens is not None:
            asyncio.get_running_loop().call_later(*happens)
        await dispatcher.run(range(len(chains.jobs)), lambda: ends.append(1))
        return dispatcher.finished_run(ClientLag(dispatcher.sending_s))

    result = run_virtually(run())
    assert len(ends) == len(chains.jobs)
    return result


def some_jobs(seed=7, count=150, load=0.9, dispatch=JFFC):
    rng = np.random.default_rng(seed)
    layout = chains_of(rng).under(dispatch)
    return Chains(layout, poisson_jobs(rng, count, load * layout.total_rate_per_s))


@pytest.mark.parametrize("name", POLICIES)
def test_jobs_go_where_the_simulator_sends_them(name):
    chains = some_jobs(dispatch=POLICIES[name])
    run = dispatched(chains)
    simulated = simulate_layout(chains.layout, chains.jobs).times
    assert (run.times.chain == simulated.chain).all()
    for column in ("waiting_s", "service_s", "first_token_s"):
        np.testing.assert_allclose(getattr(run.times, column), getattr(simulated, column), rtol=1e-6, atol=1e-6)
    assert np.count_nonzero(simulated.waiting_s) > 10
    assert run.times.by_chain.share.sum() == pytest.approx(1)
    assert (run.lag.sending_s < 1e-6).all()
    assert (run.attempts == 1).all()


def two_chains(count=60, seed=3):
    """Return two chains of one server, and jobs for 80 % of their rate."""
    coefficients_s = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    layout = one_server_chains(coefficients_s, np.array([2, 2]), 1.0).under(JFFC)
    return Chains(layout, poisson_jobs(np.random.default_rng(seed), count, 0.8 * layout.total_rate_per_s))


def test_jobs_of_a_lost_chain_begin_again_on_another():
    chains = two_chains()
    half_s = float(chains.jobs.arrival_s[30])
    run = dispatched(chains, (half_s, chains.end, 0))
    assert run.served.all()
    assert run.lost == {0: "the host of chain 0 ended"}
    times, again = run.times, run.attempts > 1
    assert 0 < again.sum() <= 2  # slots of the chain
    assert (times.chain[again] == 1).all()
    begun_s = times.arrival_s + times.waiting_s
    assert (times.chain[begun_s > half_s + 1] == 1).all()
    assert set(times.chain.tolist()) == {0, 1}
    np.testing.assert_allclose(times.service_s, chains.layout.mean_service_s[times.chain] * chains.jobs.size, atol=1e-6)


def test_jobs_of_a_lost_chain_fail_where_they_may_not_begin_again():
    chains = two_chains()
    run = dispatched(chains, (float(chains.jobs.arrival_s[30]), chains.end, 0), reroute=False)
    reasons = [record.reason for record in run.records if not record.served]
    assert 0 < len(reasons) <= 2
    assert set(reasons) == {"the host of chain 0 ended"}
    assert np.isnan(run.times.response_s[~run.served]).all()


def test_without_any_chain_all_other_jobs_fail_at_once():
    chains = two_chains()

    def end_all():
        chains.end(0)
        chains.end(1, "a server of chain 1 ended")

    end_s = float(chains.jobs.arrival_s[30])
    run = dispatched(chains, (end_s, end_all))
    assert run.served.sum() < 31
    assert run.served[:20].all()
    reasons = {record.reason for record in run.records if not record.served}
    assert all("the host of chain 0 ended; a server of chain 1 ended" in reason for reason in reasons)
    assert any(reason.startswith("no path: servers were lost") for reason in reasons)


def test_a_broken_connection_fails_its_job_only_if_the_chain_goes_on():
    chains = two_chains()
    break_s = float(chains.jobs.arrival_s[30])
    run = dispatched(chains, (break_s, chains.broken.add, 0))
    failed = ~run.served
    assert {record.reason for record, has in zip(run.records, failed, strict=True) if has} == {
        "the endpoint closed the connection"
    }
    assert (run.times.chain[failed] == 0).all()
    assert run.lost == {}
    mended = two_chains()
    later = (break_s, lambda: (mended.broken.add(0), asyncio.get_running_loop().call_later(GRACE_S / 2, mended.end, 0)))
    assert dispatched(mended, later).served.all()  # the process was seen to have ended soon after


@compiled(DISPATCH)
def never(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return -1


@compiled(DISPATCH)
def minus_five(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return -5


@pytest.mark.parametrize(
    ("policy", "message"),
    [(never, "dispatch = never: leaves 60 jobs waiting"), (minus_five, "dispatch = minus_five: answers -5 for job 0")],
)
def test_a_broken_policy_ends_the_run_in_one_sentence(policy, message):
    chains = two_chains()
    chains.layout = chains.layout.under(Dispatch(policy, work_conserving=False))
    with pytest.raises(InputError, match=message):
        dispatched(chains)
