"""Emulated links of real runs: a bandwidth delays messages as theory and simulations say; direct hops are refused."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.points.case import Draw
from evaluators.simulation.steps.simulate import simulate_steps
from serving.settings import RunSettings
from system import NotApplicableError
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from tests.support.project import case_of, needs_runtime
from workloads.jobs import Jobs

pytestmark = needs_runtime

PROMPT_TOKENS, FURTHER_TOKENS = 120.0, 1.0
CROSSING_S = 0.2  # of the prompt's activations
TOKEN_S = CROSSING_S / PROMPT_TOKENS
RTT_S = 0.004
JOB = np.array([1.0, PROMPT_TOKENS, FURTHER_TOKENS])


def layout_of(token_s=0.0, forwarding="hub"):
    """Return two servers of a tiny model with `token_s` per token and crossing."""
    from hydra.utils import instantiate

    words = ("network=local", f"network.rtt_s={RTT_S}", "cluster=local_pair", "model=tiny_llama", "tuning.capacity=1")
    layout = Draw(instantiate(case_of(*words, "demand.per_s=1")), 0).layout
    system = layout.system
    visits_s = system.servers.communication_s + np.array([0.0, 2 * token_s, 2 * token_s])
    return replace(
        layout,
        system=replace(system, servers=replace(system.servers, communication_s=visits_s), forwarding=forwarding),
    )


def jobs_in_turn(count):
    """Return jobs that arrive together and are served one after another."""
    return Jobs(np.zeros(count), np.ones(count), JOB[None, 1:], np.zeros(count))


def real_s(layout):
    """Return the shortest real time to a first token, after a warm-up job."""
    from serving.run import serve

    settings = RunSettings(engine="local", emulate="rtt", timeout_s=30.0)
    times = serve(layout, jobs_in_turn(3), settings, Steps(), np.random.default_rng(1)).times
    return (times.first_token_s - times.waiting_s)[1:].min()


def theory_s(layout):
    return layout.job_coefficients_s[0, :2] @ JOB[:2]


def simulated_s(layout, service):
    return simulate_steps(layout, jobs_in_turn(1), service).times.first_token_s[0]


def test_a_bandwidth_delays_a_real_run_as_theory_and_simulations_say():
    fast, slow = layout_of(), layout_of(TOKEN_S)
    hops = len(slow.chains[0][0])
    assert hops == 2
    extra_s = 2 * hops * CROSSING_S
    assert theory_s(slow) - theory_s(fast) == pytest.approx(extra_s)
    for service in (Steps(), Lockstep()):
        assert simulated_s(slow, service) - simulated_s(fast, service) == pytest.approx(extra_s)
    assert real_s(slow) - real_s(fast) == pytest.approx(extra_s, rel=0.1)


def test_emulated_delays_follow_the_links():
    servers = layout_of(TOKEN_S).system.servers
    delays_s = RunSettings(emulate="rtt").delays_s(servers)
    assert delays_s == pytest.approx(np.tile([RTT_S, 2 * TOKEN_S, RTT_S + 2 * TOKEN_S], (2, 1)))
    assert not RunSettings(emulate="nothing").delays_s(servers).any()
    assert (RunSettings(emulate="communication").delays_s(servers) == servers.communication_s).all()


def test_direct_hops_are_refused():
    with pytest.raises(
        NotApplicableError, match=r"^forwarding = direct: the servers of a real run .* use forwarding=hub"
    ):
        RunSettings().specs(layout_of(forwarding="direct"), Steps())
