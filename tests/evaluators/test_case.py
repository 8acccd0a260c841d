"""What an evaluation says about itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate

from algorithms.bprr import Bprr
from algorithms.demand import Load, NativeRate, Rate
from algorithms.dispatch.random_free import RANDOM_FREE
from algorithms.dispatch.sed import SED
from algorithms.petals import Petals
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.petals import PetalsPlacement
from algorithms.placement.random_feasible import RandomFeasible
from evaluators.points.case import Case, Draw, simulates
from evaluators.points.distributions import ServiceTimesEvaluator
from evaluators.points.reservations import ReservationsEvaluator
from evaluators.points.simulated import SimulationEvaluator
from evaluators.points.theory import ExactEvaluator, PerDraw, composition_facts
from hardware_profiles.clusters import Cluster, EqualServers
from hardware_profiles.networks.european import European
from hardware_profiles.networks.local import Local
from hardware_profiles.profile import GpuProfile
from system import RandomStreams, ServedModel
from system.random_streams import is_deterministic
from system.service.steps import Steps
from tests.support.project import case_of
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload
from workloads.traces import FileTrace


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("evaluator=simulation", True),
        ("evaluator=simulation_stream", True),
        ("evaluator=replay", True),
        ("evaluator=runtime", False),  # real servers serve the jobs
        ("evaluator=endpoint", False),  # as does whatever is behind an endpoint
        ("evaluator=exact", False),
    ],
)
def test_evaluators_say_whether_they_simulate(word, expected):
    assert simulates(instantiate(case_of("data=embedded", word)).evaluator) == expected


@pytest.mark.parametrize(("tuning", "expected"), [("simulated_mean", True), ("exact_mean", False)])
def test_algorithms_say_whether_they_choose_c_by_simulation(tuning, expected):
    case = instantiate(case_of("data=embedded", "algorithm=proposed", f"tuning={tuning}"))
    assert simulates(case.algorithm) == expected


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Return a trace with every fourth request unanswered."""
    rng = np.random.default_rng(7)
    arrival_s, tokens = np.cumsum(rng.exponential(4.0, 60)), rng.integers(2, 200, (60, 2))
    tokens[::4, 1] = 0
    lines = [f"{t},{a},{b}" for t, (a, b) in zip(arrival_s, tokens, strict=True)]
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    path.write_text("\n".join(["arrival_s,input_tokens,output_tokens", *lines]))
    return FileTrace(file=str(path), unanswered="drop", first=30)


@pytest.fixture(scope="module")
def fixed(trace):
    """Return a case in which nothing is random."""
    case = instantiate(case_of("cluster=typed"), _convert_="all")
    return replace(case, workload=trace, demand=NativeRate())


RANDOM_JOBS = SyntheticWorkload(Poisson(), 50, 200, 20)
SLOWED = Steps(slowdown_cv=0.2)
# The parts that replace those of the fixed case, and what then varies.
CASES: dict[str, tuple[Callable[[Case], dict[str, Any]], str]] = {
    "as it is": (lambda case: {}, "nothing"),
    "steps": (lambda case: {"evaluator": SimulationEvaluator(service=Steps())}, "nothing"),
    "random steps": (lambda case: {"evaluator": SimulationEvaluator(service=SLOWED)}, "replication"),
    "SED": (lambda case: {"algorithm": replace(case.algorithm, dispatch=SED)}, "nothing"),
    "random dispatch": (lambda case: {"algorithm": replace(case.algorithm, dispatch=RANDOM_FREE)}, "replication"),
    "random order": (lambda case: {"algorithm": replace(case.algorithm, placement=RandomFeasible())}, "replication"),
    "BPRR": (lambda case: {"algorithm": Bprr()}, "nothing"),
    "PETALS": (lambda case: {"algorithm": Petals(PetalsPlacement())}, "replication"),
    "load": (lambda case: {"demand": Load(0.1, case.algorithm)}, "nothing"),
    "random load": (
        lambda case: {"demand": Load(0.1, replace(case.algorithm, placement=RandomFeasible()))},
        "replication",
    ),
    "service times": (lambda case: {"evaluator": ServiceTimesEvaluator()}, "nothing"),
    "service times of random jobs": (
        lambda case: {"evaluator": ServiceTimesEvaluator(), "workload": RANDOM_JOBS, "demand": Rate(0.1)},
        "draw",
    ),
    "random jobs": (lambda case: {"workload": RANDOM_JOBS, "demand": Rate(0.1)}, "replication"),
    "theory": (
        lambda case: {"workload": RANDOM_JOBS, "demand": Rate(0.1), "evaluator": ExactEvaluator()},
        "nothing",
    ),
    "theory on a random network": (lambda case: {"cluster": ON_NETWORK, "evaluator": COMPOSITION}, "draw"),
    "composition": (lambda case: {"evaluator": COMPOSITION}, "nothing"),
    "reservations": (lambda case: {"evaluator": ReservationsEvaluator(GbpCr(), 2, 1)}, "nothing"),
    "random reservations": (lambda case: {"evaluator": ReservationsEvaluator(RandomFeasible(), 2, 3)}, "draw"),
}
COMPOSITION = PerDraw(composition_facts)
SLICE = GpuProfile("a", "a", "a", 40.0, 120.0, 1020.0, 0.001)
ON_NETWORK = EqualServers(
    network=European(), profile=SLICE, server_count=9, capacity=9, prefill_overhead_s=0, token_overhead_s=0
)


@pytest.mark.parametrize("name", CASES)
def test_a_case_varies_exactly_where_a_second_draw_gives_other_numbers(name, fixed):
    """Compare the claims with draws and replications, all evaluated."""
    parts, expected = CASES[name]
    case = replace(fixed, **parts(fixed))
    assert case.varies_with == expected
    first, *others = (case.evaluator(Draw(case, draw), replication) for draw, replication in ((0, 0), (1, 0), (2, 1)))
    assert all(repr(other) == repr(first) for other in others) == (expected == "nothing")


@pytest.mark.parametrize(
    ("network", "fast_servers", "fast_count", "expected"),
    [
        (Local(0.01), "first", 3, True),
        (Local(0.01), "nearest", 3, True),
        (Local(0.01), "random", 3, False),
        (Local(0.01), "random", 0, True),
        (European(), "first", 3, False),
    ],
)
def test_clusters_of_two_kinds_say_whether_they_are_random(network, fast_servers, fast_count, expected):
    fast, slow = SLICE, replace(SLICE, memory_gb=20.0)
    overheads = {"prefill_overhead_s": 0, "token_overhead_s": 0}
    counts = {"server_count": 6, "fast_count": fast_count, "fast_servers": fast_servers}
    cluster = Cluster(network=network, fast=fast, slow=slow, **counts, **overheads)
    assert is_deterministic(cluster) == expected
    model = ServedModel("m", 6, 1.0, 0.5, 100, 4.0, 2.0)
    first, *others = (cluster.draw(model, RandomStreams(1, draw)) for draw in range(4))
    same = [(servers.memory_gb == first.memory_gb).all() and (servers.rtt_s == first.rtt_s).all() for servers in others]
    assert all(same) == expected


def test_only_draw_0_is_evaluated_where_nothing_varies(fixed):
    evaluation = fixed.evaluate(range(5), range(2))
    assert {(row.draw, row.replication) for row in evaluation.rows} == {(0, 0)}
    assert evaluation.varies_with == "nothing"
    assert fixed.evaluate(range(1, 5), range(1)).rows == []


@dataclass(frozen=True)
class SaysNothing:
    """A scheme of a user who does not say whether it is random."""

    scheme: Any

    def compose(self, system, rng):
        return self.scheme.compose(system, rng)


def test_a_part_that_says_nothing_counts_as_random(fixed):
    assert replace(fixed, algorithm=SaysNothing(fixed.algorithm)).varies_with == "replication"


def test_requests_without_an_answer_are_counted(fixed):
    values = {row.metric: row.value for row in fixed.evaluate(range(1), range(1)).rows}
    assert values["unanswered_requests"] == 10  # of the requests 0 to 39, the last of which is the 30th with an answer
