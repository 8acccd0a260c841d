"""Precisions: sizes of published files, names in every spelling, and caches."""

import pytest

from system import InputError
from system.models.decoder import served_model
from system.models.precisions import (
    CACHES,
    GGUF_8B,
    WEIGHTS,
    cache_precision,
    known_cache,
    known_weights,
    weight_precision,
)
from system.models.presets import preset

# Sizes in GB of files of LLaMA-3.1-70B, by bartowski (Meta-Llama-3.1-70B-Instruct-GGUF on Hugging Face).
FILES_70B_GB = {
    "q8_0": 74.98,
    "q6_k": 57.89,
    "q5_k_m": 49.95,
    "q5_k_s": 48.66,
    "q4_k_m": 42.52,
    "q4_k_s": 40.35,
    "q4_0": 40.12,
    "iq4_xs": 37.90,
    "q3_k_l": 37.14,
    "q3_k_m": 34.27,
    "iq3_m": 31.94,
    "q3_k_s": 30.91,
}
# Sizes in GiB of files of LLaMA-3-8B that `llama-quantize --help` states.
FILES_8B_GIB = {"q4_0": 4.34, "q4_1": 4.78, "q5_0": 5.21, "q5_1": 5.65}


# Sizes in GB of files in Q4_K_M of other families, as the library of Ollama lists them.
FILES_Q4_K_M_GB = {
    "deepseek_r1": 404,
    "llama3_1_405b": 243,
    "qwen3_235b_a22b": 142,
    "qwen2_5_14b": 8.988,
    "qwen2_5_7b": 4.683,
    "qwen3_32b": 20,
}


@pytest.mark.parametrize("name", FILES_Q4_K_M_GB)
def test_files_of_other_families_have_their_size(name):
    assert preset(name).weight_bytes("q4_k_m") / 1e9 == pytest.approx(FILES_Q4_K_M_GB[name], rel=0.015)


@pytest.mark.parametrize("weights", FILES_70B_GB)
def test_files_of_70b_have_their_size(weights):
    """Compare with files of another model."""
    size_gb = preset("llama3_1_70b").weight_bytes(weights) / 1e9
    assert size_gb == pytest.approx(FILES_70B_GB[weights], rel=0.013 if weights == "iq4_xs" else 0.006)


@pytest.mark.parametrize("weights", GGUF_8B)
def test_files_of_8b_have_the_stated_bits(weights):
    decoder = preset("llama3_1_8b")
    assert 8 * decoder.weight_bytes(weights) / decoder.parameters == pytest.approx(GGUF_8B[weights][0], rel=1e-3)
    if weights in FILES_8B_GIB:
        assert decoder.weight_bytes(weights) / 2**30 == pytest.approx(FILES_8B_GIB[weights], rel=0.003)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_parts_of_a_model_add_up_to_all_of_its_weights(weights):
    decoder = preset("qwen3_14b")
    model = served_model(decoder, 100, weights)
    parts_gb = decoder.block_count * model.block_memory_gb + model.embedding_gb + model.head_gb
    assert parts_gb == pytest.approx(decoder.weight_bytes(weights) / 1e9)
    assert model.name == ("qwen3_14b" if weights == "16 bit" else f"qwen3_14b_{weights}")


def test_the_size_of_a_file_decides():
    decoder = preset("llama3_3_70b")
    model = served_model(decoder, 100, "q4_k_m", file_gb=42.5)
    assert 80 * model.block_memory_gb + model.embedding_gb + model.head_gb == pytest.approx(42.5)
    assert model.decode_read_gb == model.block_memory_gb
    tied = served_model(preset("llama3_2_3b"), 100, "q8_0", file_gb=3.42)
    assert 28 * tied.block_memory_gb + tied.embedding_gb == pytest.approx(3.42)  # the head is in it once
    assert tied.embedding_gb == tied.head_gb


def test_a_checkpoint_in_4_bits_keeps_embedding_and_head_in_16():
    model = served_model(preset("llama3_70b"), 100, "nf4")
    assert model.embedding_gb == model.head_gb == pytest.approx(2 * 128_256 * 8192 / 1e9)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Q4_K_M", "q4_k_m"),
        ("q4-k-m", "q4_k_m"),
        ("IQ1_S", "iq1_s"),
        ("AWQ", "awq"),
        ("GPTQ-Int4", "gptq"),
        ("FP8", "fp8"),
        ("MXFP4", "mxfp4"),
        ("INT4", "w4a16"),
        ("fp16", "16 bit"),
        ("bf16", "16 bit"),
        ("16-bit", "16 bit"),
        ("f32", "float32"),
        ("NF4", "nf4"),
        ("mlx-4bit", "mlx_4bit"),
        ("gptq_8bit_g32", "gptq_8bit_g32"),
    ],
)
def test_names_of_weights_are_understood_in_every_spelling(written, name):
    assert known_weights("weights", written) == name


def test_names_of_caches_are_understood_in_every_spelling():
    written = {"f16": "16 bit", "Q8_0": "q8_0", "q4-0": "q4_0", "FP8": "fp8", "8-bit": "8 bit", "F32": "float32"}
    assert {name: known_cache("cache", name) for name in written} == written
    bits = {name: 8 * cache_precision(name).value_bytes for name in CACHES}
    assert bits == {"16 bit": 16, "8 bit": 8, "float32": 32, "q8_0": 8.5, "q4_0": 4.5, "fp8": 8}


def test_bits_of_groups_follow_from_their_size():
    assert 8 * weight_precision("awq").value_bytes == 4.25
    assert 8 * weight_precision("gptq_8bit_g32").value_bytes == 9
    assert weight_precision("gptq_4bit_g128").value_bytes == weight_precision("gptq").value_bytes
    assert weight_precision("mlx_4bit_g64").value_bytes == weight_precision("mlx_4bit").value_bytes


@pytest.mark.parametrize(
    ("weights", "scheme"),
    [("q4_k_m", "gguf"), ("nf4", "bitsandbytes"), ("awq", "awq"), ("gptq_8bit_g32", "gptq"), ("16 bit", "")],
)
def test_each_precision_states_whose_files_have_it(weights, scheme):
    assert weight_precision(weights).scheme == scheme


def test_unknown_precisions_are_refused_with_near_ones():
    with pytest.raises(InputError, match="weights = q4_k: unknown; did you mean q4_k_s or q4_k_m"):
        known_weights("weights", "q4_k")
    for written in ("4 bit", "4-bit", "Q4"):
        with pytest.raises(InputError, match=f"weights = {written}: names no scheme; write q4_k_m for a file of GGUF"):
            known_weights("weights", written)
    with pytest.raises(InputError, match="cache = nf4: unknown; choose one of 16 bit, 8 bit"):
        known_cache("cache", "nf4")
