"""What a block costs: parameters, memory and cache of presets against published numbers, and reading config.json."""

import json
import re

import pytest

from planner.inventory.hugging_face import shape_from_config
from planner.inventory.models import FAMILIES, Shape, derivation, preset, served_model
from system import InputError

# Parameters of the whole model as published with its weights; vocabulary, and how many matrices of it there are.
PUBLISHED = {
    "bloom_176b": (176_247_271_424, 250_880, 1),
    "falcon_40b": (41_303_293_952, 65_024, 1),
    "falcon_180b": (179_522_565_120, 65_024, 2),
    "gpt_neox_20b": (20_554_567_680, 50_432, 2),
    "llama2_7b": (6_738_415_616, 32_000, 2),
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
def test_blocks_and_the_rest_make_up_the_published_parameters(name):
    total, vocabulary, matrices = PUBLISHED[name]
    shape = preset(name)
    # A last norm; BLOOM has another after its embedding.
    last_norm = FAMILIES[shape.family].norm_vectors // 2 * (2 if name == "bloom_176b" else 1)
    rest = (matrices * vocabulary + last_norm) * shape.hidden_size
    assert shape.block_count * shape.block_parameters + rest == total


def test_every_preset_is_held_against_a_published_number():
    with pytest.raises(InputError) as caught:
        preset("unknown")
    assert set(str(caught.value).rsplit("there are ", maxsplit=1)[1].split(", ")) == set(PUBLISHED)


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
    shape, model = preset(name), served_model(preset(name), 2048, weights)
    assert shape.block_parameters == parameters
    assert model.block_memory_gb == pytest.approx(block_gb, abs=5e-5)
    assert model.cache_memory_gb == pytest.approx(2048 * cache_bytes_per_token / 1e9, rel=1e-12)
    assert model.prefill_gflop == pytest.approx(2 * parameters / 1e9)  # 4.93 for BLOOM, where the paper has F = 5
    assert model.decode_read_gb == model.block_memory_gb
    assert model.hidden_size == shape.hidden_size


def test_the_precisions_of_weights_and_cache_scale_what_they_are_about():
    shape = preset("llama3_8b")
    full, eighth, small_cache = (served_model(shape, 100, *choice) for choice in ((), ("int8",), ("16 bit", "8 bit")))
    assert eighth.block_memory_gb == pytest.approx(full.block_memory_gb / 2 * 1.01)
    assert eighth.cache_memory_gb == full.cache_memory_gb
    assert small_cache.cache_memory_gb == full.cache_memory_gb / 2
    assert small_cache.block_memory_gb == full.block_memory_gb
    assert (full.name, eighth.name) == ("llama3_8b", "llama3_8b_int8")


def test_the_derivation_shows_the_numbers_that_are_used():
    shape = preset("bloom_176b")
    text = "\n".join(derivation(shape, served_model(shape, 2048, "nf4"), "nf4", "16 bit"))
    for shown in (
        "70 blocks",
        "2,466,437,120",
        "4.25 bits",
        "1.323 GB",
        "57,344 B",
        "2,048 tokens: 0.1174 GB",
        "4.933",
    ):
        assert shown in text


LLAMA = {
    "model_type": "llama",
    "_name_or_path": "someone/Llama-2-70b-hf",
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 28672,
    "attention_bias": False,
    "vocab_size": 32000,
}
CONFIGS = {
    "llama2_70b": LLAMA,
    "mistral_7b": LLAMA
    | {
        "model_type": "mistral",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "intermediate_size": 14336,
        "sliding_window": 4096,
        "head_dim": 128,
    },
    "qwen2_5_72b": LLAMA | {"model_type": "qwen2", "intermediate_size": 29568},
    "bloom_176b": {"model_type": "bloom", "n_layer": 70, "n_embed": 14336, "num_attention_heads": 112, "n_inner": None},
    "gpt_neox_20b": {
        "model_type": "gpt_neox",
        "num_hidden_layers": 44,
        "hidden_size": 6144,
        "num_attention_heads": 64,
        "intermediate_size": 24576,
    },
    "falcon_180b": {
        "model_type": "falcon",
        "num_hidden_layers": 80,
        "hidden_size": 14848,
        "num_attention_heads": 232,
        "num_kv_heads": 8,
        "new_decoder_architecture": True,
        "bias": False,
    },
}


def config_file(folder, content):
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_config_of_hugging_face_gives_the_shape_of_the_preset(tmp_path, name):
    found, expected = shape_from_config(config_file(tmp_path, CONFIGS[name])), preset(name)
    assert found.block_parameters == expected.block_parameters
    assert found.cache_values_per_token == expected.cache_values_per_token
    assert (found.block_count, found.hidden_size) == (expected.block_count, expected.hidden_size)


def test_a_head_size_of_its_own_is_used_and_a_name_is_found(tmp_path):
    shape = shape_from_config(config_file(tmp_path, LLAMA | {"head_dim": 64}))
    assert shape.name == "Llama-2-70b-hf"
    assert shape.attention_parameters == preset("llama2_70b").attention_parameters / 2
    (tmp_path / "own-model").mkdir()
    without = {key: value for key, value in LLAMA.items() if key != "_name_or_path"}
    assert shape_from_config(config_file(tmp_path / "own-model", without)).name == "own-model"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mixtral"}, "config.json = mixtral: not understood; there are llama, mistral, "),
        ({"attention_bias": True}, "attention_bias in .*config.json = True: only False is understood"),
        ({"num_hidden_layers": None}, "num_hidden_layers or n_layer in .*config.json = None: must be a whole number"),
        ({"intermediate_size": "wide"}, "intermediate_size .*config.json = wide: must be a whole number"),
        ({"num_key_value_heads": 7}, r"heads of Llama-2-70b-hf = 64: must be a multiple of the 7 kv_heads"),
        ({"num_attention_heads": 48}, r"= 48: must divide the hidden size 8192"),
        ({"model_type": "falcon"}, "new_decoder_architecture = None: must be true in "),
    ],
)
def test_what_a_config_says_otherwise_is_refused_by_name(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        shape_from_config(config_file(tmp_path, LLAMA | change))


def test_what_is_no_config_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        shape_from_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        shape_from_config(tmp_path / "config.json")


def test_impossible_shapes_and_unknown_names_are_refused():
    with pytest.raises(InputError, match=re.escape("hidden_size of m = 0: must be a whole number of at least 1")):
        Shape("m", "llama", 2, 0, 4, 4, 8)
    with pytest.raises(InputError, match=r"family of m = lama: .*did you mean llama"):
        Shape("m", "lama", 2, 8, 4, 4, 8)
    with pytest.raises(InputError, match=r"model = llama2_7: .*did you mean llama2_7b"):
        preset("llama2_7")
    with pytest.raises(InputError, match="weights = fp4: must be one of 16 bit, int8, nf4"):
        served_model(preset("llama2_7b"), 2048, "fp4")
