"""The benchmarks run at a small scale, and their peers compute the same numbers as we do."""

from collections.abc import Callable

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from evaluators.queueing import exact
from evaluators.simulation.steps.simulate import simulate_steps
from system.service.steps import Steps
from tests.benchmarks import __main__ as suite
from tests.benchmarks.support.benchmark import Benchmark, Peer, Result, measure_all
from tests.benchmarks.support.four_chains import FOUR_CHAINS
from tests.benchmarks.support.paper_system import gbp_cr_placement, overlapping_placement, paper_system
from tests.benchmarks.support.peers import ciw_responses_s, heap_responses_s, networkx_gca, simpy_responses_s
from tests.benchmarks.support.scale import TINY
from tests.benchmarks.support.simpy_steps import simpy_step_times_s
from tests.support.oracles.instances import chains_of
from tests.support.oracles.steps.runs import token_jobs


@pytest.mark.slow
def test_every_benchmark_gives_finite_positive_numbers() -> None:
    results = [
        Result(benchmark, benchmark.measure(), benchmark.peer and benchmark.peer.measure())
        for benchmark in suite.benchmarks(TINY)
    ]
    rows = suite.table(results)
    with_peer = rows["peer"].notna()
    numbers = np.concatenate([rows["median"], *(rows.loc[with_peer, name] for name in ("peer_median", "ratio"))])
    assert with_peer.any()
    assert (np.isfinite(numbers) & (numbers > 0)).all(), rows.to_string()


@pytest.mark.parametrize("responses_s", [simpy_responses_s, ciw_responses_s, heap_responses_s])
def test_peers_simulate_the_same_queue(responses_s: Callable[..., list[float]]) -> None:
    runs = [np.mean(responses_s(FOUR_CHAINS, 4000, seed)[400:]) for seed in range(12)]
    standard_error = np.std(runs, ddof=1) / np.sqrt(len(runs))
    assert abs(np.mean(runs) - exact(*FOUR_CHAINS).mean_response_s) < 4 * standard_error
    assert standard_error < 0.02


def test_simpy_serves_every_job_of_step_queues_as_we_do() -> None:
    rng = np.random.default_rng(530)
    for load in (0.4, 1.2):
        chains = chains_of(rng).under(JFFC)
        jobs = token_jobs(rng, 60, load * chains.total_rate_per_s)
        times = simulate_steps(chains, jobs, Steps()).times
        first_token_s, response_s = np.array(simpy_step_times_s(chains, jobs)).T
        assert times.first_token_s == pytest.approx(first_token_s, rel=1e-9)
        assert times.response_s == pytest.approx(response_s, rel=1e-9)
        assert np.count_nonzero(times.parts["queue"]) > 30


@pytest.mark.parametrize("rule", [gbp_cr_placement, overlapping_placement])
def test_networkx_composes_the_same_chains(rule: Callable[..., object]) -> None:
    system = paper_system(60)
    placement = rule(system)
    composition = gca(system, placement)
    chains = sorted(networkx_gca(system, placement))
    assert [capacity for _, capacity in chains] == composition.capacity.tolist()
    assert [time_s for time_s, _ in chains] == pytest.approx(composition.mean_service_s, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "median", "peer_median", "bound", "least_ratio", "ratio", "met"),
    [
        ("s", 2.0, None, 3.0, None, None, True),
        ("s", 4.0, None, 3.0, None, None, False),
        ("s", 2.0, 6.0, None, 2.5, 3.0, True),
        ("jobs/s", 6.0, 2.0, None, 3.5, 3.0, False),
        ("jobs/s", 6.0, 2.0, 7.0, 2.5, 3.0, False),
        ("jobs/s", 6.0, 2.0, None, None, 3.0, None),
    ],
)
def test_claims(unit, median, peer_median, bound, least_ratio, ratio, met) -> None:
    peer = Peer("peer", lambda: 1.0, least_ratio) if peer_median else None
    result = Result(Benchmark("name", "what", unit, lambda: 1.0, bound, peer), median, peer_median)
    assert (result.ratio, result.is_met) == (ratio, met)


def test_repetitions_alternate_with_the_peer_after_one_uncounted_run() -> None:
    calls: list[str] = []
    values = iter([100.0, 1.0, 3.0, 2.0])

    def ours() -> float:
        calls.append("ours")
        return next(values)

    def peers() -> float:
        calls.append("peer")
        return 4.0

    (result,) = measure_all([Benchmark("name", "what", "s", ours, peer=Peer("peer", peers))], repetitions=3)
    assert calls == ["ours", *["ours", "peer"] * 3]
    assert (result.median, result.peer_median, result.ratio) == (2.0, 4.0, 2.0)


def test_table_is_printed_and_written_with_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    monkeypatch.setattr(suite, "benchmarks", lambda scale: [Benchmark("one", "what", "s", lambda: 0.25, bound=0.5)])
    suite.main()
    header, row = (tmp_path / "results" / "benchmarks.csv").read_text().splitlines()
    assert {"processor", "python", "numba", "commit"} <= set(header.split(","))
    assert row.startswith("one,what,s,0.25,,,,<= 0.5 s,yes,")
    assert "0.25" in capsys.readouterr().out
