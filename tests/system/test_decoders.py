"""Decoders: parameters, memory and cache of a block against published numbers and those of `conf/model`."""

import re
from dataclasses import replace

import pytest

from system import InputError, ServedModel
from system.models.decoder import Decoder, served_model
from system.models.families import FAMILIES
from system.models.presets import preset
from tests.support.project import case_of, choices

# Parameters of the whole model as published with its weights; vocabulary, and how many matrices of it there are.
PUBLISHED = {
    "bloom_176b": (176_247_271_424, 250_880, 1),
    "falcon_40b": (41_303_293_952, 65_024, 1),
    "falcon_180b": (179_522_565_120, 65_024, 2),
    "gpt_neox_20b": (20_554_567_680, 50_432, 2),
    "llama2_7b": (6_738_415_616, 32_000, 2),
    "llama1_30b": (32_528_943_616, 32_000, 2),
    "llama2_13b": (13_015_864_320, 32_000, 2),
    "llama2_70b": (68_976_648_192, 32_000, 2),
    "llama3_8b": (8_030_261_248, 128_256, 2),
    "llama3_70b": (70_553_706_496, 128_256, 2),
    "llama3_405b": (405_853_388_800, 128_256, 2),
    "mistral_7b": (7_241_732_096, 32_000, 2),
    "mistral_large_123b": (122_610_069_504, 32_768, 2),
    "qwen2_5_7b": (7_615_616_512, 152_064, 2),
    "qwen2_5_14b": (14_770_033_664, 152_064, 2),
    "qwen2_5_32b": (32_763_876_352, 152_064, 2),
    "qwen2_5_72b": (72_706_203_648, 152_064, 2),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_blocks_and_the_rest_add_up_to_the_published_parameters(name):
    total, vocabulary, matrices = PUBLISHED[name]
    decoder = preset(name)
    # A last norm; BLOOM has another after its embedding.
    last_norm = FAMILIES[decoder.family].norm_vectors // 2 * (2 if name == "bloom_176b" else 1)
    rest = (matrices * vocabulary + last_norm) * decoder.hidden_size
    assert decoder.block_count * decoder.block_parameters + rest == total
    assert decoder.vocabulary_size == vocabulary
    assert decoder.has_tied_head == (matrices == 1)


@pytest.mark.parametrize(
    ("name", "weights", "parameters", "block_gb", "cache_bytes_per_token"),
    [
        ("llama2_7b", "16 bit", 202_383_360, 0.40476672, 16_384),
        ("llama2_7b", "nf4", 202_383_360, 0.1086, 16_384),
        ("bloom_176b", "16 bit", 2_466_437_120, 4.93287424, 57_344),
        ("bloom_176b", "nf4", 2_466_437_120, 1.3234, 57_344),
    ],
)
def test_costs_of_a_block_are_the_known_ones(name, weights, parameters, block_gb, cache_bytes_per_token):
    decoder, model = preset(name), served_model(preset(name), 2048, weights)
    assert decoder.block_parameters == parameters
    assert model.block_memory_gb == pytest.approx(block_gb, abs=5e-5)
    assert model.cache_memory_gb == pytest.approx(2048 * cache_bytes_per_token / 1e9, rel=1e-12)
    assert model.prefill_gflop == pytest.approx(2 * parameters / 1e9)  # 4.93 for BLOOM, where the paper has F = 5
    assert model.decode_read_gb == model.block_memory_gb
    assert model.hidden_size == decoder.hidden_size


def test_precisions_of_weights_and_cache_scale_their_own_memory_only():
    decoder = preset("llama3_8b")
    full, eighth, small_cache = (served_model(decoder, 100, *choice) for choice in ((), ("int8",), ("16 bit", "8 bit")))
    assert eighth.block_memory_gb == pytest.approx(full.block_memory_gb / 2 * 1.01)
    assert eighth.cache_memory_gb == full.cache_memory_gb
    assert small_cache.cache_memory_gb == full.cache_memory_gb / 2
    assert small_cache.block_memory_gb == full.block_memory_gb
    assert (full.name, eighth.name) == ("llama3_8b", "llama3_8b_int8")
    exact = served_model(decoder, 100, "float32", "float32")
    assert exact.block_memory_gb == 2 * full.block_memory_gb
    assert exact.cache_memory_gb == 2 * full.cache_memory_gb


# Models of `conf/model`

NUMBERS = ("block_memory_gb", "cache_memory_gb", "prefill_gflop", "decode_read_gb")
# What each set of constants states, over what follows from the decoder, less 1.
DEVIATIONS = {
    ("bloom_176b", "paper"): {
        "block_memory_gb": -0.0026,  # 1.32 GB is 1.3234 GB, rounded
        "cache_memory_gb": -0.0634,  # 0.11 is 0.109 GiB, rounded, and taken for GB
        "prefill_gflop": 0.0136,  # 5 is 4.93, rounded
        "decode_read_gb": -0.0026,
    },
    ("bloom_176b", "simulator"): {
        "block_memory_gb": -0.0026,
        "cache_memory_gb": -0.0000,
        "prefill_gflop": 0.0136,
        "decode_read_gb": -0.0026,
    },
    ("llama2_7b", "paper"): {
        "block_memory_gb": 0.0809,  # 14 GB / 32, which shares out embedding and head, too, and rounds up
        "cache_memory_gb": 0.0014,  # 0.0336 is 0.03355, rounded
        "prefill_gflop": 0.0006,  # 0.405 is 0.4048, rounded
        "decode_read_gb": 0.0809,
    },
    ("llama2_7b", "simulator"): {
        "block_memory_gb": 0.0809,
        "cache_memory_gb": 0.0014,
        "prefill_gflop": 11.3528,  # BLOOM's 5 GFLOP
        "decode_read_gb": 2.2611,  # BLOOM's 1.32 GB
    },
}
WEIGHTS = {"bloom_176b": "nf4", "llama2_7b": "16 bit"}


@pytest.mark.parametrize(("name", "constants"), sorted(DEVIATIONS))
def test_published_constants_deviate_from_the_derived_ones_only_as_stated(name, constants):
    stated = case_of(f"model={name}", f"constants={constants}", "network=european")["model"]
    derived = served_model(preset(name), stated["cache_tokens"], WEIGHTS[name])
    assert (stated["name"], stated["block_count"]) == (name, derived.block_count)
    assert stated["hidden_size"] == derived.hidden_size
    deviations = {field: stated[field] / getattr(derived, field) - 1 for field in NUMBERS}
    assert deviations == pytest.approx(DEVIATIONS[name, constants], abs=5e-5)


# Committed results have them in their identity.
TINY = {
    "tiny_llama": (6, 0.011603968, 0.000524288, 256, 0.005801984, 0.011603968, 512),
    "tiny_bloom": (6, 0.007097856, 0.000786432, 256, 0.003548928, 0.007097856, 384),
}


@pytest.mark.parametrize("name", sorted(TINY))
def test_numbers_of_the_tiny_models_are_derived_and_those_of_stored_points(name):
    model = case_of(f"model={name}", "network=european")["model"]
    assert tuple(model.values()) == ("system.ServedModel", name, *TINY[name])
    assert all(type(model[field]) is int for field in ("block_count", "cache_tokens", "hidden_size"))
    longer = case_of(f"model={name}", "model.cache_tokens=512", "network=european")["model"]
    assert longer == model | {"cache_tokens": 512, "cache_memory_gb": 2 * model["cache_memory_gb"]}


OF_PRESETS = {"llama1_30b": 1024, "llama2_70b": 1024, "small_llama": 256}  # tokens of a cache slot


@pytest.mark.parametrize("name", OF_PRESETS)
def test_models_in_16_bit_are_those_of_their_presets(name):
    model = case_of(f"model={name}", "network=european")["model"]
    assert ServedModel(**{key: value for key, value in model.items() if key != "_target_"}) == replace(
        served_model(preset(name), OF_PRESETS[name]), embedding_gb=0.0, head_gb=0.0
    )


def test_every_model_of_the_configuration_is_compared_with_its_decoder():
    assert set(choices("model")) == {*TINY, *OF_PRESETS, *(name for name, _ in DEVIATIONS)}


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 0}, "hidden_size of m = 0: must be a whole number of at least 1"),
        ({"block_count": 1.5}, "block_count of m = 1.5: must be a whole number of at least 1"),
        ({"head_size": -1}, "head_size of m = -1: must be a whole number of at least 1"),
        ({"vocabulary_size": 0}, "vocabulary_size of m = 0: must be a whole number of at least 1"),
        ({"norm_epsilon": 0}, "norm_epsilon of m = 0: must be a finite number above 0"),
        ({"rope_theta": -1}, "rope_theta of m = -1: must be a finite number above 0"),
        ({"family": "lama"}, r"family of m = lama: unknown; did you mean llama\? Choose one of bloom, "),
        ({"head_count": 6}, "head_count of m = 6: must divide hidden_size = 32, unless head_size is given"),
        ({"kv_head_count": 3}, "kv_head_count of m = 3: must divide head_count = 4"),
    ],
)
def test_impossible_decoders_are_refused(change, message):
    fields = {"name": "m", "family": "llama", "block_count": 2, "hidden_size": 32, "head_count": 4, "kv_head_count": 2}
    with pytest.raises(InputError, match=message):
        Decoder(**fields | {"intermediate_size": 8} | change)


def test_a_head_size_need_not_divide_the_hidden_size():
    decoder = Decoder("m", "llama", 2, 32, 6, 2, 8, head_size=4)
    assert decoder.attention_parameters == 32 * 4 * (6 + 6 + 2 + 2)


def test_unknown_presets_and_precisions_are_refused():
    with pytest.raises(InputError, match=re.escape("model = llama2_7: unknown; did you mean llama2_7b or llama2_70b?")):
        preset("llama2_7")
    with pytest.raises(InputError, match=r"weights = fp4: unknown; did you mean .*nvfp4.* Choose one of 16 bit, awq"):
        served_model(preset("llama2_7b"), 2048, "fp4")
    with pytest.raises(InputError, match="cache = nf4: unknown; choose one of 16 bit, 8 bit"):
        served_model(preset("llama2_7b"), 2048, cache="nf4")
