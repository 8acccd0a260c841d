"""The comparison of measured and predicted times as text."""

from collections.abc import Iterator

from serving.engines.petals.comparison import Comparison, Measured, Result
from system.response import JobTimes

HEADER = "| load | jobs/s | seconds | mean response | P95 | first token | waiting |"
RULE = "|---|---|---|---|---|---|---|"


def lines(comparison: Comparison, result: Result) -> Iterator[str]:
    """Yield what ran, the profiles, and a row for each load and model."""
    blocks = " > ".join(map(str, comparison.blocks))
    tokens_ms = ", ".join(f"{1e3 * token_s:.1f}" for token_s in result.tokens_s)
    alone = result.alone
    yield f"{comparison.job_count} jobs a load on servers of {blocks} blocks, {comparison.sessions} sessions each"
    yield f"one job at a time, before, between and after the loads: {tokens_ms} ms a token"
    yield (
        f"a visit {1e3 * alone.visit_s[0]:.1f} ms with a prompt, {1e3 * alone.visit_s[2]:.1f} ms with a token; "
        f"a block {1e3 * alone.block_s[2]:.2f} ms a token; the client {1e3 * alone.client_s[2]:.1f} ms a token"
    )
    yield ""
    yield HEADER
    yield RULE
    for measured in result.loads:
        yield from _rows(measured)


def _rows(measured: Measured) -> Iterator[str]:
    """Yield a load as measured, and its predictions with their errors."""
    begin = f"| {measured.load:g} | {measured.rate_per_s:.2f} |"
    yield f"{begin} measured | {_cells(measured.times)} |"
    real_s = measured.times.mean_s("response")
    for name, times in measured.predicted.items():
        error = times.mean_s("response") / real_s - 1
        yield f"| | | {name} ({100 * error:+.0f} %) | {_cells(times)} |"


def _cells(times: JobTimes) -> str:
    values = (times.mean_s("response"), times.quantile_s("response", 0.95), times.mean_s("first_token"))
    return " | ".join(f"{value:.2f}" for value in (*values, times.mean_s("waiting")))
