"""The cost of stages: memory, medians and sizes are measured correctly, and their growth is fitted correctly."""

import gc
import mmap
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from matplotlib import pyplot as plt

from evaluators.points import cost, memory
from evaluators.points.case import Draw
from evaluators.points.cost import CostEvaluator
from evaluators.points.memory import peak_memory_gb
from plots.figures.beyond.scale import Growth, draw, growth, servers_at
from store.tables.labels import Labels
from system import InputError, NotApplicableError
from tests.support.made_up_results import results_of
from tests.support.project import case_of

SERVERS = np.array([100.0, 300, 1000, 3000, 10000, 30000, 100000])
SMALL = ("network=european", "evaluator=cost", "demand=load", "cluster.server_count=12", "workload.job_count=300")
counts_memory = pytest.mark.skipif(peak_memory_gb(lambda: None) is None, reason="needs Linux's counters of memory")


def draw_of(*overrides):
    return Draw(instantiate(case_of(*SMALL, *overrides), _convert_="all"), 0)


def measured(stage, *overrides, **settings):
    return {row.metric: row.value for row in CostEvaluator(stage, **settings)(draw_of(*overrides), 0)}


@pytest.fixture
def fresh_process(monkeypatch):
    monkeypatch.setattr(cost, "_LOADED", set())


@pytest.fixture(scope="module")
def fresh():
    """Return a function that calls another one in a fresh process.

    Threads that other tests left behind may free memory while it is counted.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda work, *arguments: pool.submit(work, *arguments).result()


def peaks_of_arrays(count):
    """Return three peaks of a stage that holds 2^26 bytes in arrays."""
    cost.STAGES["hold"] = lambda draw: [np.ones(2**23 // count) for _ in range(count)]
    return [measured("hold", repetitions=3, enough_s=60)["peak_memory_gb"] for _ in range(3)]


@counts_memory
@pytest.mark.parametrize("count", [1, 1024])
def test_memory_of_a_stage_is_counted_even_if_freed_memory_could_be_reused(fresh, count):
    for peak_gb in fresh(peaks_of_arrays, count):
        assert 0.064 <= peak_gb < 0.072  # 2^26 bytes are 0.067 GB


def peak_of_arrays_in_turn():
    """Return the peak of eight arrays of 2^24 bytes, one after another."""
    cost.STAGES["turn"] = lambda draw: [np.ones(2**21).sum() for _ in range(8)]
    return measured("turn")["peak_memory_gb"]


@counts_memory
def test_arrays_held_one_after_another_count_once(fresh):
    assert 0.016 <= fresh(peak_of_arrays_in_turn) < 0.022


def garbage(byte_count):
    """Return an object that only the garbage collector can free."""
    cycle = [np.ones(byte_count // 8)]
    cycle.append(cycle)
    return cycle


def peak_while_garbage_is_collected():
    """Return the peak of work that collects 2^26 bytes and holds as many."""
    gc.disable()
    garbage(2**26)
    peak_gb = peak_memory_gb(lambda: (gc.collect(), np.ones(2**23)))
    gc.enable()
    return peak_gb


@counts_memory
def test_garbage_that_the_work_collects_does_not_lower_its_peak(fresh):
    assert 0.064 <= fresh(peak_while_garbage_is_collected) < 0.072


def peak_beside_pages_of_a_file(path, loaded_before):
    """Return the peak of 2^26 bytes beside as many bytes of a file."""
    with path.open() as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
        drop = partial(pages.madvise, mmap.MADV_DONTNEED)
        load = partial(zlib.crc32, pages)
        if loaded_before:
            load()
        change = drop if loaded_before else load
        return peak_memory_gb(lambda: (change(), np.ones(2**23)))


@counts_memory
@pytest.mark.parametrize("loaded_before", [True, False])
def test_pages_of_files_do_not_count(fresh, tmp_path, loaded_before):
    path = tmp_path / "pages"
    path.write_bytes(bytes(2**26))
    assert 0.064 <= fresh(peak_beside_pages_of_a_file, path, loaded_before) < 0.072


def peak_with_one_small_call():
    """Return the peak of a stage with one small call among large ones."""
    sizes = iter([2**23, 2**20, 2**23, 2**23])  # the first call only loads code
    cost.STAGES["hold once"] = lambda draw: np.ones(next(sizes))
    return measured("hold once", repetitions=3, enough_s=60)["peak_memory_gb"]


@counts_memory
def test_one_disturbed_call_does_not_change_the_peak(fresh):
    assert 0.064 <= fresh(peak_with_one_small_call) < 0.072


def test_memory_is_not_reported_without_counters(monkeypatch):
    monkeypatch.setattr(memory, "CLEAR_REFS", Path("/dev/full"))
    values = measured("theorem4")
    assert "peak_memory_gb" not in values
    assert values["cpu_s"] > 0


def calls_that_take(monkeypatch, *seconds):
    """Make calls take the given seconds; return the list of the timed calls."""
    times, timed = iter(seconds), []

    def cpu_s(work):
        work()
        timed.append(next(times))
        return timed[-1]

    monkeypatch.setattr(cost, "cpu_s", cpu_s)
    return timed


def test_median_is_taken_until_repetitions_or_enough_seconds_are_reached(monkeypatch):
    timed = calls_that_take(monkeypatch, 1.0, 5.0, 2.0, 7.0)
    assert measured("exact", repetitions=3, enough_s=100)["cpu_s"] == 2.0
    assert len(timed) == 3
    timed = calls_that_take(monkeypatch, 1.0, 5.0, 2.0, 7.0)
    assert measured("exact", repetitions=9, enough_s=6)["cpu_s"] == 3.0
    assert len(timed) == 2


def test_first_call_in_a_process_does_not_count(monkeypatch, fresh_process):
    calls = []
    monkeypatch.setitem(cost.STAGES, "noted", lambda draw: calls.append(draw))
    timed = calls_that_take(monkeypatch, *[1.0] * 9)
    for counted in (1, 2):
        measured("noted", repetitions=1)
        assert (len(timed), len(calls)) == (counted, counted + 1)
    measured("noted", "tuning.capacity=5", repetitions=1)  # another scheme may have other code
    assert (len(timed), len(calls)) == (3, 5)


@pytest.mark.parametrize("stage", ["compose", "theorem4", "exact", "markov", "simulate"])
def test_sizes_are_those_of_the_composition(stage):
    composition = draw_of().layout.composition()
    values = measured(stage, repetitions=1)
    assert values["chain_count"] == len(composition)
    assert values["slot_count"] == composition.capacity.sum()
    assert values["rate_count"] == len(set(composition.service_rate_per_s))
    assert values.get("job_count") == (300 if stage == "simulate" else None)


def test_routed_schemes_are_composed_and_simulated():
    for stage in ("compose", "simulate"):
        values = measured(stage, "algorithm=bprr", repetitions=1)
        assert values["link_count"] > 0
        assert "chain_count" not in values


def test_arrival_rate_grows_with_the_servers_at_equal_load():
    rates = [measured("theorem4", f"cluster.server_count={j}", repetitions=1)["arrival_rate_per_s"] for j in (200, 400)]
    assert rates[1] / rates[0] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"stage": "guess"}, r"^stage = guess: must be one of compose, theorem4, exact, markov, simulate$"),
        ({"stage": "exact", "repetitions": 0}, r"^repetitions = 0: must be a whole number of at least 1$"),
        ({"stage": "exact", "enough_s": 0}, r"^enough_s = 0: must be a finite number above 0$"),
    ],
)
def test_invalid_settings_are_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        CostEvaluator(**settings)


def test_stages_that_need_chains_do_not_apply_to_routed_schemes():
    for stage in ("theorem4", "exact", "markov"):
        with pytest.raises(NotApplicableError, match=r"use evaluator=simulation$"):
            measured(stage, "algorithm=bprr")


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.75])
def test_power_law_is_recovered_whatever_the_lower_half_of_the_points(exponent):
    values = 3e-6 * SERVERS**exponent
    values[:3] = 7.0
    fit = growth(SERVERS, values)
    assert fit.exponent == pytest.approx(exponent, rel=1e-12)
    assert fit.standard_error == pytest.approx(0, abs=1e-6)
    assert growth(SERVERS[:2], values[:2]) is None


def test_standard_error_equals_the_spread_of_exponents_of_noisy_times():
    rng, repetitions = np.random.default_rng(1), 1000
    fits = [growth(SERVERS, SERVERS * np.exp(rng.normal(0, 0.1, SERVERS.size))) for _ in range(repetitions)]
    exponents, errors = np.array(fits).T
    variance = np.var(exponents, ddof=1)
    # Four points are fitted, so the estimated variances have two degrees of freedom and a relative variance of 1.
    assert np.mean(errors**2) / variance == pytest.approx(1, abs=4 * np.sqrt((1 + 2) / repetitions))
    assert np.mean(exponents) == pytest.approx(1, abs=4 * np.sqrt(variance / repetitions))


def test_servers_at_which_a_time_is_reached_are_inter_or_extrapolated():
    fit, seconds = Growth(2.0, 0.0), (SERVERS / 1000) ** 2
    assert servers_at(4.0, SERVERS, seconds, fit) == pytest.approx(2000)  # between two points
    assert servers_at(1e6, SERVERS, seconds, fit) == pytest.approx(1e6)  # beyond the last point
    assert servers_at(1e6, SERVERS, seconds, Growth(-0.1, 0.2)) == np.inf


def rows_of(exponent, seconds_at_largest):
    """Return rows of an experiment with a known growth of costs.

    The time of the exact mean grows as a power of the number of servers. A simulation of 1,000 jobs takes 1 ms.
    """
    rows = []
    for servers in SERVERS:
        exact_s = seconds_at_largest * (servers / SERVERS[-1]) ** exponent
        for stage, seconds in (("exact", exact_s), ("simulate", 1e-3)):
            point = {"evaluator.stage": stage, "algorithm": "proposed", "tuning": "fixed", "demand.load": "0.7"}
            point |= {"point": f"{stage} {servers}", "status": "ok", "draws": 1, "replication": 0, "at": np.nan}
            point |= {"cluster.server_count": f"{servers:.0f}", "draw": 0}
            values = {"cpu_s": seconds, "peak_memory_gb": 1e-3} | ({"job_count": 1000} if stage == "simulate" else {})
            rows += [point | {"metric": metric, "value": value} for metric, value in values.items()]
    return pd.DataFrame(rows)


def legend(figure):
    return [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("seconds_at_largest", "ending"),
    [
        (0.6, r"a minute at J ≈ $1 \cdot 10^{6}$ (extrapolated)"),
        (6000.0, r"a minute at J ≈ $1 \cdot 10^{4}$"),
        (1e-6, r"a minute beyond J = $1 \cdot 10^{7}$ (extrapolated)"),
    ],
)
def test_figure_shows_exponents_and_whether_a_minute_was_measured(seconds_at_largest, ending):
    figure = draw(results_of(rows_of(2.0, seconds_at_largest)), Labels())
    (exact,) = [text for text in legend(figure) if text.startswith("exact mean: $J")]
    assert "2.00 \\pm 0.00" in exact
    assert exact.endswith(ending)
    plt.close(figure)


def test_simulations_are_shown_per_million_jobs():
    figure = draw(results_of(rows_of(2.0, 1.0)), Labels())
    (line,) = [line for line in figure.axes[1].lines if str(line.get_label()).startswith("simulation")]
    assert line.get_ydata() == pytest.approx(1.0)
    plt.close(figure)
