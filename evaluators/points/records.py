"""Records of the single jobs behind a point's rows."""

import numpy as np
import pandas as pd

from evaluators.points.case import Draw
from evaluators.points.simulated import SimulationEvaluator
from system.errors import NotApplicableError
from system.response import TIMES


def simulated_jobs(draw: Draw, replication: int) -> pd.DataFrame:
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
