"""Checks of the arrays of jobs, made before a compiled loop reads them."""

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from evaluators.points.simulated import SimulatedMean
from evaluators.queueing import exact
from evaluators.simulation import simulate
from system import Composition, InputError, Placement, ServedModel, Servers, System
from workloads.jobs import Jobs

SOUND = {"arrival_s": [0.0, 1.0, 1.0], "size": [1.0, 2.0, 0.5], "lengths": [[10, 2]], "uniform": [0.0, 0.5, 0.9]}


def test_jobs_may_be_given_as_lists_of_whole_numbers():
    jobs = Jobs(**SOUND | {"arrival_s": [0, 1, 1], "size": [1, 2, 3]})
    times = simulate(jobs, [2.0], [1])
    np.testing.assert_array_equal(times.service_s, [2, 4, 6])
    np.testing.assert_array_equal(times.waiting_s, [0, 1, 5])


def test_jobs_may_be_empty():
    jobs = Jobs(np.empty(0), np.empty(0), np.empty((1, 2)), np.empty(0))
    assert simulate(jobs, [1.0], [1]).response_s.size == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": [1.0]}, r"size = array of shape \(1,\): must have shape \(3,\)"),
        ({"size": [1.0, np.nan, 1.0]}, "size = nan to nan: must be finite numbers"),
        ({"size": [1.0, -1.0, 1.0]}, "size = -1 to 1"),
        ({"arrival_s": [0.0, np.inf, np.inf]}, "arrival_s = 0 to inf"),
        ({"arrival_s": [1.0, 0.0, 2.0]}, "arrival_s = out of order: give the jobs in order of arrival"),
        ({"lengths": [[1.0, 2.0]] * 2}, r"lengths = array of shape \(2, 2\): must have shape \(3, 2\) or \(1, 2\)"),
        ({"uniform": [0.0, 1.0, 0.0]}, "uniform = 1.0: must be below 1"),
        ({"size": "abc"}, "size = 'abc': must be an array of numbers"),
    ],
)
def test_invalid_arrays_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Jobs(**SOUND | changes)


def test_inconsistent_hops_are_refused():
    model = ServedModel("m", 2, 1.0, 0.1, 100, 1.0, 1.0)
    system = System(model, Servers([5.0], [1.0], [1.0]), 0.1)
    placement = Placement(np.array([0]), np.array([2]))
    whole = [np.array(a) for a in ([0], [2], [0, 1], [3])]
    assert len(Composition.of_hops(system, placement, *whole)) == 1
    for position, wrong, field in ((0, [1], "hop_server"), (1, [2, 2], "hop_blocks"), (2, [0, 2], "hop_start")):
        hops = [np.array(wrong) if i == position else array for i, array in enumerate(whole)]
        with pytest.raises(InputError, match=f"{field} = "):
            Composition.of_hops(system, placement, *hops)


def test_simulated_mean_is_near_the_exact_mean_for_jobs_without_lengths():
    model = ServedModel("m", 2, 1.0, 0.1, 100, 1.0, 1.0)
    system = System(model, Servers([5.0], [1.0], [1.0]), 0.5)
    composition = Composition.of_hops(
        system, Placement(np.array([0]), np.array([2])), *(np.array(a) for a in ([0], [2], [0, 1], [3]))
    )
    mean_s = exact(0.5, [1 / 3], [3]).mean_response_s
    simulated = [SimulatedMean(JFFC, 20_000, seed)(composition) for seed in range(12)]
    assert abs(np.mean(simulated) - mean_s) < 4 * np.std(simulated, ddof=1) / np.sqrt(12)


def test_exact_tails_check_their_arguments():
    queue = exact(0.5, [1.0, 0.5], [1, 1])
    with pytest.raises(InputError, match="first_token_s = array of size 1: give 2, one per chain"):
        queue.first_token_percentile_s(0.9, [0.1])
    with pytest.raises(InputError, match="time_s = -1"):
        queue.tail(-1)
