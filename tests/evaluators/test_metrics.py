"""Metrics of `conf/metric` and SLOs, compared with plain loops over jobs and with closed forms."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import instantiate
from scipy.stats import t as student

from algorithms.dispatch.jffc import JFFC
from evaluators.metrics.costs import cost, energy
from evaluators.metrics.slowdowns import alone_s, fairness, jain_index, slowdown
from evaluators.points.case import Measurement
from evaluators.points.metrics import Answer, Metric
from evaluators.points.report import Report
from evaluators.queueing.steady_state import steady_state
from evaluators.simulation import simulate_layout
from hardware_profiles.profile import GpuProfile, read_profile
from store.disk.identity import identity_of
from sweep.instantiate import evaluate
from system import Composition, InputError, NotApplicableError, Placement, RandomStreams, Servers, System
from system.response import JobTimes, Run
from tests.evaluators.test_routed_simulation import SCHEMES, random_routed
from tests.support.oracles.instances import chains_of, poisson_jobs, served_model, uneven_jobs
from tests.support.oracles.routed_simulation import paths
from tests.support.project import case_of
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import SyntheticWorkload

LOAD, RATE_PER_S = 0.7, 0.5  # of a single server for one job at a time
JOBS, RUNS = 20_000, 12


def answer_of(layout, times, jobs=None, run=None, served_share=1.0):
    draw = SimpleNamespace(
        layout=layout, system=layout.system, case=SimpleNamespace(over_length_share=0.0, unanswered_requests=0)
    )
    return Answer(draw, times, jobs, run, served_share)


def single_server(**facts):
    """Return one server for one job at a time, 2 s in the mean."""
    system = System(served_model(1), Servers([1.1], [[0.5, 0, 0]], [[1.5, 0, 0]], **facts), LOAD * RATE_PER_S)
    hops = np.zeros(1, np.int64), np.ones(1, np.int64), np.array([0, 1])
    return Composition.of_hops(system, Placement([0], [1]), *hops, [1]).under(JFFC)


def answers(size_cv=1.0):
    """Yield answers of runs of the single server, without the warm-up."""
    layout, workload = single_server(), SyntheticWorkload(Poisson(), JOBS, 1, 1, size_cv)
    for run in range(RUNS):
        jobs = workload.jobs(layout.system.arrival_rate_per_s, RandomStreams(731, 0, run))
        reported = slice(JOBS // 5, None)
        times = simulate_layout(layout, jobs).times.of_jobs(reported)
        yield answer_of(layout, times, jobs.of_jobs(reported))


def assert_within_noise(values, expected):
    """Check a mean over runs by Student's interval, which fails once in 10,000 times."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) <= student.ppf(1 - 1e-4 / 2, len(values) - 1) * error
    assert error < 0.05 * expected


def by_name(measurements):
    return {(m.metric, m.at) if m.at == m.at else m.metric: m.value for m in measurements}


# SLOs


def test_exact_goodput_of_a_single_server_is_that_of_the_m_m_1_queue():
    layout, limit_s = single_server(), 5.0
    report = Report(slos={"prompt": {"response_s": limit_s}})
    values = by_name(report.measurements(answer_of(layout, steady_state(layout))))
    share = 1 - np.exp(-(1 - LOAD) * RATE_PER_S * limit_s)
    assert values["prompt_slo_share"] == pytest.approx(share, rel=1e-9)
    assert values["prompt_goodput_per_s"] == pytest.approx(LOAD * RATE_PER_S * share, rel=1e-9)


def test_simulated_goodput_counts_the_jobs_that_keep_to_all_limits():
    answer = next(answers())
    report = Report(slos={"both": {"first_token_s": 3.0, "response_s": 4.0}, "one": {"waiting_s": 0.5}})
    values, times = by_name(report.measurements(answer)), answer.times
    kept = sum(
        first_s <= 3.0 and waiting_s + service_s <= 4.0
        for first_s, waiting_s, service_s in zip(times.first_token_s, times.waiting_s, times.service_s, strict=True)
    )
    assert values["both_slo_share"] == pytest.approx(kept / times.arrival_s.size, rel=1e-12)
    assert values["both_goodput_per_s"] == pytest.approx(LOAD * RATE_PER_S * values["both_slo_share"], rel=1e-12)
    assert values["one_slo_share"] == np.mean(times.waiting_s <= 0.5)
    failing = Answer(answer.draw, answer.times, answer.jobs, served_share=0.75)
    assert by_name(report.measurements(failing))["both_slo_share"] == pytest.approx(0.75 * values["both_slo_share"])


@pytest.mark.parametrize(
    ("slos", "message"),
    [
        ({"chat": {"first_tken_s": 2}}, r"^slos.chat = first_tken_s: unknown; did you mean first_token_s"),
        ({"chat": {"response_s": 0}}, r"^slos.chat.response_s = 0: must be a finite number above 0"),
        ({"chat": {}}, r"^slos.chat = {}: give at least one limit"),
        ({"chat": 5}, r"^slos.chat = 5: give at least one limit"),
        (5, r"^slos = 5: write slos={NAME: {response_s: 60}}"),
        ({"Chat room": {"response_s": 1}}, r"^slos = Chat room: name an SLO by small letters"),
    ],
)
def test_invalid_slos_are_refused(slos, message):
    with pytest.raises(InputError, match=message):
        Report(slos=slos)


# slowdown and fairness


def coefficient_sets(layout):
    """Return the coefficients of a job's service time on every chain or path."""
    servers = layout.system.servers
    if isinstance(layout, Composition):
        hops = [[(j, m) for j, m in zip(*layout.chain(k)[:2], strict=True)] for k in range(len(layout))]
    else:
        every = paths(layout.placement, layout.slots.tolist(), layout.system.model.block_count)
        hops = [[(hop.server, hop.blocks) for hop in path] for path in every]
    return [sum(servers.communication_s[j] + m * servers.block_s[j] for j, m in path) for path in hops]


@pytest.mark.parametrize("kind", ["chains", *SCHEMES])
@pytest.mark.parametrize("jobs_of", [poisson_jobs, uneven_jobs])
def test_time_alone_is_the_least_over_all_chains_or_paths(kind, jobs_of):
    rng = np.random.default_rng(732)
    for _ in range(5):
        layout = chains_of(rng) if kind == "chains" else random_routed(rng, SCHEMES[kind], "fcfs")
        jobs = jobs_of(rng, 20, 0.1)
        lengths = np.broadcast_to(jobs.lengths, (20, 2))
        expected_s = [
            min(jobs.size[n] * (c[0] + c[1] * lengths[n, 0] + c[2] * lengths[n, 1]) for c in coefficient_sets(layout))
            for n in range(20)
        ]
        assert alone_s(layout, jobs) == pytest.approx(expected_s, rel=1e-12)


def test_slowdown_quantiles_of_the_m_m_1_queue():
    """Check quantiles of 1 + W/S.

    P(1 + W/S > x) = ρ / (1 + (1 - ρ)(x - 1)) follows from P(W > t) = ρ exp(-(μ - λ) t) and S ~ Exp(μ).
    """
    runs = [by_name(slowdown(answer, (0.5, 0.9))) for answer in answers()]
    for q in (0.5, 0.9):
        expected = 1 + (LOAD / (1 - q) - 1) / (1 - LOAD)
        assert_within_noise([values["slowdown_quantile", q] for values in runs], expected)
    assert "slowdown_mean" not in runs[0]  # E[1/S] is infinite


def test_mean_slowdown_of_the_m_d_1_queue():
    runs = [by_name(slowdown(answer, ())) for answer in answers(size_cv=0.0)]
    assert_within_noise([values["slowdown_mean"] for values in runs], 1 + LOAD / (2 * (1 - LOAD)))


def test_slowdowns_of_whole_requests_are_those_of_a_plain_loop():
    rng = np.random.default_rng(733)
    layout = chains_of(rng).under(JFFC)
    jobs = uneven_jobs(rng, 300, 2 * layout.total_rate_per_s)
    jobs = Jobs(jobs.arrival_s, np.ones(300), jobs.lengths, jobs.uniform)
    times = simulate_layout(layout, jobs).times
    values = by_name(slowdown(answer_of(layout, times, jobs), (0.9,)))
    ratios = [response_s / least_s for response_s, least_s in zip(times.response_s, alone_s(layout, jobs), strict=True)]
    assert min(ratios) >= 1 - 1e-12
    assert values["slowdown_mean"] == pytest.approx(sum(ratios) / 300, rel=1e-12)
    assert values["slowdown_quantile", 0.9] == pytest.approx(np.quantile(ratios, 0.9), rel=1e-12)


def test_fairness_is_that_of_a_plain_loop_over_ranked_jobs():
    answer, groups = next(answers()), 5
    values = by_name(fairness(answer, groups))
    ranked = sorted(zip(2 * answer.jobs.size, answer.times.response_s, strict=True))
    group_size = len(ranked) // groups
    slowdowns = []
    for rank in range(groups):
        members = ranked[rank * group_size : (rank + 1) * group_size]
        response_s, least_s = (sum(member[i] for member in members) / group_size for i in (1, 0))
        at = (rank + 1) / groups
        assert values["response_by_rank_s", at] == pytest.approx(response_s, rel=1e-9)
        assert values["slowdown_by_rank", at] == pytest.approx(response_s / least_s, rel=1e-9)
        slowdowns.append(response_s / least_s)
    assert slowdowns == sorted(slowdowns, reverse=True)  # waiting in line is worst for short jobs
    expected = sum(slowdowns) ** 2 / groups / sum(x * x for x in slowdowns)
    assert values["slowdown_fairness"] == pytest.approx(expected, rel=1e-9)


def test_response_times_by_rank_of_the_m_m_1_queue():
    """Check E[W] + E[S | rank], as waiting does not depend on the size."""
    runs = [by_name(fairness(answer, 2)) for answer in answers()]
    waiting_s = LOAD / (1 - LOAD) / RATE_PER_S
    short_s = (1 - np.log(2)) / RATE_PER_S  # mean of the shorter half of an exponential law
    assert_within_noise([values["response_by_rank_s", 0.5] for values in runs], waiting_s + short_s)
    assert_within_noise([values["response_by_rank_s", 1.0] for values in runs], waiting_s + 2 / RATE_PER_S - short_s)


def test_jains_index_has_its_extremes():
    assert jain_index(np.full(7, 3.0)) == pytest.approx(1)
    assert jain_index(np.array([0.0, 5.0, 0.0, 0.0])) == pytest.approx(1 / 4)


def test_statistics_of_single_jobs_are_refused_where_there_are_none():
    layout = single_server()
    metric = Metric(lambda answer: slowdown(answer, (0.5,)))
    with pytest.raises(
        NotApplicableError, match=r"^metric = slow: needs the times of each job, .*evaluator=simulation"
    ):
        metric.measurements("slow", answer_of(layout, steady_state(layout)))
    few = Jobs(np.arange(10.0), np.ones(10), np.ones((1, 2)), np.zeros(10))
    answer = answer_of(layout, simulate_layout(layout, few).times, few)
    with pytest.raises(InputError, match=r"^groups = 20: give at most 10, the number of jobs"):
        list(fairness(answer, 20))


def test_a_reported_name_needs_a_meaning():
    metric = Metric(lambda answer: [Measurement("pace_s", 1.0)], {"pace_share": {"unit": "share", "is": "another"}})
    with pytest.raises(InputError, match=r"^metric = pace: it reports pace_s without a meaning; explain it under"):
        metric.measurements("pace", answer_of(single_server(), None))


# cost and energy


def two_servers(**facts):
    """Return a chain over the first two of three servers."""
    servers = Servers([1.2, 1.2, 1.2], np.full((3, 3), 0.1), np.full((3, 3), 0.2), ("a", "b", "c"), **facts)
    system = System(served_model(2), servers, 0.25)
    hops = np.array([0, 1]), np.ones(2, np.int64), np.array([0, 2])
    return Composition.of_hops(system, Placement([0, 1, 0], [1, 1, 0]), *hops, [1])


def run_of(utilisation, response_s):
    n = len(response_s)
    times = JobTimes(np.arange(1.0, n + 1), np.zeros(n), np.array(response_s), *[np.full(n, np.nan)] * 2)
    return Run(times, None if utilisation is None else np.array(utilisation))


def test_cost_of_a_request_is_that_of_the_used_servers():
    layout = two_servers(cost_per_hour=[2.0, 3.0, np.nan])
    assert by_name(cost(answer_of(layout, None))) == {"cost_per_request": pytest.approx((2 + 3) / (0.25 * 3600))}
    dear = by_name(cost(answer_of(layout, None, served_share=0.5)))
    assert dear == {"cost_per_request": pytest.approx(2 * (2 + 3) / (0.25 * 3600))}


def test_energy_of_a_request_is_that_of_busy_and_idle_servers():
    run = run_of([0.5, 0.25, 0.0], [4.0, np.nan, 8.0])  # two of three jobs are served within 10 s
    busy_j = (0.5 * 10 * 100 + 0.25 * 10 * 300) / 2
    idle_j = (0.5 * 10 * 20 + 0.75 * 10 * 40) / 2
    powers = {"busy_w": [100, 300, np.nan], "idle_w": [20, 40, np.nan]}
    values = by_name(energy(answer_of(two_servers(**powers), run.times, run=run)))
    assert values == pytest.approx(
        {"busy_energy_mean_j": busy_j, "idle_energy_mean_j": idle_j, "energy_mean_j": busy_j + idle_j}
    )
    powers["idle_w"] = [20, np.nan, 40]
    values = by_name(energy(answer_of(two_servers(**powers), run.times, run=run)))
    assert values == pytest.approx({"busy_energy_mean_j": busy_j})


@pytest.mark.parametrize(
    ("metric", "facts", "utilisation", "message"),
    [
        (cost, {}, None, r"^a states no cost_per_hour; add cost_per_hour to its hardware profile"),
        (cost, {"cost_per_hour": [1, np.nan, 1]}, None, r"^b states no cost_per_hour"),
        (energy, {}, [0.5, 0.5, 0.5], r"^a states no busy_w"),
        (energy, {"busy_w": 100}, None, r"^needs the utilisation of servers, .*use service=steps"),
        (energy, {"busy_w": 100}, [0.5, np.nan, 0.0], r"^the utilisation of b is unknown"),
    ],
)
def test_unknown_prices_powers_and_utilisations_are_refused(metric, facts, utilisation, message):
    run = run_of(utilisation, [4.0])
    with pytest.raises(NotApplicableError, match=message):
        list(metric(answer_of(two_servers(**facts), run.times, run=run)))


@pytest.mark.parametrize("field", ["cost_per_hour", "idle_w", "busy_w"])
def test_negative_prices_and_powers_are_refused(field):
    numbers = {"memory_gb": 1, "prefill_tflops": 1, "bandwidth_gb_per_s": 1, "overhead_s": 0}
    with pytest.raises(InputError, match=rf"^{field} = -1: must be a finite number, 0 or above"):
        GpuProfile("gpu", "", "", **numbers, **{field: -1})
    with pytest.raises(InputError, match=rf"^{field}\[0\] = -1.0: must be a finite number of at least 0"):
        two_servers(**{field: -1.0})


def test_cards_of_a_data_sheet_state_their_power_and_partitions_do_not():
    assert read_profile("h200")["busy_w"] == 700
    assert read_profile("a100_80gb_sxm")["busy_w"] == 400
    assert not {"busy_w", "idle_w", "cost_per_hour"} & set(read_profile("a100_3g_40gb"))


# as chosen in a configuration

SMALL = ("network=european", "model=llama2_7b", "cluster.server_count=4", "demand.per_s=0.5", "tuning.capacity=3")
CARDS = ("constants.fast_profile=l40s", "constants.slow_profile=t4")


def test_a_simulated_cluster_has_the_prices_and_powers_of_its_profiles():
    case = case_of(*SMALL, *CARDS, "metric=[cost,energy]", "service=steps", "workload=drawn_lengths")
    case["workload"]["job_count"] = 300
    for kind, per_hour in (("fast", 1.0), ("slow", 0.5)):
        case["cluster"][kind] |= {"cost_per_hour": per_hour, "idle_w": 10 * per_hour}
    outcome = evaluate(case, range(1), range(1))
    assert not outcome.refusals
    values = {(row.metric, row.at): row.value for row in outcome.rows}
    shares = {at: value for (metric, at), value in values.items() if metric == "server_utilisation"}
    draw = instantiate(case)
    names = draw.cluster.draw(draw.model, RandomStreams(draw.seed, 0)).names
    is_fast = {at: "l40s" in names[int(at)] for at in shares}
    values = {metric: value for (metric, at), value in values.items() if np.isnan(at)}
    per_hour = sum(1.0 if fast else 0.5 for fast in is_fast.values())
    assert values["cost_per_request"] == pytest.approx(per_hour / 3600 / 0.5)
    busy_w = sum(share * (350 if is_fast[at] else 70) for at, share in shares.items())
    idle_w = sum((1 - share) * (10 if is_fast[at] else 5) for at, share in shares.items())
    assert values["idle_energy_mean_j"] / values["busy_energy_mean_j"] == pytest.approx(idle_w / busy_w)


def test_the_code_of_a_chosen_metric_is_part_of_a_points_identity():
    plain, chosen = case_of(*SMALL), case_of(*SMALL, "metric=[slowdown]")
    with_code, without = identity_of(chosen), identity_of(plain)
    assert set(with_code.modules) - set(without.modules) == {"evaluators.metrics.slowdowns"}
    reworded = copy.deepcopy(chosen)
    reworded["evaluator"]["metrics"]["slowdown"]["reports"]["slowdown_mean"]["is"] = "other words"
    assert identity_of(reworded) == with_code
    reworded["evaluator"]["metrics"]["slowdown"]["measure"]["quantiles"] = [0.5]
    assert identity_of(reworded).point != with_code.point


@pytest.mark.parametrize("word", ["algorithm=petals", "evaluator=replay", "workload=drawn_lengths"])
def test_metrics_of_jobs_work_on_routes_in_replays_and_for_whole_requests(word):
    case = case_of(*SMALL, "metric=[slowdown,fairness]", "workload.job_count=200", word)
    values = {row.metric for row in evaluate(case, range(1), range(1)).rows}
    assert {"slowdown_quantile", "slowdown_by_rank", "response_by_rank_s", "slowdown_fairness"} <= values
    assert ("slowdown_mean" in values) == ("drawn" in word)
