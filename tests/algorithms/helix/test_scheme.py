"""The scheme of Helix: its flow gives the weights, on its own clusters and on others."""

from dataclasses import replace

import numpy as np
import pytest
from hydra.utils import instantiate

from algorithms.helix import Helix, HelixMilp
from evaluators.points.case import Draw
from evaluators.simulation import simulate_layout
from system import InfeasibleError, InputError, Placement
from system.token_flow import max_flow
from tests.support.oracles.instances import poisson_jobs, random_system
from tests.support.project import case_of

LENGTHS = ("workload=drawn_means", "workload.input_tokens=750", "workload.output_tokens=240")


def case_on(cluster: str, *overrides: str) -> Draw:
    """Return one draw of a scheme on a cluster of Helix."""
    words = (f"cluster={cluster}", "model=llama2_70b", "demand.per_s=0.1", "workload.job_count=300", *overrides)
    return Draw(instantiate(case_of(*words), _convert_="all"), 0)


def test_the_weights_are_the_largest_flow_of_the_placement():
    system = random_system(np.random.default_rng(921), server_count=6, largest_model=4)
    scheme = Helix(HelixMilp(most_nodes=1))
    layout = scheme.compose(system, np.random.default_rng(1))
    assert scheme.deterministic
    assert layout.system.forwarding == "direct"
    flow = max_flow(layout.system, layout.placement)
    assert (layout.rule.weights == flow.edge_tokens_per_s).all()
    assert flow.tokens_per_s == pytest.approx(layout.placement.flow_tokens_per_s)
    jobs = poisson_jobs(np.random.default_rng(922), 200, system.arrival_rate_per_s)
    assert (simulate_layout(layout, jobs).times.response_s > 0).all()


def test_a_published_layout_takes_the_routes_of_its_flow():
    draw = case_on("helix_single24", "algorithm=published_layout", *LENGTHS)
    published = draw.case.algorithm
    scheme = Helix(lambda system, *_: published.placement(system))
    layout = scheme.compose(draw.system, np.random.default_rng(1))
    assert (layout.placement.block_count == draw.layout.placement.block_count).all()
    assert (simulate_layout(layout, draw.jobs(0)).times.response_s > 0).all()


def test_a_placement_without_flow_is_infeasible():
    system = random_system(np.random.default_rng(923), server_count=4, largest_model=4)
    nothing = Placement(np.zeros(4, np.int64), np.zeros(4, np.int64))
    with pytest.raises(InfeasibleError, match=r"^no chain: no server hosts"):
        Helix(lambda *_: nothing).compose(system, np.random.default_rng(1))


@pytest.mark.parametrize("change", [{"partial": 1}, {"high_water": 2.0}, {"least_share": -1.0}])
def test_a_bad_setting_is_refused_in_one_sentence(change):
    with pytest.raises(InputError, match=rf"^{next(iter(change))} = "):
        replace(Helix(HelixMilp()), **change)
