"""What a profile says, as a short table for the terminal. Needs no torch."""

from collections.abc import Iterator, Mapping

import numpy as np

from hardware_profiles.measured import Rows
from hardware_profiles.profile import GpuProfile

STEADY = 0.2  # what P90 may be above the median


def card(found: GpuProfile) -> str:
    """Each model's fit beside the device's ceilings."""
    lines = [f"{found.name}: {found.description}"]
    lines.append(f"  matrices {found.prefill_tflops:.3g} TFLOP/s, copies {found.bandwidth_gb_per_s:.3g} GB/s")
    for model in found.measured_block_s:
        lines += [f"{model}, one block", *_model_lines(found, model)]
    return "\n".join(lines)


def _model_lines(found: GpuProfile, model: str) -> Iterator[str]:
    once_s, input_s, output_s = found.measured_block_s[model]
    report, points = found.fit_report[model], found.measured_points[model]
    size = found.measured_on["bytes"][model]
    read_gb_per_s = size["block"] / output_s / 1e9
    flop = 2 * size["block"] / found.measured_on["value_bytes"]  # a multiplication and an addition a parameter
    share = flop / input_s / 1e12 / found.prefill_tflops
    yield (
        f"  prefill     {once_s * 1e3:.3g} ms + {input_s * 1e3:.3g} ms a token, mean error "
        f"{report['prefill_error']:.1%}, R² {report['prefill_r2']:.4f}; {share:.0%} of the matrix rate"
    )
    yield (
        f"  decode      {output_s * 1e3:.3g} ms a token, mean error {report['decode_error']:.1%} over contexts; "
        f"weights at {read_gb_per_s:.3g} GB/s, {read_gb_per_s / found.bandwidth_gb_per_s:.0%} of a copy's"
    )
    yield f"  stacks      within {report['blocks_departure']:.1%} of linear in the blocks"
    yield f"  batches     {_batch_words(points)}, each further job adds {report['decode_further_share']:.1%}"
    if model in found.measured_relay_s:
        hop_s, byte_s = found.measured_relay_s[model]
        yield f"  relay       {hop_s * 1e3:.3g} ms a hop + {byte_s * 1e9:.3g} ms a MB"
    yield f"  spread      {_spread_words(points)}"
    yield (
        f"  memory      weights {size['block'] / 1e6:.4g} MB, cache {size['cache_per_token'] / 1e3:.4g} kB a token, "
        f"workspace {size['workspace'] / 1e6:.3g} MB"
    )


def _spread_words(points: Mapping[str, Rows]) -> str:
    """How steady the machine was."""
    above = float(np.median([p90_s / median_s - 1 for rows in points.values() for *_, median_s, _, p90_s in rows]))
    advice = "" if above < STEADY else ": other work was in the way, measure again without it"
    return f"P90 is {above:.0%} above the median, in the median over points{advice}"


def _batch_words(points: Mapping[str, Rows]) -> str:
    """At the shortest context: how much faster a batch is than its jobs one by one."""
    shortest = min(row[2] for row in points["decode_batch"])
    time_s = {int(row[1]): row[3] for row in points["decode_batch"] if row[2] == shortest}
    largest = max(time_s)
    return f"{largest} jobs together {largest * time_s[1] / time_s[largest]:.3g} times as fast as one by one"
