"""Sequential precision: the rule by which points grow, the coverage of its intervals, and whole sweeps."""

import re
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from store.comparisons.compare import compare_values
from store.disk.store import Store
from store.tables.reading import Measure, load, load_points
from sweep.instantiate import evaluate
from sweep.precision import LEAST_GROWTH, MOST_GROWTH, Size, Target, next_size, relative_half_width, target_of
from system import InputError
from system.intervals import half_width_of
from tests.support.project import CONF, case_of, script

FIRST = Size(20, 2)
PERCENT = Target(0.01, ["response_mean_s"], most_draws=2000, most_replications=4)
SWEEP = ("run.py", "-m", "data=embedded", "hydra/launcher=basic", "precision=target", "workload.job_count=300")


def rows_of(values):
    """Return values (draws, replications) as rows of one point."""
    cells = np.ndenumerate(np.atleast_2d(values))
    table = pd.DataFrame([(*cell, value) for cell, value in cells], columns=["draw", "replication", "value"])
    return table.assign(metric="response_mean_s", at=np.nan)


def sequential(sample, target, first=FIRST):
    """Return the last values and the sizes of all rounds.

    `sample(draws, replications)` returns the first values of an endless table.
    """
    sizes = [first]
    while (size := next_size(rows_of(sample(*sizes[-1])), sizes[-1], first, target)) != sizes[-1]:
        sizes.append(size)
    return sample(*sizes[-1]), sizes


def normal(rng, between, within):
    """Return a sample of normal values with these deviations."""
    table = 1 + between * rng.normal(size=(2000, 1)) + within * rng.normal(size=(2000, 4))
    return lambda draws, replications: table[:draws, :replications]


def test_a_point_stops_once_its_interval_is_narrow_enough():
    values, sizes = sequential(normal(np.random.default_rng(1), 0.05, 0.05), PERCENT)
    assert relative_half_width(values) <= 0.01
    assert half_width_of(values.mean(axis=1)) / values.mean() == pytest.approx(relative_half_width(values))
    assert all(b.draws <= MOST_GROWTH * a.draws for a, b in pairwise(sizes))
    assert all(b.draws >= LEAST_GROWTH * a.draws for a, b in pairwise(sizes[1:]))
    assert relative_half_width(values[: sizes[-2].draws]) > 0.01


def test_a_point_whose_draws_do_not_vary_needs_no_more():
    for values in (np.full((20, 2), 52.36), np.full((1, 1), 3.0), np.full((20, 1), 0.0)):
        assert next_size(rows_of(values), FIRST, FIRST, PERCENT) == FIRST


def test_a_point_stops_at_its_limit():
    target = PERCENT._replace(most_draws=25, half_width=0.001)
    values, sizes = sequential(normal(np.random.default_rng(2), 0.1, 0.0), target)
    assert [size.draws for size in sizes] == [20, 25]
    assert relative_half_width(values) > 0.001
    table = np.random.default_rng(3).choice([-1.0, 1.0], size=2000).reshape(-1, 1)
    table[:20] = [[-1.0], [1.0]] * 10  # with a mean of 0 no interval is narrow
    assert sequential(lambda draws, _: table[:draws], target)[1][-1].draws == 25


@pytest.mark.parametrize(("between", "within", "best"), [(0.1, 0.02, 1), (0.05, 0.1, 2), (0.0, 0.1, 4)])
def test_replications_are_the_root_of_the_variance_within_over_between(between, within, best):
    first, later, target = Size(1000, 2), Size(1500, best), PERCENT._replace(half_width=1e-4)
    sample = normal(np.random.default_rng(4), between, within)
    assert next_size(rows_of(sample(*first)), first, first, target).replications == best
    assert next_size(rows_of(sample(*later)), later, first, target).replications == best


def test_the_widest_of_several_metrics_counts():
    rng = np.random.default_rng(5)
    narrow, wide = rows_of(rng.normal(1, 0.001, (20, 2))), rows_of(rng.normal(1, 0.2, (20, 2)))
    both = pd.concat([narrow, wide.assign(metric="response_quantile_s", at=0.95)])
    assert next_size(narrow, FIRST, FIRST, PERCENT) == FIRST
    assert next_size(both, FIRST, FIRST, PERCENT) == next_size(wide, FIRST, FIRST, PERCENT) != FIRST


def test_intervals_cover_the_mean_of_normal_and_of_skewed_values():
    rng, covered = np.random.default_rng(6), []
    for _ in range(40):
        table = rng.gamma(4, 0.25 * 0.06 / 0.5, (2000, 1)) + 1 - 0.06 / 0.5  # mean 1, deviation 0.06, skewness 1
        values, _ = sequential(lambda draws, _, table=table: table[:draws], PERCENT, Size(20, 1))
        covered.append(abs(values.mean() - 1) <= half_width_of(values[:, 0]))
    assert np.mean(covered) >= 0.8  # with 95 % each, fewer come once in 2,000 times


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Return a sweep that reached its target: store, words, output."""
    store = tmp_path_factory.mktemp("precise")
    words = ("evaluator=simulation,exact,composition", "precision.half_width=2%", "draws=5")
    done = script(*SWEEP, *words, f"store={store}")
    assert done.returncode == 0, done.stderr
    return store, words, done


def test_a_sweep_reaches_its_target_and_says_with_how_many_draws(swept):
    store, _, done = swept
    points = load_points("unnamed_embedded", store).set_index("evaluator")
    assert points.loc["composition", "draws"] == 5  # it has no mean response time
    for evaluator in ("simulation", "exact"):
        rows = load("unnamed_embedded", store)
        rows = rows[(rows["evaluator"] == evaluator) & (rows["metric"] == "response_mean_s")]
        means = rows.groupby("draw")["value"].mean()
        assert means.size == points.loc[evaluator, "draws"] > 5
        assert half_width_of(means) / means.mean() <= 0.02
    fewest, most = sorted(points.loc[["simulation", "exact"], "draws"])
    assert f"    precision: 2 of 2 means are within 2.00%, with {fewest} to {most} draws" in done.stdout
    assert "round 2" in done.stderr
    assert "precision" not in Store(store).experiment("unnamed_embedded")["fixed"]


def test_a_repeated_sweep_computes_nothing_and_an_interrupted_one_goes_on(swept):
    store, words, done = swept
    contents = {path.name: path.read_bytes() for path in (store / "rows").iterdir()}
    again = script(*SWEEP, *words, f"store={store}")
    assert "point/s" not in again.stderr
    assert again.stdout == done.stdout
    last = max((store / "points").iterdir(), key=lambda path: int(re.search(r"\.d(\d+)-", path.name)[1]))
    last.unlink()
    resumed = script(*SWEEP, *words, f"store={store}")
    assert "point/s" in resumed.stderr
    assert {path.name: path.read_bytes() for path in (store / "rows").iterdir()} == contents


def test_points_of_different_sizes_are_compared_over_their_common_draws(swept):
    store, _, _ = swept
    points = load_points("unnamed_embedded", store).set_index("evaluator")
    measure, pair = Measure("response_mean_s"), ("exact", "simulation")
    compared = compare_values("unnamed_embedded", "evaluator", pair, measure, store).table.iloc[0]
    assert compared["pairs"] == points.loc[list(pair), "draws"].min()
    assert points.loc["exact", "draws"] != points.loc["simulation", "draws"]


def test_a_sweep_names_the_means_that_its_limits_leave_wide(tmp_path):
    words = ("evaluator=exact", "precision.half_width=0.1%", "precision.most_draws=7", "draws=4", "tuning.capacity=6,7")
    done = script(*SWEEP, *words, f"store={tmp_path}")
    (line,) = [text for text in done.stdout.splitlines() if "precision" in text]
    assert "0 of 2 means are within 0.10%, with 7 to 7 draws; not within it: tuning.capacity=" in line
    assert re.search(r"tuning.capacity=6 response_mean_s \(±\d\.\d\d%\)", line)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"half_width": 0}, "precision.half_width = 0: must be above 0 and below 1, such as 1% or 0.01"),
        ({"half_width": "few"}, "precision.half_width = few: must be above 0 and below 1"),
        ({"most_draws": 0}, "precision.most_draws = 0: must be a whole number of at least 1"),
        ({"metrics": ["response_mean"]}, "precision.metrics = response_mean: unknown; did you mean"),
    ],
)
def test_settings_that_are_no_target_are_one_sentence(settings, message):
    config = OmegaConf.load(CONF / "precision/target.yaml")
    assert target_of(config).half_width == 0.01
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        target_of(OmegaConf.merge(config, {"precision": settings}))


def test_a_target_needs_two_draws_and_a_sweep(tmp_path):
    config = OmegaConf.load(CONF / "precision/target.yaml")
    with pytest.raises(InputError, match="draws = 1: precision=target needs at least 2"):
        target_of(OmegaConf.merge(config, {"draws": 1}))
    assert target_of(OmegaConf.load(CONF / "precision/full.yaml")) is None
    done = script("run.py", "network=european", "precision=target", f"store={tmp_path}")
    assert done.stderr == "error: precision = target: adds draws in the rounds of a sweep; write -m before it\n"


@cache
def fig3b(evaluator):
    return case_of("data=embedded", "demand=load", f"evaluator={evaluator}", "evaluator.quantiles=[]")


def means_s(evaluator, load, seed, draws, replications=range(1)):
    """Return mean response times of a point of Fig. 3b."""
    case = fig3b(evaluator)
    case = case | {"demand": case["demand"] | {"load": load}, "seed": seed}
    return [row.value for row in evaluate(case, draws, replications).rows if row.metric == "response_mean_s"]


def simulated_means(load, seed):
    """Return a sample of simulated means."""

    @cache
    def mean_s(draw, replication):
        (value,) = means_s("simulation", load, seed, range(draw, draw + 1), range(replication, replication + 1))
        return value

    return lambda draws, replications: np.array([[mean_s(d, r) for r in range(replications)] for d in range(draws)])


def coverage(load, sweeps, target):
    """Return the share of covering intervals, and the widest.

    The exact mean is over clusters of another seed.
    """
    truth = np.mean(means_s("exact", load, 987, range(25 * sweeps + 200)))
    results = [sequential(simulated_means(load, seed), target)[0] for seed in range(sweeps)]
    covered = [abs(values.mean() - truth) <= half_width_of(values.mean(axis=1)) for values in results]
    return np.mean(covered), max(map(relative_half_width, results))


def test_intervals_of_fig3b_cover_the_exact_mean():
    covered, widest = coverage(0.5, 6, PERCENT._replace(half_width=0.025))
    assert covered >= 4 / 6  # with 95 % each, 3 or fewer of 6 come once in 400 times
    assert widest <= 0.025


@pytest.mark.slow
def test_intervals_of_fig3b_cover_the_exact_mean_in_200_sweeps():
    covered, widest = coverage(0.5, 200, PERCENT)  # a load of 0.9 takes four times as long and gives the same
    assert 0.9 <= covered <= 0.98
    assert widest <= 0.01
