"""From measured times of blocks to the coefficients of footnote 2, and how well they fit. Needs no torch.

Rows are those of `hardware_profiles.measured.COLUMNS`; the fits are to medians.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from hardware_profiles.measured import Rows

Vector = NDArray[np.float64]


class BlockFit(NamedTuple):
    """`coefficients_s`: (t_o, t_I, t_O) of one block, s, s per input token, s per further output token.

    `report` says how well they fit, as relative errors, and what terms that the model leaves out would be.
    """

    coefficients_s: tuple[float, float, float]
    report: dict[str, float]


def fit_block(prefill: Rows, decode: Rows, shortest: int) -> BlockFit:
    """prefill(l) = t_o + t_I l over prompts of at least `shortest` tokens; t_O is the mean over the range of contexts.

    t_o is once per request and block, so what a single step costs besides belongs to t_O.
    There have to be two such lengths.
    """
    of_prefill, of_decode = np.asarray(prefill, dtype=float), np.asarray(decode, dtype=float)
    once_s, input_token_s, prefill_report = _fit_prefill(of_prefill[of_prefill[:, 1] >= shortest])
    output_token_s, decode_report = fit_decode(decode)
    linearity = {"blocks_departure": max(_blocks_departure(of_prefill), _blocks_departure(of_decode))}
    return BlockFit((once_s, input_token_s, output_token_s), prefill_report | decode_report | linearity)


def fit_decode(decode: Rows) -> tuple[float, dict[str, float]]:
    """t_O and its report; the mean over the range of contexts weighs each measured one by the range it stands for."""
    table = np.asarray(decode, dtype=float)
    context, per_block_s = table[:, 1], table[:, 2] / table[:, 0]
    at = np.unique(context)
    mean_s = np.array([per_block_s[context == tokens].mean() for tokens in at])
    over_range_s = float(np.trapezoid(mean_s, at) / (at[-1] - at[0])) if at.size > 1 else float(mean_s[0])
    line = _powers(context, 1)
    with_context = _fit_relatively(line, per_block_s)
    report = {
        "decode_error": _mean_error(np.full(context.size, over_range_s), per_block_s),
        "decode_context_s": float(with_context[1]),
        "decode_context_error": _mean_error(line @ with_context, per_block_s),
    }
    return over_range_s, report


def fit_relay(relay: Rows) -> tuple[float, float]:
    """(s per hop, s per byte) of a message to a server and back, from rows (tokens, bytes, ...)."""
    table = np.asarray(relay, dtype=float)
    hop_s, byte_s = _fit_relatively(_powers(table[:, 1], 1), table[:, 2])
    return float(hop_s), float(byte_s)


def further_share(batches: Rows) -> float:
    """What each further step of a batch adds, as a share of the time of one: time(n) = time(1) (1 + share (n - 1)).

    By the steps of the same context; negative shares are not.
    """
    table = np.asarray(batches, dtype=float)
    alone_s = {context: time_s for _, jobs, context, time_s, *_ in table if jobs == 1}
    relative = np.array([time_s / alone_s[context] for _, _, context, time_s, *_ in table])
    further = table[:, 1] - 1
    return max(0.0, float(further @ (relative - 1) / (further @ further)))


def _fit_prefill(rows: Vector) -> tuple[float, float, dict[str, float]]:
    tokens, per_block_s = rows[:, 1], rows[:, 2] / rows[:, 0]
    line, curve = _powers(tokens, 1), _powers(tokens, 2)
    once_s, input_token_s = _fit_relatively(line, per_block_s)
    fitted_s = line @ (once_s, input_token_s)
    quadratic = _fit_relatively(curve, per_block_s)
    report = {
        "prefill_error": _mean_error(fitted_s, per_block_s),
        "prefill_r2": _r_squared(fitted_s, per_block_s),
        "prefill_quadratic_s": float(quadratic[2]),
        "prefill_quadratic_error": _mean_error(curve @ quadratic, per_block_s),
    }
    return float(once_s), float(input_token_s), report


def _blocks_departure(rows: Vector) -> float:
    """By how much a stack's time is off that of the smallest one times its blocks, at worst over stacks and lengths.

    Eq. (2) takes a server's time to be linear in its blocks.
    """
    per_block_s = {(blocks, at): time_s / blocks for blocks, at, time_s, *_ in rows}
    fewest = min(blocks for blocks, _ in per_block_s)
    return float(max(abs(time_s / per_block_s[fewest, at] - 1) for (_, at), time_s in per_block_s.items()))


def _powers(x: Vector, degree: int) -> Vector:
    """(n, degree + 1) columns 1, x, x²."""
    return np.vander(x, degree + 1, increasing=True)


def _fit_relatively(columns: Vector, times_s: Vector) -> Vector:
    """Coefficients, none negative, with the least squares of relative errors: short times count as long ones do."""
    scale = np.abs(columns).max(axis=0)  # a quadratic column is a million times the constant one
    found, _ = nnls(columns / scale / times_s[:, None], np.ones(times_s.size))
    return found / scale


def _mean_error(fitted_s: Vector, times_s: Vector) -> float:
    """Mean absolute relative error."""
    return float(np.abs(fitted_s / times_s - 1).mean())


def _r_squared(fitted_s: Vector, times_s: Vector) -> float:
    """1 - residual / total sum of squares."""
    return float(1 - _square_sum(times_s - fitted_s) / _square_sum(times_s - times_s.mean()))


def _square_sum(x: ArrayLike) -> float:
    return float(np.square(x).sum())
