"""The one function that makes means: it averages draws and replications, and nothing else."""

import pickle

import numpy as np
import pandas as pd
import pytest

from store.tables.statistics import PoolingError, by_draw, complete_means, intervals_over_draws
from store.tables.verification import verify
from system import InputError
from tests.store.test_reference import POINTS, store_of

AXES = {"network": ("a", "b"), "load": (0.1, 0.2), "metric": ("mean_s", "p95_s"), "at": (np.nan, 0.5)}


def grid(**axes):
    """Return rows over these axes, 3 draws and 2 replications, with random values."""
    levels = axes | {"draw": range(3), "replication": range(2)}
    rows = pd.MultiIndex.from_product(levels.values(), names=list(levels)).to_frame(index=False)
    point = rows.groupby(list(axes), dropna=False).ngroup().astype(str) if axes else "0"
    return rows.assign(point=point, value=np.random.default_rng(1).normal(size=len(rows)), status="ok", draws=3)


@pytest.mark.parametrize("missing", AXES)
def test_an_axis_that_varies_and_is_no_key_is_named(missing):
    keys = [axis for axis in AXES if axis != missing]
    with pytest.raises(PoolingError, match=rf"^{missing} = ") as error:
        by_draw(grid(**AXES), keys)
    assert error.value.columns == [missing]


def test_each_mean_is_that_of_one_configuration():
    rows = grid(**AXES)
    table = intervals_over_draws(rows, list(AXES))
    assert len(table) == 16
    for line in table.to_dict("records"):
        chosen = rows
        for axis in AXES:
            chosen = chosen[chosen[axis].isna() if pd.isna(line[axis]) else chosen[axis] == line[axis]]
        draws = [chosen.loc[chosen["draw"] == draw, "value"].mean() for draw in range(3)]
        assert line["mean"] == pytest.approx(np.mean(draws))
        assert line["draws"] == 3


def test_points_that_agree_in_all_axes_are_not_one_mean():
    rows = grid(load=(0.1,))
    other = rows.assign(point="other", draw=rows["draw"] + 3)
    with pytest.raises(PoolingError, match=r"^point = 0, other"):
        by_draw(pd.concat([rows, other]), ["load"])


def test_rows_that_come_twice_are_an_error():
    rows = grid(load=(0.1,))
    with pytest.raises(PoolingError, match="6 rows come twice"):
        by_draw(pd.concat([rows, rows]), ["load"])


def test_a_mean_needs_all_draws_of_its_point():
    rows = grid(load=(0.1, 0.2))
    rows = rows[(rows["load"] == 0.1) | (rows["draw"] < 2)]
    assert complete_means(rows, ["load"])["load"].tolist() == [0.1]
    refused = rows.assign(status=rows["load"].map({0.1: "unstable", 0.2: "ok"}))
    assert complete_means(refused, ["load"]).empty


def test_rows_that_cannot_be_told_apart_are_not_verified(tmp_path):
    folder = store_of(tmp_path / "store", POINTS)
    reference = tmp_path / "rows"
    reference.mkdir()
    lines = ["load,evaluator,metric,at,mean,half_width,draws,status", *["10,exact,response_mean_s,,2,2.5,3,ok"] * 2]
    (reference / "x.csv").write_text("\n".join(lines))
    (reference / "provenance.yaml").write_text("x: {platforms: []}")
    with pytest.raises(InputError, match="several points have these values"):
        verify(folder, "x", reference)


def test_errors_reach_the_process_that_asked_for_a_figure():
    error = pickle.loads(pickle.dumps(PoolingError(["service"], "service = a, b")))
    assert (str(error), error.columns) == (str(PoolingError(["service"], "service = a, b")), ["service"])
