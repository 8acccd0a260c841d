"""Records of the jobs of a stored point, simulated again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluators.points.case import Draw
from evaluators.points.simulated import SimulationEvaluator
from store.disk.identity import identity_of
from store.disk.store import Store
from store.tables.filtered import matching_values, require_known
from store.tables.reading import FOLDER, axes_of, axes_table
from sweep.instantiate import instantiated
from system.checks import require
from system.errors import NotApplicableError
from system.response import TIMES


def job_records(
    experiment: str, where: Mapping[str, Any], draw: int = 0, replication: int = 0, store: str | Path = FOLDER
) -> pd.DataFrame:
    """Simulate a stored point again; return a row per job.

    `where` gives a value for each axis that varies: it must fit one point. The jobs are those after the warm-up, so
    their means are the stored rows. Raises `InputError` if it does not, or if other code computed the point.
    """
    opened = Store(Path(store))
    point = _point(opened.experiment(experiment), where)
    records = opened.records(point, opened.parts([point])[point])
    require(bool(records), "where", _text(where), "this point is not computed yet; run its sweep first")
    configuration = records[0]["configuration"]
    is_current = identity_of(configuration).point == point
    require(is_current, "point", point, "other code computed it; run its sweep again")
    return _simulated_jobs(Draw(instantiated(configuration), draw), replication)


def _point(sweep: Mapping[str, Any], where: Mapping[str, Any]) -> str:
    """Return the only point with these values; else raise `InputError`."""
    points = axes_table(sweep)
    for axis, value in where.items():
        require_known(axes_of(points), where=axis)
        points = points[points[axis].isin(matching_values(points, axis, [str(value)]))]
    require(len(points) > 0, "where", _text(where), "no point has these values; see `store.load_points`")
    varying = [axis for axis in axes_of(points) if len(points[axis].drop_duplicates()) > 1]
    remedy = f"fits {len(points)} points; give a value of {', '.join(varying)}"
    require(len(points) == 1, "where", _text(where), remedy)
    return str(points["point"].iloc[0])


def _text(where: Mapping[str, Any]) -> str:
    return ", ".join(f"{axis}={value}" for axis, value in where.items()) or "{}"


def _simulated_jobs(draw: Draw, replication: int) -> pd.DataFrame:
    """Simulate a replication again; return a row per reported job.

    Columns are the job's arrival, size and tokens, the times in `system.response.JobTimes`, and `chain`, its number
    among the layout's chains, if there are any. Raises `NotApplicableError` if the evaluator simulates no jobs.
    """
    evaluator = draw.case.evaluator
    if not isinstance(evaluator, SimulationEvaluator):
        raise NotApplicableError(
            f"evaluator = {type(evaluator).__name__}: keeps no jobs to simulate again; use evaluator=simulation"
        )
    times, jobs = evaluator.answer(draw, *evaluator.simulate(draw, replication)).by_job()
    columns = {
        "arrival_s": times.arrival_s,
        "size": jobs.size,
        "input_tokens": jobs.lengths[:, 0],
        "output_tokens": jobs.lengths[:, 1] + 1,
        **({"chain": times.chain} if times.chain.size else {}),
        **{f"{time}_s": getattr(times, f"{time}_s") for time in TIMES},
        **{f"{part}_s": values for part, values in times.parts.items()},
    }
    return pd.DataFrame({name: np.broadcast_to(values, len(jobs)) for name, values in columns.items()})
