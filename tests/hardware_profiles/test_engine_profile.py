"""The profile of an engine from made-up measurements: its fit, its file, and what cannot be measured."""

from contextlib import contextmanager

import numpy as np
import pytest
import yaml

from hardware_profiles.measured import CONSTANTS
from hardware_profiles.profile import GpuProfile, engine_constants, read_profile
from hardware_profiles.profiler.__main__ import arguments, measure_profile
from hardware_profiles.profiler.document import text_of, write
from hardware_profiles.profiler.engines import measure
from hardware_profiles.profiler.engines.chains import chain_of
from hardware_profiles.profiler.engines.fit import fit_engine, shape_round_trips
from hardware_profiles.profiler.engines.profile import card, engine_profile
from hardware_profiles.profiler.engines.scope import EngineScope, Split
from hardware_profiles.profiler.engines.timing import SETTLED, mean_step_s
from serving.engines.llamacpp.plans import chain_plans
from serving.engines.llamacpp.settings import LlamaCpp
from system import InputError
from system.models.presets import preset

SMALL = preset("small_llama")
CURVE = {1: 0.25e-3, 2: 0.55e-3, 4: 0.7e-3}
TRUE = {"round_s": 0.4e-3, "hop_s": 0.1e-3, "head_s": 0.03e-3, "join_s": 2e-3, "shape_round_trips": 3.0}
ONCE_S, TOKEN_S = 0.2e-3, 0.1e-3
SCOPE = EngineScope(stacks=(4, 8, 16), servers=(1, 2), batches=(1, 2, 4), prompts=(16, 48), rounds=2)


def step_s(split, jobs):
    return TRUE["round_s"] + split.servers * TRUE["hop_s"] + jobs * TRUE["head_s"] + split.blocks * CURVE[jobs]


def prompt_s(split, tokens):
    host_s = TRUE["join_s"] + TRUE["round_s"] + split.servers * TRUE["hop_s"] + TRUE["head_s"]
    return host_s + split.blocks * (ONCE_S + TOKEN_S * tokens)


class MadeUp:
    """A chain that takes the times of the model."""

    def __init__(self, split, rtt_s):
        self.split, self.rtt_s = split, rtt_s

    def step_s(self, requests):
        return step_s(self.split, requests)

    def prompt_s(self, tokens):
        return prompt_s(self.split, tokens)

    def shape_s(self):
        same_s = step_s(self.split, 1) + self.rtt_s
        return same_s + TRUE["shape_round_trips"] * self.split.blocks * self.rtt_s, same_s


@pytest.fixture
def measured(monkeypatch):
    """Return the measurement of made-up chains."""
    monkeypatch.setattr(measure, "TimedEndpoint", lambda endpoint, vocabulary_size: endpoint)

    @contextmanager
    def start(layout, settings):
        composition = layout.composition()
        rtt_s = float(layout.system.servers.orchestrator_rtt_s[0])
        assert settings.emulate == ("rtt" if rtt_s else "nothing")
        assert composition.chains[0].capacity == 4
        chain = MadeUp(Split(layout.system.model.block_count, len(layout.system.servers)), rtt_s)
        yield measure.fleet.Chains((chain,), ({},), 500, ((),))

    return measure.measure_engine(SMALL, SCOPE, LlamaCpp(), start)


def test_the_fit_finds_the_constants_of_made_up_chains(measured):
    fit = measured.fit
    assert fit.constants == pytest.approx(TRUE, rel=1e-3, abs=1e-9)
    assert fit.batch_s == pytest.approx(CURVE, rel=1e-6)
    assert fit.block.coefficients_s == pytest.approx((ONCE_S, TOKEN_S, CURVE[1]), rel=1e-6)
    assert max(fit.block.report.values()) < 1e-6
    assert len(measured.points["engine_decode"]) == len(SCOPE.splits) * len(SCOPE.batches)


def test_noise_of_single_points_hardly_moves_a_prediction():
    rng = np.random.default_rng(5)
    splits = [*SCOPE.splits, Split(16, 4)]
    noisy = lambda value: value * rng.normal(1, 0.02)  # noqa: E731
    steps = [[*split, jobs, noisy(step_s(split, jobs))] for split in splits for jobs in CURVE]
    prompts = [[*split, tokens, noisy(prompt_s(split, tokens))] for split in splits for tokens in (16, 48, 96)]
    fit, unseen = fit_engine(steps, prompts, 0.0), Split(12, 3)
    constants = fit.constants
    predicted_s = constants["round_s"] + 3 * constants["hop_s"] + 4 * constants["head_s"] + 12 * fit.batch_s[4]
    assert predicted_s == pytest.approx(step_s(unseen, 4), rel=0.03)
    assert fit.block.report["decode_error"] < 0.03


def test_round_trips_of_new_shapes_are_never_below_none():
    assert shape_round_trips([[4, 0.25, 0.01], [4, 0.26, 0.02], [4, 9.0, 0.02]], 0.02) == pytest.approx(3)
    assert shape_round_trips([[4, 0.01, 0.02]], 0.02) == 0


def test_the_profile_can_be_read_and_gives_the_service_model_its_numbers(measured, tmp_path):
    about = {"device": "a CPU", "threads": 1}
    profile = engine_profile("mine", SMALL, measured, "measured by hand", about)
    write(tmp_path / "mine.yaml", profile, overwrite=False)
    fields = read_profile("mine", tmp_path)
    again = GpuProfile(**{key: value for key, value in fields.items() if key != "_target_"})
    assert again.measured_engine["small_llama"] == pytest.approx(TRUE, rel=1e-3, abs=1e-9)
    model = chain_of(Split(16, 2), SMALL, 4, 64).system.model
    assert again.block_coefficients_s(model) == pytest.approx((ONCE_S, TOKEN_S, CURVE[1]), rel=1e-4)
    ratios = {jobs: seconds / CURVE[1] for jobs, seconds in CURVE.items()}
    assert again.batch_curve(model) == pytest.approx(ratios, rel=1e-3)
    constants = engine_constants("mine", tmp_path)
    assert constants.pop("batch_curve") == pytest.approx(ratios, rel=1e-3)
    assert set(constants) == set(CONSTANTS)
    assert "decode_together: # blocks, jobs, median_s\n" in text_of(profile)
    assert "3 round trips per block" in "\n".join(card(profile, "small_llama"))


@pytest.mark.parametrize("change", [{"round_s": -1.0}, {"hop_s": "fast"}, {"speed": 1.0}])
def test_impossible_constants_of_an_engine_are_refused(change, measured, tmp_path):
    text = text_of(engine_profile("mine", SMALL, measured, "", {"device": "a CPU", "threads": 1}))
    content = yaml.safe_load(text)
    content["measured_engine"]["small_llama"] |= change
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=next(iter(change))):
        read_profile("mine", tmp_path)


def test_profiles_without_an_engine_have_no_constants():
    with pytest.raises(InputError, match="profile = cpu_one_thread: measured no engine; use python -m"):
        engine_constants("cpu_one_thread")


def test_steps_count_while_all_requests_decode():
    """Check two requests, of which one joins later.

    A client that reads two tokens at once changes nothing.
    """
    first = [0.1 * n for n in range(30)]
    second = [1.05 + 0.1 * n for n in range(30)]
    assert mean_step_s([first, second]) == pytest.approx(0.1)
    second[10] = second[9]
    assert mean_step_s([first, second]) == pytest.approx(0.1, rel=0.02)
    with pytest.raises(InputError, match="did not decode together"):
        mean_step_s([first, [9.0 + n for n in range(SETTLED + 2)]])


def test_chains_have_the_blocks_and_slots_that_are_timed():
    layout = chain_of(Split(16, 3), SMALL, 8, 100, 0.02)
    [plan] = chain_plans(layout, emulates_rtt=True)
    assert (plan.block_counts, plan.slots) == ([6, 5, 5], 8)
    assert [hop.rtt_s for hop in plan.hops] == [0.02] * 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--engine", "vllm"), "engine = vllm: must be one of llamacpp"),
        (("--engine", "llamacpp", "--model", "small_llama", "tiny_llama"), "an engine is measured with one model"),
        (("--engine", "llamacpp", "--stacks", "4"), "give two numbers of blocks, to fit a line"),
        (("--engine", "llamacpp", "--batches", "2", "4"), "must have 1, with which the others are compared"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(words, message, tmp_path):
    args = arguments(["--model", "small_llama", "--name", "mine", "--to", str(tmp_path / "mine.yaml"), *words])
    with pytest.raises(InputError, match=message):
        measure_profile(args, "these words", {"machine": {"processor": "a CPU", "system": "an OS"}, "commit": None})
