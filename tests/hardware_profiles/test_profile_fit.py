"""The fit of footnote 2 to known times, and the profile's file. Needs no torch."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import yaml

from hardware_profiles.profile import GpuProfile, read_profile
from hardware_profiles.profiler.document import MeasuredModel, profile_of, text_of, write
from hardware_profiles.profiler.fit import BlockFit, fit_block, fit_relay, further_share
from hardware_profiles.profiler.points import Timing, time_points
from hardware_profiles.profiler.scope import Scope
from store.disk.identity import identity_of
from system import InputError, ServedModel

ONCE_S, INPUT_S, OUTPUT_S = 2e-4, 1.3e-5, 6e-4
FITTED_S = (ONCE_S, 1e-5, OUTPUT_S)  # YAML would read 1e-05, as Python prints the second one, as text
LENGTHS = (32, 64, 128, 256, 512)
STACKS = (1, 2, 4)
MODEL = ServedModel("tiny", 6, 0.1, 0.01, 128, prefill_gflop=3, decode_read_gb=0.5)


def rows(time_s, lengths=LENGTHS, stacks=STACKS):
    """Return rows [blocks, length, median, P10, P90].

    Their times are proportional to the blocks.
    """
    return [[m, n, m * time_s(n), 0.9 * m * time_s(n), 1.1 * m * time_s(n)] for m in stacks for n in lengths]


def prefill_s(n):
    return ONCE_S + INPUT_S * n


def fitted(prefill=prefill_s, decode=lambda n: OUTPUT_S, shortest=32):
    return fit_block(rows(prefill), rows(decode), shortest)


def test_exact_lines_are_recovered_with_a_perfect_report():
    coefficients_s, report = fitted()
    assert coefficients_s == pytest.approx((ONCE_S, INPUT_S, OUTPUT_S))
    assert report["prefill_r2"] == pytest.approx(1)
    for name in ("prefill_error", "decode_error", "blocks_departure", "prefill_quadratic_s", "decode_context_s"):
        assert report[name] == pytest.approx(0, abs=1e-9)


def test_noise_scatters_the_estimates_around_the_truth():
    rng = np.random.default_rng(7)
    estimates = []
    for _ in range(300):
        noisy = np.array(rows(prefill_s))
        noisy[:, 2] *= 1 + 0.005 * rng.standard_normal(len(noisy))
        estimates.append(fit_block(noisy, rows(lambda n: OUTPUT_S), 32).coefficients_s[:2])
    error = np.std(estimates, axis=0, ddof=1) / np.sqrt(len(estimates))
    assert np.all(np.abs(np.mean(estimates, axis=0) - (ONCE_S, INPUT_S)) < 4 * error)


def test_the_fit_minimises_relative_errors():
    """Compare the fit with the solution of the normal equations.

    The squares are those of (t_o + t_I l) / time - 1.
    """
    lengths = np.array(LENGTHS, dtype=float)
    times_s = prefill_s(lengths) * (1.02, 0.97, 1.05, 0.99, 1.1)
    relative = np.column_stack([1 / times_s, lengths / times_s])
    expected = np.linalg.solve(relative.T @ relative, relative.T @ np.ones(lengths.size))
    fit = fit_block([[1, n, t, 1, 1] for n, t in zip(lengths, times_s, strict=True)], rows(lambda n: OUTPUT_S), 32)
    assert fit.coefficients_s[:2] == pytest.approx(tuple(expected))


def test_prompts_shorter_than_the_fits_shortest_are_ignored():
    flat_s = prefill_s(128)
    coefficients_s, _ = fitted(lambda n: max(flat_s, prefill_s(n)), shortest=128)
    assert coefficients_s[:2] == pytest.approx((ONCE_S, INPUT_S))
    assert fitted(lambda n: max(flat_s, prefill_s(n))).coefficients_s[0] > 2 * ONCE_S


def test_coefficients_are_never_negative():
    assert fitted(lambda n: 1e-7 * n**1.5).coefficients_s[0] == 0


def test_terms_that_the_model_leaves_out_are_reported():
    curve, slope = 2e-9, 3e-8
    coefficients_s, report = fitted(lambda n: prefill_s(n) + curve * n**2, lambda n: OUTPUT_S + slope * n)
    assert report["prefill_quadratic_s"] == pytest.approx(curve)
    assert report["prefill_quadratic_error"] == pytest.approx(0, abs=1e-9)
    assert report["prefill_error"] > 0.001
    assert report["decode_context_s"] == pytest.approx(slope)
    # Contexts are closer together at the short end, but the mean is over the range and not over the points.
    assert coefficients_s[2] == pytest.approx(OUTPUT_S + slope * (LENGTHS[0] + LENGTHS[-1]) / 2)


def test_a_cost_per_stack_is_a_departure_from_linearity_in_blocks():
    per_stack = [[m, n, prefill_s(n) * (m + 0.5), 1, 1] for m in STACKS for n in LENGTHS]
    departure = fit_block(per_stack, rows(lambda n: OUTPUT_S), 32).report["blocks_departure"]
    assert departure == pytest.approx(1 - (4.5 / 4) / 1.5)  # time per block of four blocks and of one


def test_the_relay_is_a_time_per_hop_and_one_per_byte():
    relay = [[n, 2048 * n, 3e-4 + 8e-10 * 2048 * n, 1, 1] for n in (1, 32, 512)]
    assert fit_relay(relay) == pytest.approx((3e-4, 8e-10))


def test_further_jobs_of_a_batch_add_a_share_of_the_first():
    batches = [[1, jobs, n, n * 1e-5 * (1 + 0.2 * (jobs - 1)), 1, 1] for jobs in (1, 4, 16) for n in (32, 512)]
    assert further_share(batches) == pytest.approx(0.2)
    assert further_share([[1, 1, 32, 2e-3, 1, 1], [1, 4, 32, 1e-3, 1, 1]]) == 0


def test_points_are_timed_in_rounds_and_warm_ups_do_not_count():
    order = []
    points = [Timing("a", (n,), partial(order.append, n), runs_per_round=n) for n in (1, 2)]
    times_s = iter([9.0] * 3 + [1, 10, 11] + [2, 12, 13] + [3, 14, 15])

    def clock(run):
        run()
        return next(times_s)

    timed = time_points(points, clock, warm_up=1, rounds=3)
    assert order == [1, 2, 2] * 4
    assert timed == {"a": [[1, 2, *np.quantile([1, 2, 3], (0.1, 0.9))], [2, 12.5, 10.5, 14.5]]}


def test_a_scope_measures_doubling_lengths_up_to_the_longest():
    assert Scope(longest=300).lengths == [32, 64, 128, 256, 300]
    assert (
        Scope(stacks=(1,), batches=(1, 2)).cache_slot_count == 4 * 2
    )  # there are at least four blocks, which take turns
    with pytest.raises(InputError, match=r"longest = 300: must be at least 512 tokens to fit a line"):
        Scope(shortest=256, longest=300)


def example(**changes):
    """Return a profile as the profiler makes it."""
    report = fitted().report
    points = {"prefill": rows(prefill_s), "decode": rows(lambda n: OUTPUT_S), "relay": [[1, 2048, 3e-4, 2e-4, 4e-4]]}
    model = MeasuredModel(BlockFit(FITTED_S, report), points, (3e-4, 8.1234567e-10))
    names = {"name": "mine", "description": "A CPU: 1 thread, #1", "source": "measured on 2026-11-23 by python -m x"}
    rates = {"memory_gb": 25, "prefill_tflops": 0.0987654321, "bandwidth_gb_per_s": 31.25}
    return profile_of({"tiny": model}, names | rates, {"versions": {"cuda": None, "python": "3.11"}} | changes)


def read(folder):
    """Return the profile `mine` as the project reads it."""
    fields = read_profile("mine", folder)
    assert fields.pop("_target_") == "hardware_profiles.profile.GpuProfile"
    return GpuProfile(**fields)


def test_a_profile_is_read_as_it_was_written(tmp_path):
    write(tmp_path / "mine.yaml", example(threads=1), overwrite=False)
    profile = read(tmp_path)
    assert profile.block_coefficients_s(MODEL) == pytest.approx(FITTED_S)
    assert profile.overhead_s == pytest.approx(ONCE_S)
    assert profile.measured_relay_s["tiny"] == pytest.approx((3e-4, 8.1234567e-10), rel=1e-4)
    for kind, points in example().measured_points["tiny"].items():
        np.testing.assert_allclose(profile.measured_points["tiny"][kind], points, rtol=1e-4)
    assert (profile.description, profile.source) == (example().description, example().source)
    assert profile.measured_on == {"versions": {"cuda": None, "python": "3.11"}, "threads": 1}
    assert text_of(profile) == text_of(example(threads=1))


def test_a_negative_r_squared_is_reported_and_no_error(tmp_path):
    _, report = fitted(lambda n: prefill_s(LENGTHS[-1] - n))  # longer prompts take less time, as noise can make it look
    assert report["prefill_r2"] < 0
    write(tmp_path / "mine.yaml", replace(example(), fit_report={"tiny": report}), overwrite=False)
    assert read(tmp_path).fit_report["tiny"]["prefill_r2"] == pytest.approx(report["prefill_r2"], rel=1e-4)


def test_an_existing_file_is_replaced_only_with_overwrite(tmp_path):
    path = tmp_path / "mine.yaml"
    write(path, example(), overwrite=False)
    with pytest.raises(InputError, match=r"mine.yaml: exists already; use --overwrite to replace it"):
        write(path, example(), overwrite=False)
    write(path, example(), overwrite=True)
    with pytest.raises(InputError, match=r"mine.txt: must end in .yaml"):
        write(tmp_path / "mine.txt", example(), overwrite=False)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("measured_points", {"tiny": {"speed": []}}, "a kind in measured_points.tiny = speed: must be one of prefill"),
        (
            "measured_points",
            {"tiny": {"decode": [[1, 32, 1e-3, 1e-3]]}},
            "decode = [[1, 32, 0.001, 0.001]]: must be rows",
        ),
        ("measured_points", {"tiny": {"decode": [[1, 32, 3e-3, 4e-3, 5e-3]]}}, "decode[0] = [1.0, 32.0, 0.003"),
        (
            "measured_points",
            {"tiny": {"relay": [[1, 2, "x", 1, 1]]}},
            "relay = [[1, 2, 'x', 1, 1]]: must be rows",
        ),
        ("measured_points", [1], "measured_points = [1]: must be a mapping of names"),
        ("measured_points", {"tiny": [1]}, "measured_points.tiny = [1]: must be a mapping"),
        (
            "measured_relay_s",
            {"tiny": [1.0]},
            "measured_relay_s.tiny = [1.0]: must be 2 numbers of 0 or above",
        ),
        ("measured_block_s", {"tiny": [1.0]}, "measured_block_s.tiny = [1.0]: must be 3 numbers"),
        (
            "fit_report",
            {"tiny": {"prefill_error": "small"}},
            "fit_report.tiny.prefill_error = small: must be a finite number, 0 or above",
        ),
        ("fit_report", {"tiny": {"prefill_error": -0.1}}, "fit_report.tiny.prefill_error = -0.1: must be"),
    ],
)
def test_a_wrong_entry_of_a_profile_is_named(field, value, message):
    fields = {"memory_gb": 10, "prefill_tflops": 50, "bandwidth_gb_per_s": 200, "overhead_s": 0.002, field: value}
    with pytest.raises(InputError, match=re.escape(message)):
        GpuProfile(name="example", description="", source="", **fields)


def test_the_circumstances_of_a_measurement_are_not_part_of_a_points_identity():
    def identity(profile):
        return identity_of({"cluster": yaml.safe_load(text_of(profile))}).point

    assert identity(example(commit="a")) == identity(example(commit="b"))
    slower = example()
    slower.measured_block_s["tiny"] = (1.0, 1.0, 1.0)
    assert identity(slower) != identity(example())
