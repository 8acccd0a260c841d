"""Experiments on embedded data: they need no download, and points that a figure sets side by side are of equal work.

Such points are, for example, theory and a real run. Both tests share the points, as composing them takes seconds.
"""

import pytest

from sweep.expansion.embedded import require_embedded
from sweep.instantiate import instantiated, require_valid
from tests.support.project import choices

OF_LENGTHS = ("workload.", "model", "constants")  # axes that may change the mean lengths of requests
WORKLOAD_BY_WORKLOAD = ("optimality_robustness",)  # experiments whose figure compares schemes under the same workload


@pytest.fixture(scope="module", params=choices("experiment"))
def sweep(request, expand):
    """Return the points of an experiment as it is declared, on embedded data."""
    (sweep,) = expand([f"experiment={request.param}", "data=embedded"])
    assert sweep.experiment == f"{request.param}_embedded"
    return sweep


def test_every_experiment_runs_without_recorded_data(sweep):
    for point in sweep.points:
        require_embedded(point.case)
    require_valid((point.case for point in sweep.points), [])


def test_all_points_of_an_experiment_have_the_same_mean_lengths(sweep):
    is_by_workload = sweep.experiment.removesuffix("_embedded") in WORKLOAD_BY_WORKLOAD
    axes = (*OF_LENGTHS, "workload") if is_by_workload else OF_LENGTHS
    means = {}
    for point in sweep.points:
        setting = tuple((axis, value) for axis, value in point.axes.items() if axis.startswith(axes))
        means.setdefault(setting, set()).add(instantiated(point.case).fitted_workload.mean_job)
    assert {len(same) for same in means.values()} == {1}
