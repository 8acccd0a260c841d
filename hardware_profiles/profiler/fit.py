"""The fit of footnote 2's coefficients to measured times of blocks, and its quality. Needs no torch.

The columns of rows are those of `hardware_profiles.measured.COLUMNS`; fits use the medians.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from hardware_profiles.measured import Rows

Vector = NDArray[np.float64]


class BlockFit(NamedTuple):
    """The coefficients of one block and a report on their fit.

    `coefficients_s` are (t_o, t_I, t_O) in s, s per input token and s per further output token. `report` has the
    relative errors of the fit and the sizes of terms that the model leaves out.
    """

    coefficients_s: tuple[float, float, float]
    report: dict[str, float]


def fit_block(prefill: Rows, decode: Rows, shortest: int) -> BlockFit:
    """Fit one block's coefficients to rows of prompts and single tokens.

    t_o and t_I are those of prefill(l) = t_o + t_I l over prompts of at least `shortest` tokens, of which there must be
    two lengths. t_O is the mean time of a single token over the range of contexts. Since t_o counts once per request
    and block, t_O includes all overheads of a single token's step.
    """
    prefill_rows, decode_rows = np.asarray(prefill, dtype=float), np.asarray(decode, dtype=float)
    once_s, input_token_s, prefill_report = _fit_prefill(prefill_rows[prefill_rows[:, 1] >= shortest])
    output_token_s, decode_report = fit_decode(decode)
    linearity = {"blocks_departure": max(_blocks_departure(prefill_rows), _blocks_departure(decode_rows))}
    return BlockFit((once_s, input_token_s, output_token_s), prefill_report | decode_report | linearity)


def fit_decode(decode: Rows) -> tuple[float, dict[str, float]]:
    """Return t_O and its report.

    t_O is the mean over the range of contexts, in which each measured context has the weight of the range around it.
    """
    table = np.asarray(decode, dtype=float)
    context, per_block_s = table[:, 1], table[:, 2] / table[:, 0]
    grid = np.unique(context)
    mean_s = np.array([per_block_s[context == tokens].mean() for tokens in grid])
    over_range_s = float(np.trapezoid(mean_s, grid) / (grid[-1] - grid[0])) if grid.size > 1 else float(mean_s[0])
    line = _powers(context, 1)
    with_context = fit_relatively(line, per_block_s)
    report = {
        "decode_error": mean_error(np.full(context.size, over_range_s), per_block_s),
        "decode_context_s": float(with_context[1]),
        "decode_context_error": mean_error(line @ with_context, per_block_s),
    }
    return over_range_s, report


def fit_relay(relay: Rows) -> tuple[float, float]:
    """Fit (s per hop, s per byte) of a message's round trip.

    Rows are (tokens, bytes, median s, ...).
    """
    table = np.asarray(relay, dtype=float)
    hop_s, byte_s = fit_relatively(_powers(table[:, 1], 1), table[:, 2])
    return float(hop_s), float(byte_s)


def further_share(batches: Rows) -> float:
    """Return the share of a step's time that each further step adds.

    It is the share in time(n) = time(1) (1 + share (n - 1)) for n steps of a batch with the same context, and it is at
    least 0.
    """
    table = np.asarray(batches, dtype=float)
    alone_s = {context: time_s for _, jobs, context, time_s, *_ in table if jobs == 1}
    relative = np.array([time_s / alone_s[context] for _, _, context, time_s, *_ in table])
    further = table[:, 1] - 1
    return max(0.0, float(further @ (relative - 1) / (further @ further)))


def _fit_prefill(rows: Vector) -> tuple[float, float, dict[str, float]]:
    tokens, per_block_s = rows[:, 1], rows[:, 2] / rows[:, 0]
    line, curve = _powers(tokens, 1), _powers(tokens, 2)
    once_s, input_token_s = fit_relatively(line, per_block_s)
    fitted_s = line @ (once_s, input_token_s)
    quadratic = fit_relatively(curve, per_block_s)
    report = {
        "prefill_error": mean_error(fitted_s, per_block_s),
        "prefill_r2": _r_squared(fitted_s, per_block_s),
        "prefill_quadratic_s": float(quadratic[2]),
        "prefill_quadratic_error": mean_error(curve @ quadratic, per_block_s),
    }
    return float(once_s), float(input_token_s), report


def _blocks_departure(rows: Vector) -> float:
    """Return the largest relative deviation from linearity in blocks.

    It compares a stack's time per block with that of the smallest stack; the maximum is over stacks and lengths. Eq.
    (2) assumes that a server's time is linear in its blocks.
    """
    per_block_s = {(blocks, length): time_s / blocks for blocks, length, time_s, *_ in rows}
    fewest = min(blocks for blocks, _ in per_block_s)
    return float(max(abs(time_s / per_block_s[fewest, length] - 1) for (_, length), time_s in per_block_s.items()))


def _powers(x: Vector, degree: int) -> Vector:
    """Return (n, degree + 1) columns 1, x, x², ..."""
    return np.vander(x, degree + 1, increasing=True)


def fit_relatively(columns: Vector, times_s: Vector, fitted_s: Vector | None = None) -> Vector:
    """Return nonnegative coefficients that minimise the squares of relative errors.

    Relative errors give short times the same weight as long ones. With `fitted_s`, only this part of the times is
    fitted.
    """
    scale = np.abs(columns).max(axis=0)  # the quadratic column is up to a million times the constant one
    target = np.ones(times_s.size) if fitted_s is None else fitted_s / times_s
    scaled, _ = nnls(columns / scale / times_s[:, None], target)
    return np.asarray(scaled / scale)


def mean_error(fitted_s: Vector, times_s: Vector) -> float:
    """Return the mean absolute relative error."""
    return float(np.abs(fitted_s / times_s - 1).mean())


def _r_squared(fitted_s: Vector, times_s: Vector) -> float:
    """Return 1 - residual / total sum of squares."""
    return float(1 - _square_sum(times_s - fitted_s) / _square_sum(times_s - times_s.mean()))


def _square_sum(x: ArrayLike) -> float:
    return float(np.square(x).sum())
