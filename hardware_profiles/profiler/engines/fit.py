"""The constants of an engine, fitted to the times of its steps and prompts. Needs no engine.

A step of b requests on a chain of J servers with L blocks takes `round_s + J hop_s + b head_s + L α(b)`, and the first
token of a prompt of P tokens `join_s + round_s + J hop_s + head_s + L (t_o + t_I P)`. Fits use the medians.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.measured import Rows
from hardware_profiles.profiler.fit import BlockFit, fit_relatively, mean_error

Vector = NDArray[np.float64]


class EngineFit(NamedTuple):
    """The fit of one block, the time of a block over the size of a batch, and the constants of the engine."""

    block: BlockFit
    batch_s: dict[int, float]  # α
    constants: dict[str, float]  # by the names of `hardware_profiles.measured.CONSTANTS`


def fit_engine(steps: Rows, prompts: Rows, shape_round_trips: float) -> EngineFit:
    """Fit an engine to rows of steps and of prompts.

    The rows are those of `engine_decode` and `engine_prompt` in `hardware_profiles.measured.COLUMNS`. All constants are
    at least 0, and squares of relative errors are as small as they can be.
    """
    (round_s, hop_s, head_s), batch_s, steps_error = _fit_steps(np.asarray(steps, np.float64))
    (join_s, once_s, token_s), prompts_error = _fit_prompts(np.asarray(prompts, np.float64), round_s, hop_s, head_s)
    constants = {
        "round_s": round_s,
        "hop_s": hop_s,
        "head_s": head_s,
        "join_s": join_s,
        "shape_round_trips": shape_round_trips,
    }
    report = {"decode_error": steps_error, "prefill_error": prompts_error}
    return EngineFit(BlockFit((once_s, token_s, batch_s[1]), report), batch_s, constants)


def _fit_steps(rows: Vector) -> tuple[tuple[float, float, float], dict[int, float], float]:
    """Return (round_s, hop_s, head_s), times of a block by size, and the error.

    The error is the mean absolute relative one.
    """
    blocks, servers, jobs, times_s = rows.T[:4]
    sizes = np.unique(jobs)
    of_size = blocks[:, None] * (jobs[:, None] == sizes)
    columns = np.column_stack([np.ones(len(rows)), servers, jobs, of_size])
    fitted = fit_relatively(columns, times_s)
    round_s, hop_s, head_s = fitted[:3].tolist()
    batch_s = dict(zip(sizes.astype(int).tolist(), fitted[3:].tolist(), strict=True))
    return (round_s, hop_s, head_s), batch_s, mean_error(columns @ fitted, times_s)


def _fit_prompts(rows: Vector, round_s: float, hop_s: float, head_s: float) -> tuple[tuple[float, float, float], float]:
    """Return (join_s, t_o, t_I) and the mean absolute relative error.

    The known part of each time is subtracted; errors stay relative to the whole time.
    """
    blocks, servers, tokens, times_s = rows.T[:4]
    columns = np.column_stack([np.ones(len(rows)), blocks, blocks * tokens])
    known_s = round_s + hop_s * servers + head_s
    fitted = fit_relatively(columns, times_s, times_s - known_s)
    join_s, once_s, token_s = fitted.tolist()
    return (join_s, once_s, token_s), mean_error(known_s + columns @ fitted, times_s)


def shape_round_trips(gaps_s: Rows, rtt_s: float) -> float:
    """Return the round trips for each block that a new shape costs.

    Rows are (blocks, seconds of a step of a new shape, seconds of a step like the one before it). Medians over rows
    need no fit, as round trips are long beside what else differs.
    """
    blocks, new_s, same_s = np.asarray(gaps_s, np.float64).T
    return max(0.0, float(np.median((new_s - same_s) / (blocks * rtt_s))))
