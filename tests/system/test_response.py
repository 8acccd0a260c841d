"""Response times of jobs, of streamed jobs and of theory, compared with plain numpy and with each other."""

import re

import numpy as np
import pytest
from scipy.stats import t as student

from algorithms.dispatch.jffc import JFFC
from evaluators.queueing import exact
from evaluators.queueing.steady_state import SteadyState, steady_state
from evaluators.simulation import simulate_layout, stream_layout
from evaluators.simulation.buckets import RELATIVE_ERROR
from evaluators.simulation.streamed import StreamedTimes
from system import Composition, InputError, NotApplicableError, RandomStreams
from system.intervals import BATCHES, half_width, half_width_of, half_width_of_batches
from system.response import TIMES, JobTimes, Limits, ResponseTimes, Time
from system.service.independent import INDEPENDENT
from tests.support.oracles.fixed_paths import fixed_paths
from tests.support.oracles.instances import chains_of
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import SyntheticWorkload

CHAINS = 3
QUANTILES = (0.05, 0.5, 0.95, 0.99)


def made_up(seed: int, count: int, single_tokens: bool = False) -> JobTimes:
    """Return invented times on three chains, of which the last serves no jobs.

    With `single_tokens`, some jobs have a single token.
    """
    rng = np.random.default_rng(seed)
    waiting_s = np.where(rng.random(count) < 0.4, 0.0, rng.exponential(2.0, count))
    output_token_s = np.where(rng.random(count) < 0.3 * single_tokens, np.nan, rng.exponential(0.1, count))
    columns = waiting_s, rng.exponential(5.0, count), waiting_s + rng.exponential(1.0, count), output_token_s
    parts = {"compute": rng.exponential(1.0, count), "queue": rng.exponential(1.0, count)}
    chain = rng.integers(0, CHAINS - 1, count)
    return JobTimes(np.cumsum(rng.exponential(1.0, count)), *columns, chain, CHAINS, parts)


def values_of(times: JobTimes, time: Time) -> np.ndarray:
    """Return this kind of time for all jobs that have it."""
    values = times.waiting_s + times.service_s if time == "response" else getattr(times, f"{time}_s")
    return values[np.isfinite(values)]


def batch_half_width(values: np.ndarray, statistic, confidence: float) -> float:
    """Return Student's half-width for the mean of a statistic over batches.

    The batches are 20 runs of consecutive values.
    """
    statistics = [statistic(batch) for batch in np.array_split(values, BATCHES)]
    return student.ppf((1 + confidence) / 2, BATCHES - 1) * np.std(statistics, ddof=1) / np.sqrt(BATCHES)


@pytest.mark.parametrize("single_tokens", [False, True])
@pytest.mark.parametrize("time", TIMES)
def test_statistics_of_jobs_are_those_of_numpy(time, single_tokens):
    times = made_up(711, 997, single_tokens)
    values = values_of(times, time)
    assert (values.size < 900) == (single_tokens and time == "output_token")
    assert times.mean_s(time) == pytest.approx(np.mean(values), rel=1e-12)
    for q in QUANTILES:
        assert times.quantile_s(time, q) == np.quantile(values, q)
        assert times.share_above(time, times.quantile_s(time, q)) == np.mean(values > np.quantile(values, q))
    for confidence in (0.5, 0.95, 0.99):
        expected_s = batch_half_width(values, np.mean, confidence)
        assert times.half_width_s(time, confidence=confidence) == pytest.approx(expected_s, rel=1e-12)
        expected_s = batch_half_width(values, lambda batch: np.quantile(batch, 0.9), confidence)
        assert times.half_width_s(time, 0.9, confidence) == pytest.approx(expected_s, rel=1e-12)


def test_an_interval_needs_two_jobs_for_each_batch():
    with pytest.raises(InputError, match=re.escape(f"requests = {2 * BATCHES - 1}: give at least {2 * BATCHES} for")):
        made_up(712, 2 * BATCHES - 1).half_width_s("response")
    assert made_up(712, 2 * BATCHES).half_width_s("response") > 0
    with pytest.raises(InputError, match=r"^confidence = 1.5: must lie between 0 and 1"):
        made_up(712, 2 * BATCHES).half_width_s("response", confidence=1.5)


def test_the_mean_of_a_time_that_no_job_has_is_nan():
    times = made_up(713, 50)
    none = JobTimes(times.arrival_s, times.waiting_s, times.service_s, times.first_token_s, np.full(50, np.nan))
    assert np.isnan(none.mean_s("output_token"))
    assert none.by_chain is None


def test_a_selection_of_jobs_keeps_all_of_their_columns():
    times = made_up(714, 200)
    for chosen in (slice(60, None), times.waiting_s > 1.0):
        selected = times.of_jobs(chosen)
        for name in ("arrival_s", "waiting_s", "service_s", "first_token_s", "output_token_s", "response_s", "chain"):
            assert (getattr(selected, name) == getattr(times, name)[chosen]).all()
        assert selected.chain_count == CHAINS
        assert {name: values.tolist() for name, values in selected.parts.items()} == {
            name: values[chosen].tolist() for name, values in times.parts.items()
        }
    assert times.after_warm_up(0.3).arrival_s.tolist() == times.of_jobs(slice(60, None)).arrival_s.tolist()


def test_shares_and_means_by_chain_agree_with_plain_counts():
    times = made_up(715, 300)
    share, mean_service_s = times.by_chain
    for k in range(CHAINS - 1):
        on = times.chain == k
        assert share[k] == pytest.approx(on.mean(), rel=1e-12)
        assert mean_service_s[k] == pytest.approx(times.service_s[on].mean(), rel=1e-12)
    assert (share[-1], np.isnan(mean_service_s[-1])) == (0, True)
    busy = [3.0 * times.service_s[times.chain == k].sum() / 300 for k in range(CHAINS)]
    assert times.by_chain.busy(3.0) == pytest.approx(busy, rel=1e-12)


def streamed(times: JobTimes, chunk_count: int, limits: list[Limits]) -> StreamedTimes:
    collected = StreamedTimes(limits, CHAINS)
    for chunk in np.array_split(np.arange(times.arrival_s.size), chunk_count):
        collected.add(times.of_jobs(slice(chunk[0], chunk[-1] + 1)))
    return collected


@pytest.mark.parametrize("chunk_count", [1, 7, 20, 500])
def test_jobs_in_chunks_have_the_statistics_of_all_at_once(chunk_count):
    times, limits = made_up(716, 1000), [(time, limit_s) for time in TIMES for limit_s in (0.0, 0.1, 3.0)]
    joint = {"first_token": 2.0, "output_token": 0.1}
    by_chunks = streamed(times, chunk_count, [joint, *({time: limit_s} for time, limit_s in limits)])
    assert by_chunks.share_within(joint) == times.share_within(joint)
    for time in TIMES:
        assert by_chunks.mean_s(time) == pytest.approx(times.mean_s(time), rel=1e-12)
        for q in QUANTILES:
            assert by_chunks.quantile_s(time, q) == pytest.approx(times.quantile_s(time, q), rel=1.001 * RELATIVE_ERROR)
        assert np.isnan(by_chunks.half_width_s(time, 0.5))
    for time, limit_s in limits:
        assert by_chunks.share_above(time, limit_s) == times.share_above(time, limit_s)
        assert by_chunks.share_within({time: limit_s}) == times.share_within({time: limit_s})
    for streamed_values, expected in zip(by_chunks.by_chain, times.by_chain, strict=True):
        assert streamed_values == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("chunk_count", [20, 40, 500])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_jobs_in_chunks_have_the_same_interval_if_batches_are_whole_chunks(chunk_count, confidence):
    times = made_up(717, 1000)
    by_chunks = streamed(times, chunk_count, [])
    for time in TIMES:
        expected_s = times.half_width_s(time, confidence=confidence)
        assert by_chunks.half_width_s(time, confidence=confidence) == pytest.approx(expected_s, rel=1e-9)
    assert np.isnan(streamed(times, 1, []).half_width_s("response"))


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("count", [2, 3, 20, 1000])
def test_half_widths_are_those_of_students_t(confidence, count):
    values = np.random.default_rng(718).normal(size=count)
    expected = student.ppf((1 + confidence) / 2, count - 1) * np.std(values, ddof=1) / np.sqrt(count)
    assert half_width_of(values, confidence) == pytest.approx(expected, rel=1e-9)
    assert half_width(np.std(values, ddof=1), count, confidence) == pytest.approx(expected, rel=1e-9)
    equal_batches = half_width_of_batches(7 * values, np.full(count, 7.0), confidence)
    assert equal_batches == pytest.approx(expected, rel=1e-9)


def test_a_single_value_has_no_half_width():
    assert np.isnan(half_width_of([3.0]))
    several = half_width([1.0, 1.0], [1, 2])
    assert several == pytest.approx([np.nan, student.ppf(0.975, 1) / np.sqrt(2)], nan_ok=True)


def loaded_chains() -> Composition:
    """Return more than two chains at a load of 0.8, under JFFC."""
    rng = np.random.default_rng(719)
    while len(chains := chains_of(rng).under(JFFC)) < 3:
        pass
    return chains.at_rate(0.8 * chains.total_rate_per_s)


@pytest.fixture(scope="module")
def chains():
    return loaded_chains()


def test_the_steady_state_agrees_with_the_formulas(chains):
    times = steady_state(chains)
    rate_per_s = chains.system.arrival_rate_per_s
    solved = exact(rate_per_s, chains.service_rate_per_s, chains.capacity)
    assert times.mean_s("response") == solved.mean_response_s
    assert times.mean_s("waiting") + times.mean_s("service") == pytest.approx(solved.mean_response_s, rel=1e-12)
    assert times.share_above("waiting", 0.0) == solved.waiting_probability
    for q in QUANTILES:
        assert times.quantile_s("response", q) == solved.percentile_s(q)
        assert times.share_above("response", times.quantile_s("response", q)) == pytest.approx(1 - q, rel=1e-9)
    waits_s = times.quantile_s("waiting", 0.99)
    assert waits_s > 0
    assert times.share_above("waiting", waits_s) == pytest.approx(0.01, rel=1e-9)
    assert times.mean_s("output_token") == pytest.approx(
        sum(share * c[2] for share, c in zip(solved.chain_shares, chains.job_coefficients_s, strict=True)), rel=1e-12
    )
    assert all(times.half_width_s(time) == 0 for time in TIMES)
    assert np.isnan(times.quantile_s("output_token", 0.5))


def test_the_number_of_busy_jobs_follows_by_littles_law(chains):
    rate_per_s = chains.system.arrival_rate_per_s
    solved = exact(rate_per_s, chains.service_rate_per_s, chains.capacity)
    busy = steady_state(chains).by_chain.busy(rate_per_s)
    assert busy == pytest.approx(solved.utilisation * chains.capacity, rel=1e-9)
    assert busy.sum() == pytest.approx(rate_per_s * steady_state(chains).mean_s("service"), rel=1e-7)


JOBS, RUNS, FIRST = 20_000, 16, 4000


def workload_of(chains: Composition) -> SyntheticWorkload:
    _, input_tokens, further_tokens = chains.system.mean_job
    return SyntheticWorkload(Poisson(), JOBS, input_tokens=int(input_tokens), output_tokens=int(further_tokens) + 1)


def jobs_of(chains: Composition, run: int) -> Jobs:
    return workload_of(chains).jobs(chains.system.arrival_rate_per_s, RandomStreams(720, 0, run))


@pytest.fixture(scope="module")
def runs(chains):
    """Return simulated times of the jobs after the first `FIRST` ones, for each run."""
    return [simulate_layout(chains, jobs_of(chains, run)).times.of_jobs(slice(FIRST, None)) for run in range(RUNS)]


def assert_within_noise(simulated: list, expected) -> None:
    """Check that means over runs are as expected within Student's intervals.

    All of them are, except once in 10,000 times; and the standard errors are small.
    """
    values = np.array(simulated)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(simulated))
    errors_allowed = student.ppf(1 - 1e-4 / 2 / error.size, len(simulated) - 1)
    assert (np.abs(values.mean(axis=0) - expected) <= errors_allowed * error).all()
    assert (error < 0.2 * np.asarray(expected)).all()


def test_simulated_times_agree_with_the_steady_state_within_noise(chains, runs):
    expected: SteadyState = steady_state(chains)
    for time in TIMES:
        assert_within_noise([times.mean_s(time) for times in runs], expected.mean_s(time))
    for time in TIMES[:-1]:
        for q in (0.5, 0.95):
            if expected.quantile_s(time, q) > 0:
                assert_within_noise([times.quantile_s(time, q) for times in runs], expected.quantile_s(time, q))
    limit_s = expected.quantile_s("response", 0.9)
    assert_within_noise([times.share_above("response", limit_s) for times in runs], 0.1)
    assert_within_noise([times.share_above("waiting", 0.0) for times in runs], expected.share_above("waiting", 0.0))


@pytest.mark.parametrize("time", TIMES)
def test_simulated_shares_within_a_limit_agree_with_the_steady_state(chains, runs, time):
    expected = steady_state(chains)
    limits = {time: 1.1 * expected.mean_s(time)}
    assert 0.1 < expected.share_within(limits) < 0.99
    assert_within_noise([times.share_within(limits) for times in runs], expected.share_within(limits))
    assert expected.share_within(limits) == pytest.approx(1 - expected.share_above(time, limits[time]), rel=1e-12)


def test_theory_refuses_several_limits_at_once(chains):
    with pytest.raises(NotApplicableError, match=r"^slos: theory knows .* first_token and output_token together; give"):
        steady_state(chains).share_within({"first_token": 1.0, "output_token": 0.1})


@pytest.mark.parametrize("single_tokens", [False, True])
def test_jobs_within_limits_are_those_that_keep_to_every_one(single_tokens):
    times = made_up(722, 500, single_tokens)
    joint = {"first_token": 2.0, "output_token": 0.1, "response": 6.0}
    kept = 0
    for job in range(500):
        has_kept = times.first_token_s[job] <= 2.0 and times.waiting_s[job] + times.service_s[job] <= 6.0
        kept += has_kept and (np.isnan(times.output_token_s[job]) or times.output_token_s[job] <= 0.1)
    assert 50 < kept < 450
    assert times.share_within(joint) == kept / 500
    assert times.share_within(joint) < min(times.share_within({time: limit_s}) for time, limit_s in joint.items())


def test_simulated_chains_are_as_busy_as_in_the_steady_state(chains, runs):
    rate_per_s, expected = chains.system.arrival_rate_per_s, steady_state(chains).by_chain
    assert_within_noise([times.by_chain.share for times in runs], expected.share)
    assert_within_noise([times.by_chain.mean_service_s for times in runs], expected.mean_service_s)
    assert_within_noise([times.by_chain.busy(rate_per_s) for times in runs], expected.busy(rate_per_s))


def test_streaming_a_layout_gives_the_times_of_all_jobs_at_once(chains, runs):
    chunks = workload_of(chains).chunks(chains.system.arrival_rate_per_s, RandomStreams(720, 0, 3), JOBS // 50)
    by_chunks = stream_layout(chains, chunks, JOBS, INDEPENDENT, FIRST, [{"waiting": 0.0}, {"response": 9.0}])
    for time in TIMES:
        assert by_chunks.mean_s(time) == pytest.approx(runs[3].mean_s(time), rel=1e-12)
        for q in QUANTILES:
            expected_s = runs[3].quantile_s(time, q)
            assert by_chunks.quantile_s(time, q) == pytest.approx(expected_s, rel=1.001 * RELATIVE_ERROR)
    for limit in (("waiting", 0.0), ("response", 9.0)):
        assert by_chunks.share_above(*limit) == runs[3].share_above(*limit)
    for streamed_values, expected in zip(by_chunks.by_chain, runs[3].by_chain, strict=True):
        assert streamed_values == pytest.approx(expected, rel=1e-12)


def test_times_on_routes_are_not_known_by_chain(chains, runs):
    times = simulate_layout(fixed_paths(chains), jobs_of(chains, 3)).times
    assert times.by_chain is None
    assert times.of_jobs(slice(FIRST, None)).mean_s("response") == pytest.approx(runs[3].mean_s("response"), rel=1e-9)


@pytest.mark.parametrize("source", ["jobs", "chunks", "steady state"])
def test_all_times_have_the_interface_of_response_times(chains, runs, source):
    times: ResponseTimes = {
        "jobs": runs[0],
        "chunks": streamed(made_up(721, 100), 5, []),
        "steady state": steady_state(chains),
    }[source]
    members = [member for member in vars(ResponseTimes) if not member.startswith("_")]
    assert {"mean_s", "quantile_s", "share_above", "share_within", "half_width_s", "by_chain"} <= set(members)
    assert all(hasattr(times, member) for member in members)
    for time in TIMES:
        assert times.mean_s(time) > 0
        assert times.half_width_s(time) >= 0
    assert times.by_chain.share.sum() == pytest.approx(1, rel=1e-9)
