"""The points that a figure sets side by side, such as theory and a real run, are of the same mean work."""

import pytest

from sweep.instantiate import instantiated
from tests.support.project import choices

OF_LENGTHS = ("workload.", "model", "constants")  # axes that may change the mean lengths of requests
WORKLOAD_BY_WORKLOAD = ("optimality_robustness",)  # experiments whose figure compares schemes under the same workload


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_all_points_of_an_experiment_have_the_same_mean_lengths(expand, experiment):
    (sweep,) = expand([f"experiment={experiment}", "data=embedded"])
    axes = (*OF_LENGTHS, "workload") if experiment in WORKLOAD_BY_WORKLOAD else OF_LENGTHS
    means = {}
    for point in sweep.points:
        setting = tuple((axis, value) for axis, value in point.axes.items() if axis.startswith(axes))
        means.setdefault(setting, set()).add(instantiated(point.case).fitted_workload.mean_job)
    assert {len(same) for same in means.values()} == {1}
