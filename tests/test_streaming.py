"""Jobs in chunks: every job has the times that it has in one piece, and statistics keep their bounds."""

import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from algorithms.dispatch.jffc import JFFC
from evaluators.queueing import exact
from evaluators.simulation import simulate
from evaluators.simulation.buckets import RELATIVE_ERROR, Buckets
from evaluators.simulation.stream import simulate_chunks
from hydra_plugins.points.evaluate import evaluate
from system import NotApplicableError, Streams
from tests.project import case_of, choices
from workloads.arrivals import Gamma, Hyperexponential, IdleGaps, MarkovModulatedPoisson, Poisson
from workloads.synthetic import SyntheticWorkload

RATES, CAPACITIES = np.array([1.0, 0.8, 0.5, 0.3]), [7, 7, 7, 7]
NU = float(RATES @ CAPACITIES)
COLUMNS = ("arrival_s", "waiting_s", "service_s", "first_token_s", "output_token_s", "chain")


def policies():
    return {name: instantiate(case_of(f"dispatch={name}")["algorithm"]["dispatch"]) for name in choices("dispatch")}


@pytest.fixture(scope="module")
def dispatches():
    return policies()


def in_chunks(workload, load, chunk_jobs, dispatch):
    chunks = workload.chunks(load * NU, Streams(1), chunk_jobs)
    done = list(simulate_chunks(chunks, 1 / RATES, CAPACITIES, dispatch))
    order = np.argsort(np.concatenate([numbers for numbers, _ in done]))
    return {name: np.concatenate([getattr(times, name) for _, times in done])[order] for name in COLUMNS}


@pytest.mark.parametrize("chunk_jobs", [1, 17, 400, 9999])
@pytest.mark.parametrize("load", [0.5, 0.97])
@pytest.mark.parametrize("name", choices("dispatch"))
def test_every_job_has_the_times_of_a_run_in_one_piece(dispatches, name, load, chunk_jobs):
    workload = SyntheticWorkload(Poisson(), 1000, input_tokens=3, output_tokens=2)
    whole = simulate(workload.jobs(load * NU, Streams(1)), 1 / RATES, CAPACITIES, dispatches[name])
    chunked = in_chunks(workload, load, chunk_jobs, dispatches[name])
    for column in COLUMNS:
        np.testing.assert_array_equal(chunked[column], getattr(whole, column), err_msg=column)


@pytest.mark.parametrize("arrivals", [Gamma(0.5), Hyperexponential(3.0), IdleGaps(0.01, 20.0)])
def test_chunks_of_other_renewal_processes_keep_their_rate_and_variability(arrivals):
    workload = SyntheticWorkload(arrivals, 200_000, input_tokens=1, output_tokens=1)
    chunked = np.concatenate([jobs.arrival_s for jobs in workload.chunks(2.0, Streams(3), 1000)])
    whole = workload.jobs(2.0, Streams(4)).arrival_s
    gaps, others = np.diff(chunked), np.diff(whole)
    for moment in (1, 2):
        difference = (gaps**moment).mean() - (others**moment).mean()
        error = np.sqrt(((gaps**moment).var() + (others**moment).var()) / gaps.size)
        assert abs(difference) < 4 * error
    assert np.all(gaps >= 0)


def test_gaps_that_depend_on_each_other_are_not_drawn_in_chunks():
    workload = SyntheticWorkload(MarkovModulatedPoisson((1.0, 2.0), (10.0, 10.0)), 10, 1, 1)
    with pytest.raises(NotApplicableError, match="arrivals"):
        next(workload.chunks(1.0, Streams(1), 5))


@given(
    st.lists(st.floats(min_value=0, max_value=1e300, allow_subnormal=False), min_size=1, max_size=60),
    st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=4),
)
def test_quantiles_of_buckets_are_within_their_bound(values, shares):
    buckets = Buckets()
    for part in np.array_split(np.array(values), 3):
        buckets.add(part)
    exactly = np.quantile(values, shares)
    np.testing.assert_allclose(buckets.quantiles(tuple(shares)), exactly, rtol=RELATIVE_ERROR * (1 + 1e-9), atol=0)


def test_zeros_are_exact():
    buckets = Buckets()
    buckets.add(np.array([0.0, 0.0, 0.0, 1e-6]))
    assert buckets.quantiles((0.0, 0.5, 2 / 3)) == [0.0, 0.0, 0.0]


SMALL = ("network=european", "demand=load", "demand.load=0.9")


def rows(*words):
    outcome = evaluate(case_of(*SMALL, *words), range(1), range(1))
    assert not outcome.refusals
    return {(row.metric, row.at): row.value for row in outcome.rows if row.at == row.at} | {
        (row.metric, None): row.value for row in outcome.rows if row.at != row.at
    }


def test_the_evaluator_agrees_with_the_one_that_holds_all_jobs():
    words = ("workload.job_count=30000", "evaluator.slo_s=20")
    streamed, whole = rows(*words, "evaluator=simulation_stream"), rows(*words, "evaluator=simulation")
    assert streamed.keys() - whole.keys() == {("response_mean_half_width_s", None)}
    for key in whole:
        bound = 1e-12 if key[1] is None or key[0] == "slo_share" else RELATIVE_ERROR
        assert streamed[key] == pytest.approx(whole[key], rel=bound, abs=0), key


def test_the_mean_lies_where_theory_says_as_often_as_its_interval_says():
    workload = SyntheticWorkload(Poisson(), 400_000, input_tokens=1, output_tokens=1)
    expected = exact(0.7 * NU, RATES, CAPACITIES).mean_response_s
    done = list(simulate_chunks(workload.chunks(0.7 * NU, Streams(2), 8000), 1 / RATES, CAPACITIES, JFFC))
    means = np.array([times.response_s.mean() for _, times in done if times.arrival_s.size > 100])
    half_width = student.ppf(0.9999, means.size - 1) * means.std(ddof=1) / np.sqrt(means.size)
    assert abs(means.mean() - expected) < half_width
    assert half_width < 0.02 * expected


REFUSED = {
    ("workload=synthetic_code", "demand=native", "model=llama2_7b"): (NotApplicableError, "use evaluator=simulation"),
    ("workload=mmpp",): (NotApplicableError, "gaps that depend on each other"),
    ("dispatch=jiq",): (NotApplicableError, "work-conserving policies only"),
    ("algorithm=petals",): (NotApplicableError, "routes each job over the servers"),
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_cannot_be_streamed_is_refused(words):
    error, told = REFUSED[words]
    case = case_of("network=european", *words, "evaluator=simulation_stream", "workload.job_count=100")
    with pytest.raises(error, match=told):
        evaluate(case, range(1), range(1))


def test_an_unstable_composition_is_refused():
    case = case_of("network=european", "demand.per_s=50", "evaluator=simulation_stream")
    outcome = evaluate(case, range(1), range(1))
    assert [refusal.status for refusal in outcome.refusals] == ["unstable"]
