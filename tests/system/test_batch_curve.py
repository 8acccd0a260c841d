"""Batch curves: tables and their reading are compared with plain straight lines."""

import re
from dataclasses import replace

import numpy as np
import pytest

from system import NotApplicableError
from system.service.batch_curve import curves_of, ratio_at, ratios_of, tables_of
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.support.oracles.instances import random_system
from tests.support.oracles.steps.computing import stack_ratio


def random_points(rng: np.random.Generator) -> dict[int, float]:
    sizes = rng.choice(np.arange(2, 40), rng.integers(0, 6), replace=False).tolist()
    return {size: float(rng.uniform(0.5, 5)) for size in sizes} | ({1: 1.0} if rng.random() < 0.5 else {})


def test_a_table_gives_the_ratios_of_straight_lines_between_the_points():
    rng = np.random.default_rng(741)
    for _ in range(20):
        curves = [random_points(rng) for _ in range(4)]  # servers whose curves end at different sizes share a table
        tables = tables_of([ratios_of(points) for points in curves])
        for points, table in zip(curves, tables, strict=True):
            for steps in range(1, 100):
                assert ratio_at(steps, table) == pytest.approx(stack_ratio(points, steps), rel=1e-9), (points, steps)
            assert all(ratio_at(size, table) == pytest.approx(ratio) for size, ratio in points.items())


def test_a_curve_never_falls_beyond_its_points():
    (table,) = tables_of([ratios_of({2: 3.0, 4: 2.0})])
    assert [ratio_at(steps, table) for steps in (1, 2, 3, 4, 5, 50)] == [1.0, 3.0, 2.5, 2.0, 2.0, 2.0]


def test_without_points_a_stack_takes_the_time_of_a_single_step():
    (table,) = tables_of([ratios_of({})])
    assert [ratio_at(steps, table) for steps in (1, 2, 50)] == [1.0, 1.0, 1.0]


def test_every_server_has_the_given_curve_or_its_measured_one():
    servers = random_system(np.random.default_rng(742)).servers
    given = curves_of({2: 1.5}, servers)
    assert given.tolist() == [[0.5, 1.0, 1.5]] * len(servers)
    curves = tuple({1: 1.0, 2 + j: 2.0} for j in range(len(servers)))
    measured = curves_of("measured", replace(servers, batch_curves=curves))
    for points, table in zip(curves, measured, strict=True):
        assert ratio_at(30, table) == pytest.approx(stack_ratio(points, 30))


@pytest.mark.parametrize("model", [Steps, TokenBudget, Lockstep])
def test_measured_curves_need_measured_batches_of_every_server(model):
    servers = random_system(np.random.default_rng(743)).servers
    lacking = ({2: 1.5}, *[{}] * (len(servers) - 1))
    for curves, name in (((), servers.name(0)), (lacking, servers.name(1))):
        message = (
            f"batch_curve = measured: the profile of {name} has no measured batches of this model; "
            "give ratios, such as batch_curve={2: 1.2, 8: 2}"
        )
        with pytest.raises(NotApplicableError, match=f"^{re.escape(message)}$"):
            model(batch_curve="measured").settings_of(replace(servers, batch_curves=curves))
