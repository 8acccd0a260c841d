"""What a profile says, as a short table for the terminal. Needs no torch."""

from collections.abc import Iterator, Mapping

import numpy as np

from hardware_profiles.measured import Rows
from hardware_profiles.profile import GpuProfile

STEADY = 0.2  # what P90 may be above the median


def profile_card(found: GpuProfile) -> str:
    """Each model's fit beside the device's ceilings."""
    lines = [f"{found.name}: {found.description}"]
    lines.append(f"  matrices {found.prefill_tflops:.3g} TFLOP/s, copies {found.bandwidth_gb_per_s:.3g} GB/s")
    for model in found.measured_block_s:
        lines += [f"{model}, one block", *_model_lines(found, model)]
    return "\n".join(lines)


def _model_lines(found: GpuProfile, model: str) -> Iterator[str]:
    report, points, size = found.fit_report[model], found.measured_points[model], found.measured_on["bytes"][model]
    yield _prefill_line(found, model)
    yield _decode_line("decode", found, model, found.measured_block_s[model][2])
    if "decode_graph_s" in report:
        yield _decode_line("as a graph", found, model, report["decode_graph_s"])
    yield f"  {'contexts':<14}one number for all of them has a mean error of {report['decode_error']:.1%}"
    yield f"  {'stacks':<14}within {report['blocks_departure']:.1%} of linear in the blocks"
    yield f"  {'batches':<14}{_batch_words(points)}, each further job adds {report['decode_further_share']:.1%}"
    if model in found.measured_relay_s:
        hop_s, byte_s = found.measured_relay_s[model]
        yield f"  {'relay':<14}{hop_s * 1e3:.3g} ms a hop + {byte_s * 1e9:.3g} ms a MB"
    yield f"  {'spread':<14}{_spread_words(points)}"
    yield (
        f"  {'memory':<14}weights {size['block'] / 1e6:.4g} MB, cache {size['cache_per_token'] / 1e3:.4g} kB a token, "
        f"workspace {size['workspace'] / 1e6:.3g} MB"
    )


def _prefill_line(found: GpuProfile, model: str) -> str:
    """A token is a multiplication and an addition for each parameter."""
    (once_s, input_s, _), report = found.measured_block_s[model], found.fit_report[model]
    flop = 2 * found.measured_on["bytes"][model]["block"] / found.measured_on["value_bytes"]
    share = flop / input_s / 1e12 / found.prefill_tflops if input_s > 0 else 0.0
    return (
        f"  {'prefill':<14}{once_s * 1e3:.3g} ms + {input_s * 1e3:.3g} ms a token, mean error "
        f"{report['prefill_error']:.1%}, R² {report['prefill_r2']:.4f}; {share:.0%} of the matrix rate"
    )


def _decode_line(name: str, found: GpuProfile, model: str, token_s: float) -> str:
    """A token reads all weights once."""
    gb_per_s = found.measured_on["bytes"][model]["block"] / token_s / 1e9
    share = gb_per_s / found.bandwidth_gb_per_s
    return f"  {name:<14}{token_s * 1e3:.3g} ms a token; weights at {gb_per_s:.3g} GB/s, {share:.0%} of a copy's rate"


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
