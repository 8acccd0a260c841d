"""What an evaluation says about itself."""

import pytest
from hydra.utils import instantiate

from evaluators.points.case import simulates
from tests.support.project import case_of


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("evaluator=simulation", True),
        ("evaluator=simulation_stream", True),
        ("evaluator=replay", True),
        ("evaluator=runtime", False),  # real servers serve the jobs
        ("evaluator=exact", False),
    ],
)
def test_evaluators_say_whether_they_simulate(word, expected):
    assert simulates(instantiate(case_of("data=embedded", word)).evaluator) == expected


@pytest.mark.parametrize(("tuning", "expected"), [("simulated_mean", True), ("exact_mean", False)])
def test_algorithms_say_whether_they_choose_c_by_simulation(tuning, expected):
    case = instantiate(case_of("data=embedded", "algorithm=proposed", f"tuning={tuning}"))
    assert simulates(case.algorithm) == expected
