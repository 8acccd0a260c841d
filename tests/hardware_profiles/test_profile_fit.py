"""The fit of footnote 2 to known times, and the profile's file: no torch needed."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import yaml

from hardware_profiles.profile import GpuProfile, read_profile
from hardware_profiles.profiler.document import Measured, profile_of, text_of, write
from hardware_profiles.profiler.fit import BlockFit, fit_block, fit_relay, further_share
from hardware_profiles.profiler.points import Timing, measured
from hardware_profiles.profiler.scope import Scope
from store.disk.identity import identity_of
from system import InputError, ServedModel

ONCE_S, INPUT_S, OUTPUT_S = 2e-4, 1.3e-5, 6e-4
FITTED_S = (ONCE_S, 1e-5, OUTPUT_S)  # the second as Python writes it, 1e-05, would be text in YAML
LENGTHS = (32, 64, 128, 256, 512)
STACKS = (1, 2, 4)
MODEL = ServedModel("tiny", 6, 0.1, 0.01, 128, prefill_gflop=3, decode_read_gb=0.5)


def rows(time_s, at=LENGTHS, stacks=STACKS):
    """[blocks, at, median, P10, P90] of stacks whose time is that of a block times their blocks."""
    return [[m, n, m * time_s(n), 0.9 * m * time_s(n), 1.1 * m * time_s(n)] for m in stacks for n in at]


def prefill_s(n):
    return ONCE_S + INPUT_S * n


def fitted(prefill=prefill_s, decode=lambda n: OUTPUT_S, shortest=32, **where):
    return fit_block(rows(prefill, **where), rows(decode, **where), shortest)


def test_a_line_is_found_again_and_said_to_be_one():
    coefficients_s, report = fitted()
    assert coefficients_s == pytest.approx((ONCE_S, INPUT_S, OUTPUT_S))
    assert report["prefill_r2"] == pytest.approx(1)
    for name in ("prefill_error", "decode_error", "blocks_departure", "prefill_quadratic_s", "decode_context_s"):
        assert report[name] == pytest.approx(0, abs=1e-9)


def test_noise_scatters_the_estimates_around_the_truth():
    rng = np.random.default_rng(7)
    found = []
    for _ in range(300):
        noisy = np.array(rows(prefill_s))
        noisy[:, 2] *= 1 + 0.005 * rng.standard_normal(len(noisy))
        found.append(fit_block(noisy, rows(lambda n: OUTPUT_S), 32).coefficients_s[:2])
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - (ONCE_S, INPUT_S)) < 4 * error)


def test_the_fit_makes_relative_errors_small():
    """Squares of (t_o + t_I l) / time - 1: solved here by its normal equations."""
    lengths = np.array(LENGTHS, dtype=float)
    times_s = prefill_s(lengths) * (1.02, 0.97, 1.05, 0.99, 1.1)
    relative = np.column_stack([1 / times_s, lengths / times_s])
    expected = np.linalg.solve(relative.T @ relative, relative.T @ np.ones(lengths.size))
    found = fit_block([[1, n, t, 1, 1] for n, t in zip(lengths, times_s, strict=True)], rows(lambda n: OUTPUT_S), 32)
    assert found.coefficients_s[:2] == pytest.approx(tuple(expected))


def test_prompts_below_the_shortest_of_the_fit_do_not_count():
    flat_s = prefill_s(128)
    coefficients_s, _ = fitted(lambda n: max(flat_s, prefill_s(n)), shortest=128)
    assert coefficients_s[:2] == pytest.approx((ONCE_S, INPUT_S))
    assert fitted(lambda n: max(flat_s, prefill_s(n))).coefficients_s[0] > 2 * ONCE_S


def test_coefficients_are_never_negative():
    assert fitted(lambda n: 1e-7 * n**1.5).coefficients_s[0] == 0


def test_terms_that_the_model_leaves_out_are_told():
    curve, slope = 2e-9, 3e-8
    coefficients_s, report = fitted(lambda n: prefill_s(n) + curve * n**2, lambda n: OUTPUT_S + slope * n)
    assert report["prefill_quadratic_s"] == pytest.approx(curve)
    assert report["prefill_quadratic_error"] == pytest.approx(0, abs=1e-9)
    assert report["prefill_error"] > 0.001
    assert report["decode_context_s"] == pytest.approx(slope)
    # Contexts lie closer at the short end; the mean is over the range, not over the points.
    assert coefficients_s[2] == pytest.approx(OUTPUT_S + slope * (LENGTHS[0] + LENGTHS[-1]) / 2)


def test_a_cost_per_stack_is_a_departure_from_linearity_in_blocks():
    per_stack = [[m, n, prefill_s(n) * (m + 0.5), 1, 1] for m in STACKS for n in LENGTHS]
    departure = fit_block(per_stack, rows(lambda n: OUTPUT_S), 32).report["blocks_departure"]
    assert departure == pytest.approx(1 - (4.5 / 4) / 1.5)  # four blocks against four times one


def test_the_relay_is_a_time_per_hop_and_one_per_byte():
    relay = [[n, 2048 * n, 3e-4 + 8e-10 * 2048 * n, 1, 1] for n in (1, 32, 512)]
    assert fit_relay(relay) == pytest.approx((3e-4, 8e-10))


def test_further_jobs_of_a_batch_add_a_share_of_the_first():
    batches = [[1, jobs, n, n * 1e-5 * (1 + 0.2 * (jobs - 1)), 1, 1] for jobs in (1, 4, 16) for n in (32, 512)]
    assert further_share(batches) == pytest.approx(0.2)
    assert further_share([[1, 1, 32, 2e-3, 1, 1], [1, 4, 32, 1e-3, 1, 1]]) == 0


def test_points_are_timed_in_rounds_and_warm_ups_do_not_count():
    order = []
    points = [Timing("a", (n,), partial(order.append, n), runs_a_round=n) for n in (1, 2)]
    times_s = iter([9.0] * 3 + [1, 10, 11] + [2, 12, 13] + [3, 14, 15])

    def clock(run):
        run()
        return next(times_s)

    found = measured(points, clock, warm_up=1, rounds=3)
    assert order == [1, 2, 2] * 4
    assert found == {"a": [[1, 2, *np.quantile([1, 2, 3], (0.1, 0.9))], [2, 12.5, 10.5, 14.5]]}


def test_a_scope_measures_doubling_lengths_up_to_the_longest():
    assert Scope(longest=300).lengths == [32, 64, 128, 256, 300]
    assert Scope(stacks=(1,), batches=(1, 2)).cache_slot_count == 4 * 2  # four blocks at least, to take turns
    with pytest.raises(InputError, match=r"longest = 300: must be at least 512 tokens to fit a line"):
        Scope(shortest=256, longest=300)


def example(**changes):
    """A profile as the profiler makes it."""
    report = fitted().report
    points = {"prefill": rows(prefill_s), "decode": rows(lambda n: OUTPUT_S), "relay": [[1, 2048, 3e-4, 2e-4, 4e-4]]}
    found = Measured(BlockFit(FITTED_S, report), points, (3e-4, 8.1234567e-10))
    told = {"name": "mine", "description": "A CPU: 1 thread, #1", "source": "measured on 2026-11-23 by python -m x"}
    device = {"memory_gb": 25, "prefill_tflops": 0.0987654321, "bandwidth_gb_per_s": 31.25}
    return profile_of({"tiny": found}, told | device, {"versions": {"cuda": None, "python": "3.11"}} | changes)


def read(folder):
    """The profile `mine` as the project reads it."""
    fields = read_profile("mine", folder)
    assert fields.pop("_target_") == "hardware_profiles.profile.GpuProfile"
    return GpuProfile(**fields)


def test_a_profile_is_read_as_it_was_written(tmp_path):
    write(tmp_path / "mine.yaml", example(threads=1), overwrite=False)
    found = read(tmp_path)
    assert found.block_coefficients_s(MODEL) == pytest.approx(FITTED_S)
    assert found.overhead_s == pytest.approx(ONCE_S)
    assert found.measured_relay_s["tiny"] == pytest.approx((3e-4, 8.1234567e-10), rel=1e-4)
    for kind, points in example().measured_points["tiny"].items():
        np.testing.assert_allclose(found.measured_points["tiny"][kind], points, rtol=1e-4)
    assert (found.description, found.source) == (example().description, example().source)
    assert found.measured_on == {"versions": {"cuda": None, "python": "3.11"}, "threads": 1}
    assert text_of(found) == text_of(example(threads=1))


def test_a_line_that_fits_worse_than_the_mean_is_told_and_no_error(tmp_path):
    _, report = fitted(lambda n: prefill_s(LENGTHS[-1] - n))  # a longer prompt takes less: noise, where few were timed
    assert report["prefill_r2"] < 0
    write(tmp_path / "mine.yaml", replace(example(), fit_report={"tiny": report}), overwrite=False)
    assert read(tmp_path).fit_report["tiny"]["prefill_r2"] == pytest.approx(report["prefill_r2"], rel=1e-4)


def test_a_file_that_is_there_is_replaced_only_if_asked_for(tmp_path):
    path = tmp_path / "mine.yaml"
    write(path, example(), overwrite=False)
    with pytest.raises(InputError, match=r"mine.yaml: is there already; --overwrite replaces it"):
        write(path, example(), overwrite=False)
    write(path, example(), overwrite=True)
    with pytest.raises(InputError, match=r"mine.txt: must end in .yaml"):
        write(tmp_path / "mine.txt", example(), overwrite=False)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("measured_points", {"tiny": {"speed": []}}, "a kind in measured_points.tiny = speed: must be one of prefill"),
        ("measured_points", {"tiny": {"decode": [[1, 32, 1e-3]]}}, "decode = array of shape (1, 3): must be rows of"),
        ("measured_points", {"tiny": {"decode": [[1, 32, 3e-3, 4e-3, 5e-3]]}}, "decode[0] = [1.0, 32.0, 0.003"),
        ("measured_points", {"tiny": {"relay": [[1, 2, "x", 1, 1]]}}, "relay = [[1, 2, 'x', 1, 1]]: must be an array"),
        ("measured_points", [1], "measured_points = [1]: must be a mapping of names"),
        ("measured_points", {"tiny": [1]}, "measured_points.tiny = [1]: must be a mapping"),
        ("measured_relay_s", {"tiny": [1.0]}, "measured_relay_s.tiny = [1.0]: must be 2 numbers: s per hop, s per"),
        ("measured_block_s", {"tiny": [1.0]}, "measured_block_s.tiny = [1.0]: must be 3 numbers"),
        (
            "fit_report",
            {"tiny": {"prefill_error": "small"}},
            "fit_report.tiny = ['small']: must be an array of numbers",
        ),
        ("fit_report", {"tiny": {"prefill_error": -0.1}}, "fit_report.tiny.prefill_error = -0.1: must be"),
    ],
)
def test_a_wrong_entry_is_named(field, value, message):
    fields = {"memory_gb": 10, "prefill_tflops": 50, "bandwidth_gb_per_s": 200, "overhead_s": 0.002, field: value}
    with pytest.raises(InputError, match=re.escape(message)):
        GpuProfile(name="example", description="", source="", **fields)


def test_when_and_with_what_it_was_measured_is_no_part_of_a_points_identity():
    def identity(found):
        return identity_of({"cluster": yaml.safe_load(text_of(found))}).point

    assert identity(example(commit="a")) == identity(example(commit="b"))
    slower = example()
    slower.measured_block_s["tiny"] = (1.0, 1.0, 1.0)
    assert identity(slower) != identity(example())
