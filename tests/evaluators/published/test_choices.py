"""Every combination of the published choices for BPRR and PETALS, in published runs, beside the plain simulator."""

from itertools import product

import numpy as np
import pytest

from evaluators.points.case import Draw
from evaluators.simulation import simulate_layout
from sweep.instantiate import instantiated
from system import InfeasibleError
from tests.support.oracles import published_simulator as published
from tests.support.oracles.published_routes import PublishedRoutes, Rules
from tests.support.oracles.routed_simulation import Hop, bprr_scheme
from tests.support.project import case_of
from tests.support.published_runs import anchors_file

CELLS = ((10, 0.1), (10, 0.2), (10, 0.4))  # few servers have few enough paths to list them
JOB_COUNT = 150  # the plain simulator takes time in proportion to the square
ESTIMATES, SESSION_RULES = ("mean_over_present", "order_statistic"), ("published_code", "prior_paper")
SELECTIONS = ("window_sum", "lexicographic")


def draws(algorithm: str, choices: dict[str, object]) -> list[Draw]:
    """Return one run of each cell under some choices."""
    anchors_file()
    overrides = ("published=fig8", f"algorithm={algorithm}", *(f"algorithm.{key}={choices[key]}" for key in choices))
    cells = [(f"cluster.server_count={servers}", f"cluster.fast_share={share}") for servers, share in CELLS]
    return [Draw(instantiated(case_of(*overrides, *cell)), run) for run, cell in enumerate(cells)]


def check(draw: Draw, rules: Rules) -> bool:
    """Compare all jobs of a run; return whether some waited."""
    layout, jobs = draw.layout, draw.jobs(0).of_jobs(slice(JOB_COUNT))
    times = simulate_layout(layout, jobs, draw.case.evaluator.service).times
    served = PublishedRoutes(draw.system, layout.placement, layout.slots.tolist(), rules).serve(jobs)
    for ours, theirs in (
        (times.waiting_s, [job.start_s for job in served]),
        (times.response_s, [job.end_s for job in served]),
    ):
        np.testing.assert_allclose(ours, theirs - jobs.arrival_s, rtol=1e-9, atol=1e-9)
    return bool(times.waiting_s.any())


@pytest.mark.parametrize("session_rule", SESSION_RULES)
@pytest.mark.parametrize("wait_estimate", ESTIMATES)
@pytest.mark.parametrize("occupancy", ["believed", "present"])
@pytest.mark.parametrize("waiting", ["planned", "fcfs"])
def test_bprr_serves_published_runs_as_the_plain_simulator(waiting, occupancy, wait_estimate, session_rule):
    choices = {"waiting": waiting, "occupancy": occupancy, "wait_estimate": wait_estimate, "session_rule": session_rule}
    waited = 0
    for draw in draws("bprr_published_code", choices):
        scheme, delay_s = bprr_scheme(draw.system, waiting), published.REQUEST_DELAY_S
        shared = (wait_estimate, waiting, occupancy, delay_s, True, delay_s)
        waited += check(draw, Rules(scheme.hop_s, scheme.exit_s, *shared))
    assert waited > 1


@pytest.mark.parametrize(("cap", "block_selection"), list(product((4, "null"), SELECTIONS)))
@pytest.mark.parametrize("occupancy", ["believed_without_wait", "present"])
@pytest.mark.parametrize("waiting", ["planned", "fcfs"])
def test_petals_serves_published_runs_as_the_plain_simulator(waiting, occupancy, cap, block_selection):
    placement = {"placement.small_server_block_cap": cap, "placement.block_selection": block_selection}
    waited = 0
    for draw in draws("petals_published_code", {"waiting": waiting, "occupancy": occupancy} | placement):
        servers, block_s, delay_s = draw.system.servers, draw.system.block_s, published.REQUEST_DELAY_S

        def hop_s(hop: Hop, servers=servers, block_s=block_s) -> float:
            rtt_s = servers.orchestrator_rtt_s if hop.source is None else servers.rtt_s[hop.source]
            return rtt_s[hop.server] / 2 + 0.018 + hop.blocks * block_s[hop.server] / published.OUTPUT_TOKENS

        exit_s = (servers.orchestrator_rtt_s / 2).__getitem__
        try:
            waited += check(draw, Rules(hop_s, exit_s, "sessions", waiting, occupancy, delay_s, False, delay_s))
        except InfeasibleError:
            assert (draw.case.cluster.fast_share, cap) == (0.1, 4)  # the cap leaves blocks without a server
    assert waited > 0
