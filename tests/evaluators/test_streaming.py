"""Simulation in chunks: jobs have the times of a run in one piece, and statistics stay within their bounds."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import t as student

from algorithms.dispatch.jffc import JFFC
from evaluators.admission.start import table_of
from evaluators.queueing import exact
from evaluators.simulation import JobTimes, simulate_layout
from evaluators.simulation.buckets import RELATIVE_ERROR, Buckets
from evaluators.simulation.chunks import simulate_chunks
from evaluators.simulation.streamed import StreamedTimes, is_piling_up, while_stable
from sweep.instantiate import evaluate
from system import InputError, NotApplicableError, RandomStreams, UnstableError
from system.intervals import BATCHES
from tests.support.oracles.instances import one_server_chains
from tests.support.project import case_of, choices
from workloads.arrivals import Gamma, Hyperexponential, IdleGaps, MarkovModulatedPoisson, Poisson
from workloads.synthetic import SyntheticWorkload

CHAINS = one_server_chains(1 / np.array([1.0, 0.8, 0.5, 0.3]), np.full(4, 7), 1.0)
NU = CHAINS.total_rate_per_s
COLUMNS = ("arrival_s", "waiting_s", "service_s", "first_token_s", "output_token_s", "chain")


@pytest.fixture(scope="module")
def dispatches():
    return {name: instantiate(case_of(f"dispatch={name}")["algorithm"]["dispatch"]) for name in choices("dispatch")}


def chunks_served(chunks, dispatch):
    return simulate_chunks(chunks, table_of(CHAINS, dispatch), dispatch)


def in_chunks(workload, load, chunk_jobs, dispatch):
    chunks = workload.chunks(load * NU, RandomStreams(1), chunk_jobs)
    results = list(chunks_served(chunks, dispatch))
    order = np.argsort(np.concatenate([chunk.number for chunk in results]))
    return {name: np.concatenate([getattr(chunk.times, name) for chunk in results])[order] for name in COLUMNS}


@pytest.mark.parametrize("chunk_jobs", [1, 17, 400, 9999])
@pytest.mark.parametrize("load", [0.5, 0.97])
@pytest.mark.parametrize("name", choices("dispatch"))
def test_every_job_has_the_times_of_a_run_in_one_piece(dispatches, name, load, chunk_jobs):
    workload = SyntheticWorkload(Poisson(), 1000, input_tokens=3, output_tokens=2)
    whole = simulate_layout(CHAINS.under(dispatches[name]), workload.jobs(load * NU, RandomStreams(1))).times
    chunked = in_chunks(workload, load, chunk_jobs, dispatches[name])
    for column in COLUMNS:
        np.testing.assert_array_equal(chunked[column], getattr(whole, column), err_msg=column)


@pytest.mark.parametrize("arrivals", [Gamma(0.5), Hyperexponential(3.0), IdleGaps(0.01, 20.0)])
def test_chunks_of_other_renewal_processes_keep_their_rate_and_variability(arrivals):
    workload = SyntheticWorkload(arrivals, 200_000, input_tokens=1, output_tokens=1)
    chunked = np.concatenate([jobs.arrival_s for jobs in workload.chunks(2.0, RandomStreams(3), 1000)])
    whole = workload.jobs(2.0, RandomStreams(4)).arrival_s
    gaps, others = np.diff(chunked), np.diff(whole)
    for moment in (1, 2):
        difference = (gaps**moment).mean() - (others**moment).mean()
        error = np.sqrt(((gaps**moment).var() + (others**moment).var()) / gaps.size)
        assert abs(difference) < 4 * error
    assert np.all(gaps >= 0)


def test_dependent_gaps_cannot_be_drawn_in_chunks():
    workload = SyntheticWorkload(MarkovModulatedPoisson((1.0, 2.0), (10.0, 10.0)), 10, 1, 1)
    with pytest.raises(NotApplicableError, match="arrivals"):
        next(workload.chunks(1.0, RandomStreams(1), 5))


@given(
    st.lists(st.floats(min_value=0, max_value=1e300, allow_subnormal=False), min_size=1, max_size=60),
    st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=4),
)
def test_quantiles_of_buckets_are_within_their_bound(values, shares):
    buckets = Buckets()
    for part in np.array_split(np.array(values), 3):
        buckets.add(part)
    expected = np.quantile(values, shares)
    rtol, underflow = RELATIVE_ERROR * (1 + 1e-9), np.finfo(float).tiny  # when interpolating between tiny numbers
    np.testing.assert_allclose(buckets.quantiles(tuple(shares)), expected, rtol=rtol, atol=underflow)


def test_zeros_are_exact_in_buckets():
    buckets = Buckets()
    buckets.add(np.array([0.0, 0.0, 0.0, 1e-6]))
    assert buckets.quantiles((0.0, 0.5, 2 / 3)) == [0.0, 0.0, 0.0]


SMALL = ("network=european", "demand=load", "demand.load=0.9")
SLOS = "{short: {response_s: 20}, joint: {first_token_s: 15, output_token_s: 0.3}}"


def rows(*words):
    outcome = evaluate(case_of(*SMALL, *words), range(1), range(1))
    assert not outcome.refusals
    return {(row.metric, row.at): row.value for row in outcome.rows if row.at == row.at} | {
        (row.metric, None): row.value for row in outcome.rows if row.at != row.at
    }


@pytest.mark.parametrize("dispatch", ["jffc", "sed"])  # one is known to be stable, the other is checked during the run
def test_evaluator_agrees_with_the_one_that_holds_all_jobs(dispatch):
    words = ("workload.job_count=30000", f"evaluator.slos={SLOS}", f"dispatch={dispatch}")
    streamed, whole = rows(*words, "evaluator=simulation_stream"), rows(*words, "evaluator=simulation")
    assert streamed.keys() - whole.keys() == {("response_mean_half_width_s", None)}
    drift = ("response_drift", None)  # its tenths of the run are whole chunks
    assert streamed[drift] == pytest.approx(whole[drift], abs=0.05)
    for key in whole.keys() - {drift}:
        bound = 1e-12 if key[1] is None or "_slo_" in key[0] else RELATIVE_ERROR
        assert streamed[key] == pytest.approx(whole[key], rel=bound, abs=0), key


def streamed(load, job_count, replication, first):
    """Return the times of all jobs from number `first` on.

    The jobs arrive in 50 chunks; those that wait at the end are included.
    """
    times, workload = StreamedTimes((), len(CHAINS)), SyntheticWorkload(Poisson(), job_count, 1, 1)
    chunks = workload.chunks(load * NU, RandomStreams(2, 0, replication), job_count // 50)
    for chunk in chunks_served(chunks, JFFC):
        times.add(chunk.times.of_jobs(chunk.number >= first))
    return times


def test_intervals_contain_the_exact_mean_as_often_as_they_promise():
    """Check that half-widths match the spread of replications.

    So 95 % of the intervals contain the exact mean.
    """
    runs = [streamed(0.7, 60_000, replication, 6000) for replication in range(60)]
    means, half_widths = (np.array([get(run) for run in runs]) for get in (mean_s, half_width_s))
    expected = exact(0.7 * NU, CHAINS.service_rate_per_s, CHAINS.capacity).mean_response_s
    within = int(np.sum(abs(means - expected) < half_widths))
    assert binom.cdf(within, len(runs), 0.95) > 1e-4
    quantile = student.ppf(0.975, BATCHES - 1)
    relative = (half_widths / quantile) ** 2 / np.mean((means - expected) ** 2)  # each has an F-distribution
    assert 0.5 < relative.mean() < 1.8  # three standard errors of a variance from 60 deviations are 0.55
    assert relative.max() < 4


def mean_s(times):
    return times.mean_s("response")


def half_width_s(times):
    return times.half_width_s("response")


def test_few_jobs_that_wait_at_the_end_do_not_widen_the_interval():
    """Add a small last chunk, which would widen it tenfold with equal weights."""
    times, rng = StreamedTimes((), 1), np.random.default_rng(5)
    for _ in range(10 * BATCHES - 1):
        times.add(some_times(rng.standard_exponential(1000)))
    before = half_width_s(times)
    times.add(some_times(np.array([20.0, 30.0])))
    assert half_width_s(times) == pytest.approx(before, rel=0.15)
    assert before == pytest.approx(student.ppf(0.975, BATCHES - 1) / np.sqrt(200_000), rel=0.5)


def some_times(response_s):
    chain = np.zeros(response_s.size, np.int64)
    return JobTimes(*[np.zeros(response_s.size)] * 2, response_s, *[response_s] * 2, chain, 1)


def test_shares_are_known_above_the_given_limits():
    times = StreamedTimes([{"response": 2.0}], 1)
    times.add(some_times(np.array([1.0, 2.0, 3.0, 4.0])))
    assert times.share_above("response", 2.0) == 0.5
    assert times.share_within({"response": 2.0}) == 0.5
    with pytest.raises(InputError, match=r"^limits = {'response': 3.0}: must be given before the jobs are simulated"):
        times.share_above("response", 3.0)


def test_single_chunk_has_no_interval():
    assert ("response_mean_half_width_s", None) not in rows("workload.job_count=1", "evaluator=simulation_stream")
    assert ("response_mean_half_width_s", None) in rows("workload.job_count=3", "evaluator=simulation_stream")


REFUSED = {
    ("workload=synthetic_code", "demand=native", "model=llama2_7b"): (NotApplicableError, "use evaluator=simulation"),
    ("workload=mmpp",): (NotApplicableError, "gaps that depend on each other.*; use evaluator=simulation$"),
    ("algorithm=petals",): (NotApplicableError, "routes each job over the servers"),
    ("service=steps",): (NotApplicableError, "steps need whole tokens; use workload=drawn_lengths or a trace$"),
    ("service=lockstep", "workload=mmpp"): (NotApplicableError, "gaps that depend on each other"),
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_cases_that_cannot_be_streamed_are_refused(words):
    error, message = REFUSED[words]
    case = case_of("network=european", *words, "evaluator=simulation_stream", "workload.job_count=100")
    with pytest.raises(error, match=message):
        evaluate(case, range(1), range(1))


def refusals(*words):
    return evaluate(case_of("network=european", *words), range(2), range(1)).refusals


def test_unstable_composition_is_refused():
    refused = refusals("demand.per_s=50", "evaluator=simulation_stream")
    assert [refusal.status for refusal in refused] == ["unstable"] * 2


def test_policy_that_cannot_keep_up_is_refused_with_the_message_of_the_other_evaluator():
    """Use JIQ, which treats slow and fast chains alike when all are busy.

    It sends as many jobs to a slow chain as to a fast one.
    """
    words = ("dispatch=jiq", "demand=load", "demand.load=0.99", "workload.job_count=100000")
    refused, expected = (refusals(*words, f"evaluator={name}") for name in ("simulation_stream", "simulation"))
    assert [refusal.status for refusal in refused] == ["unstable"] * 2
    assert refused == expected


def served_chunks(load, dispatch, replication=0, job_count=50_000, chunk_jobs=1000):
    workload = SyntheticWorkload(Poisson(), job_count, 1, 1)
    chunks = workload.chunks(load * NU, RandomStreams(4, 0, replication), chunk_jobs)
    return chunks_served(chunks, dispatch)


@pytest.mark.parametrize("load", [0.5, 1.1])
@pytest.mark.parametrize("name", choices("dispatch"))
def test_present_jobs_are_those_that_have_arrived_and_not_left(dispatches, name, load):
    jobs = SyntheticWorkload(Poisson(), 1000, 1, 1).jobs(load * NU, RandomStreams(4))
    end_s = jobs.arrival_s + simulate_layout(CHAINS.under(dispatches[name]), jobs).times.response_s
    results = list(served_chunks(load, dispatches[name], job_count=1000, chunk_jobs=50))[:20]
    for arrived, present in [(chunk.arrived, chunk.present) for chunk in results]:
        assert present == np.sum(end_s[:arrived] > jobs.arrival_s[arrived - 1])
    assert [chunk.arrived for chunk in results] == list(range(50, 1001, 50))


@pytest.mark.parametrize("name", ["jffc", "jiq", "sed"])
def test_jobs_pile_up_above_saturation_only(dispatches, name):
    for load, expected in ((0.8, False), (1.2, True)):
        for replication in range(10):
            results = list(served_chunks(load, dispatches[name], replication))[:50]
            arrived = np.array([0, *(chunk.arrived for chunk in results)])
            present = np.array([0, *(chunk.present for chunk in results)])
            assert is_piling_up(arrived, present) == expected


def test_only_the_second_half_of_the_chunks_counts():
    chunks = np.arange(51)
    assert is_piling_up(1000 * chunks, 20 * np.maximum(chunks - 25, 0))
    assert not is_piling_up(1000 * chunks, 20 * np.minimum(chunks, 25))


def test_run_in_which_jobs_pile_up_is_stopped_before_its_end(dispatches):
    """Check the run after a half, a quarter, ... of the chunks.

    Otherwise the growing number of jobs would fill the memory.
    """
    layout = SimpleNamespace(load=0.9, rule=dispatches["sed"], system=SimpleNamespace(arrival_rate_per_s=1.5))
    results = while_stable(served_chunks(1.5, dispatches["sed"], job_count=200_000), 200_000, layout)
    assert len(list(itertools.islice(results, 49))) == 49
    message = r"seen after 50000 of 200000 arrivals; .* dispatch = sed leaves capacity idle"
    with pytest.raises(UnstableError, match=message):
        next(results)
