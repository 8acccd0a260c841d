"""The summary of a profile as a short table for the terminal. Needs no torch."""

from collections.abc import Iterator, Mapping

import numpy as np

from hardware_profiles.measured import Rows
from hardware_profiles.profile import GpuProfile

STEADY = 0.2  # P90 is less than this share above the median on a steady machine


def profile_card(profile: GpuProfile) -> str:
    """Return a table of each model's fit beside the device's ceilings."""
    lines = [f"{profile.name}: {profile.description}"]
    lines.append(
        f"  matrix products {profile.prefill_tflops:.3g} TFLOP/s, copies {profile.bandwidth_gb_per_s:.3g} GB/s"
    )
    for model in profile.measured_block_s:
        lines += [f"{model}, one block", *_model_lines(profile, model)]
    return "\n".join(lines)


def _model_lines(profile: GpuProfile, model: str) -> Iterator[str]:
    report, points, size = (
        profile.fit_report[model],
        profile.measured_points[model],
        profile.measured_on["bytes"][model],
    )
    yield _prefill_line(profile, model)
    yield _decode_line("decode", profile, model, profile.measured_block_s[model][2])
    if "decode_graph_s" in report:
        yield _decode_line("as a graph", profile, model, report["decode_graph_s"])
    yield f"  {'contexts':<14}one time for all contexts has a mean error of {report['decode_error']:.1%}"
    yield f"  {'stacks':<14}times are within {report['blocks_departure']:.1%} of linear in the number of blocks"
    yield f"  {'batches':<14}{_batch_words(points)}, each further job adds {report['decode_further_share']:.1%}"
    if model in profile.measured_relay_s:
        hop_s, byte_s = profile.measured_relay_s[model]
        yield f"  {'relay':<14}{hop_s * 1e3:.3g} ms per hop + {byte_s * 1e9:.3g} ms per MB"
    yield f"  {'spread':<14}{_spread_words(points)}"
    yield (
        f"  {'memory':<14}weights {size['block'] / 1e6:.4g} MB, "
        f"cache {size['cache_per_token'] / 1e3:.4g} kB per token, workspace {size['workspace'] / 1e6:.3g} MB"
    )


def _prefill_line(profile: GpuProfile, model: str) -> str:
    """Return the line about prompts.

    A token takes a multiplication and an addition for each parameter.
    """
    (once_s, input_s, _), report = profile.measured_block_s[model], profile.fit_report[model]
    flop = 2 * profile.measured_on["bytes"][model]["block"] / profile.measured_on["value_bytes"]
    share = flop / input_s / 1e12 / profile.prefill_tflops if input_s > 0 else 0.0
    return (
        f"  {'prefill':<14}{once_s * 1e3:.3g} ms + {input_s * 1e3:.3g} ms per token, mean error "
        f"{report['prefill_error']:.1%}, R² {report['prefill_r2']:.4f}; {share:.0%} of the rate of matrix products"
    )


def _decode_line(name: str, profile: GpuProfile, model: str, token_s: float) -> str:
    """Return the line about further tokens.

    A token reads all weights once.
    """
    gb_per_s = profile.measured_on["bytes"][model]["block"] / token_s / 1e9
    rate = f"{gb_per_s:.3g} GB/s, {gb_per_s / profile.bandwidth_gb_per_s:.0%} of the rate of copies"
    return f"  {name:<14}{token_s * 1e3:.3g} ms per token; weights at {rate}"


def _spread_words(points: Mapping[str, Rows]) -> str:
    """Return how steady the machine was."""
    above = float(np.median([p90_s / median_s - 1 for rows in points.values() for *_, median_s, _, p90_s in rows]))
    advice = "" if above < STEADY else "; other programs may have interfered, so stop them and measure again"
    return f"P90 is {above:.0%} above the median (median over all points){advice}"


def _batch_words(points: Mapping[str, Rows]) -> str:
    """Return the largest batch's speed relative to its jobs one by one.

    The context is the shortest one.
    """
    shortest = min(row[2] for row in points["decode_batch"])
    time_s = {int(row[1]): row[3] for row in points["decode_batch"] if row[2] == shortest}
    largest = max(time_s)
    speed_up = largest * time_s[1] / time_s[largest]
    return f"{largest} jobs together are {speed_up:.3g} times as fast as one by one"
