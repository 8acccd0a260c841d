"""GPU profiles and the time model of footnote 2, compared with the published block times."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hardware_profiles.profile import GpuProfile, read_profile
from system import Composition, InputError, Placement, ServedModel, Servers, System

CONF = Path(__file__).parents[2] / "conf"
LENGTHS = {"bloom_176b": (1, 2000, 19), "llama2_7b": (1, 2048, 27)}  # x for 20 and 28 output tokens


def constants(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / "constants" / f"{name}.yaml").read_text())


def served_model(constants_name: str, model_name: str) -> ServedModel:
    """Return a model of conf/model with its constants filled in.

    Each ${constants.x.y} is replaced by its value, as Hydra does it.
    """

    def value(reference: re.Match[str]) -> str:
        entry = constants(constants_name)
        for key in reference[1].split("."):
            entry = entry[key]
        return str(entry)

    text = (CONF / "model" / f"{model_name}.yaml").read_text()
    fields = yaml.safe_load(re.sub(r"\$\{constants\.([\w.]+)\}", value, text))
    assert fields.pop("_target_") == "system.ServedModel"
    return ServedModel(**fields)


def gpu(name: str) -> GpuProfile:
    fields = read_profile(name)
    assert fields.pop("_target_") == "hardware_profiles.profile.GpuProfile"
    return GpuProfile(**fields)


def example_gpu(**changes: Any) -> GpuProfile:
    fields = {"memory_gb": 10, "prefill_tflops": 50, "bandwidth_gb_per_s": 200, "overhead_s": 0.002} | changes
    return GpuProfile(name="example", description="", source="", **fields)


@pytest.mark.parametrize(
    ("constants_name", "model_name", "fast_ms", "slow_ms", "rounding_ms"),
    [
        ("paper", "bloom_176b", 108.92, 175.18, 0.005),
        ("simulator", "bloom_176b", 89.69, 178.38, 0.005),
        ("paper", "llama2_7b", 19.49, 34.53, 0.005),
        ("simulator", "llama2_7b", 101.6, 202.2, 0.05),
    ],
)
def test_block_times_match_the_published_ones(constants_name, model_name, fast_ms, slow_ms, rounding_ms):
    model = served_model(constants_name, model_name)
    for speed, published_ms in (("fast", fast_ms), ("slow", slow_ms)):
        coefficients_s = gpu(constants(constants_name)[f"{speed}_profile"]).block_coefficients_s(model)
        assert np.dot(coefficients_s, LENGTHS[model_name]) * 1e3 == pytest.approx(published_ms, abs=rounding_ms)


def test_both_sets_of_constants_have_the_same_keys():
    def keys(tree: Any) -> Any:
        return {key: keys(value) for key, value in tree.items()} if isinstance(tree, dict) else None

    paper, simulator = constants("paper"), constants("simulator")
    assert keys(paper) == keys(simulator)
    assert [paper["name"], simulator["name"]] == ["paper", "simulator"]


@pytest.mark.parametrize(
    ("constants_name", "model_name", "bytes_per_token", "gb"),
    [
        ("simulator", "bloom_176b", 57_344, 1e9),
        ("paper", "llama2_7b", 16_384, 1e9),
        ("simulator", "llama2_7b", 16_384, 1e9),
        ("paper", "bloom_176b", 57_344, 2**30),  # the paper gives this one in GiB
    ],
)
def test_cache_memory_is_proportional_to_its_tokens(constants_name, model_name, bytes_per_token, gb):
    model = served_model(constants_name, model_name)
    assert model.cache_memory_gb == pytest.approx(model.cache_tokens * bytes_per_token / gb, rel=0.01)


def test_the_terms_of_footnote_2():
    model = ServedModel("example", 4, 1.0, 0.1, 128, prefill_gflop=3, decode_read_gb=0.5)
    # The terms are 2 ms, 3 GFLOP at 50 TFLOP/s, and 0.5 GB at 200 GB/s.
    assert example_gpu().block_coefficients_s(model) == pytest.approx((2e-3, 60e-6, 2.5e-3))


def test_first_token_is_the_prefill_of_every_block_and_one_round_trip():
    model, lengths = served_model("paper", "llama2_7b"), LENGTHS["llama2_7b"]
    fast = gpu("a100_3g_40gb")
    rtt_s, overhead_s = 0.025, 0.018
    servers = Servers(
        memory_gb=np.array([fast.memory_gb]),
        communication_s=np.array([[rtt_s + overhead_s, 0, rtt_s + overhead_s]]),
        block_s=np.array([fast.block_coefficients_s(model)]),
    )
    system = System(model, servers, arrival_rate_per_s=0.2, mean_job=lengths)
    one = np.array([1])
    whole = Composition.of_hops(system, Placement(one - 1, 32 * one), one - 1, 32 * one, np.array([0, 1]), one)
    prefill_s, decode_s = 0.001 + 0.405 / 120e3 * 2048, 0.4375 / 1020
    assert whole.mean_first_token_s[0] == pytest.approx(rtt_s + overhead_s + 32 * prefill_s)
    assert whole.mean_service_s[0] == pytest.approx(28 * (rtt_s + overhead_s) + 32 * (prefill_s + 27 * decode_s))


def test_measured_coefficients_replace_the_roofline():
    model = ServedModel("example", 4, 1.0, 0.1, 128, prefill_gflop=3, decode_read_gb=0.5)
    measured = example_gpu(measured_block_s={"example": [0.004, 1e-5, 3e-3]})
    other = example_gpu(measured_block_s={"another": [0.004, 1e-5, 3e-3]})
    assert measured.block_coefficients_s(model) == (0.004, 1e-5, 3e-3)
    assert other.block_coefficients_s(model) == example_gpu().block_coefficients_s(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_gb": 0}, "memory_gb = 0: must be a finite number above 0"),
        ({"overhead_s": -0.001}, "overhead_s = -0.001: must be a finite number, 0 or above"),
        ({"measured_block_s": {"m": [1, 2]}}, "measured_block_s.m = [1, 2]: must be 3 numbers"),
        ({"measured_block_s": {"m": [1, 2, -3]}}, "measured_block_s.m = [1, 2, -3]: must be 3 numbers of 0 or above"),
    ],
)
def test_profiles_refuse_impossible_numbers(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        example_gpu(**changes)


PROFILES = sorted(path.stem for path in (CONF.parent / "hardware_profiles").glob("*.yaml"))


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_be_read_and_has_a_source(name):
    profile = gpu(name)
    assert profile.name == name
    assert profile.description
    assert profile.source


def test_an_unknown_profile_is_refused_with_the_nearest_names_and_the_first_of_all():
    with pytest.raises(InputError, match=r"did you mean a100_3g_40gb or .*; there are a10, .*a100_2g_20gb, ") as caught:
        read_profile("a100_3g_40g")
    assert len(str(caught.value)) < 800
    with pytest.raises(InputError, match=r"did you mean m[1-5]_ultra or m[1-5]_ultra; "):
        read_profile("m7_ultra")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("memory_gb: 40", "memory: 40"), "own.yaml = ['memory']: unknown keys"),
        (("memory_gb: 40\n", ""), "own.yaml = ['memory_gb']: missing keys"),
        (("overhead_s: 0.001", "overhead_s: 1e3"), "overhead_s in own.yaml = 1e3: is read as text; write 1000"),
    ],
)
def test_a_wrong_profile_file_is_refused_by_name(tmp_path, change, message):
    text = (CONF.parent / "hardware_profiles" / "a100_3g_40gb.yaml").read_text()
    (tmp_path / "own.yaml").write_text(text)
    assert read_profile("own", tmp_path)["memory_gb"] == 40
    (tmp_path / "own.yaml").write_text(text.replace(*change))
    with pytest.raises(InputError, match=re.escape(message)):
        read_profile("own", tmp_path)
    (tmp_path / "own.yaml").write_text("- a list")
    with pytest.raises(InputError, match=r"own.yaml = list: must be a mapping"):
        read_profile("own", tmp_path)
