"""The rate in saturation: theory where it is known, and steady and unstable runs below and above it elsewhere."""

import numpy as np
import pytest
from hydra.utils import instantiate

from evaluators.points.case import Draw
from evaluators.points.saturation import SaturationEvaluator
from evaluators.simulation.full_queue import leaving_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import InputError, NotApplicableError, UnstableError
from system.response import JobTimes
from tests.support.project import case_of

WHOLE_TOKENS = ("workload=drawn_lengths", "workload.input_tokens=2000", "workload.output_tokens=20")
SERVICES = ("steps", "steps_decode", "token_budget", "lockstep")


def draw_of(*overrides, jobs=3000):
    words = ("network=european", "evaluator=saturation", f"workload.job_count={jobs}", *overrides)
    return Draw(instantiate(case_of(*words), _convert_="all"), 0)


def measured(draw, replication=0):
    rows = draw.case.evaluator(draw, replication)
    return {row.metric: row.value for row in rows if np.isnan(row.at)}


def test_rate_under_equation_2_is_the_total_rate():
    draw = draw_of(jobs=20000)
    rates = [measured(draw, replication) for replication in range(12)]
    values = np.array([rate["saturation_rate_per_s"] for rate in rates])
    assert abs(values.mean() - rates[0]["total_rate_per_s"]) < 4 * values.std(ddof=1) / np.sqrt(values.size)


def test_rate_does_not_depend_on_the_arrival_rate():
    one, other = (draw_of("service=steps", *WHOLE_TOKENS, f"demand.per_s={rate}") for rate in (0.1, 5))
    assert one.case.evaluator(one, 0)[0] == other.case.evaluator(other, 0)[0]


@pytest.mark.parametrize("service", SERVICES)
def test_runs_are_stable_below_the_rate_and_unstable_above(service):
    draw = draw_of(f"service={service}", *WHOLE_TOKENS)
    rate_per_s = measured(draw)["saturation_rate_per_s"]
    below, above = (
        draw_of(f"service={service}", *WHOLE_TOKENS, f"demand.per_s={share * rate_per_s}") for share in (0.85, 1.15)
    )
    model = draw.case.evaluator.service
    run = simulate_layout(below.layout, below.jobs(0), model, stop_unstable=True)
    assert run.times.waiting_s[-1] < run.times.arrival_s[-1] / 20
    with pytest.raises(UnstableError):
        simulate_layout(above.layout, above.jobs(0), model, stop_unstable=True)


def test_utilisation_of_servers_is_reported_where_it_is_known():
    draw = draw_of("network=local", "cluster=local_pair", "model=tiny_llama", "workload=drawn_lengths", "service=steps")
    rows = draw.case.evaluator(draw, 0)
    rates = {"saturation_rate_per_s", "saturation_output_tokens_per_s", "total_rate_per_s"}
    assert {row.metric for row in rows} == rates | {"server_utilisation"}
    assert all(0 < row.value <= 1 for row in rows if row.metric == "server_utilisation")


def test_departures_are_counted_from_the_warm_up_to_the_last_start():
    start_s = np.array([0.0, 0, 2, 2, 4, 4])
    service_s = np.array([2.0, 2, 2, 2, 9, 9])
    times = JobTimes(np.zeros(6), start_s, service_s, start_s, service_s)
    assert leaving_rate_per_s(times, 1 / 6) == pytest.approx(2 / 2)  # from 2 s to 4 s
    with pytest.raises(InputError, match="job_count = 6: too few jobs"):
        leaving_rate_per_s(times, 5 / 6)


def test_routes_have_a_rate_but_no_total_rate():
    rates = {"saturation_rate_per_s", "saturation_output_tokens_per_s"}
    assert set(measured(draw_of("algorithm=petals", jobs=500))) == rates


def test_queues_of_single_chains_are_refused():
    draw = draw_of("dispatch=jsq", "network=european")
    with pytest.raises(NotApplicableError, match="queues of single chains"):
        draw.case.evaluator(draw, 0)


@pytest.mark.parametrize("warm_up", [0, 1, -1, "mser"])
def test_warm_up_must_be_a_share(warm_up):
    with pytest.raises(InputError, match="warm_up"):
        SaturationEvaluator(warm_up=warm_up)
