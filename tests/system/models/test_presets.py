"""Presets: all parameters, those that a token uses, and sizes of checkpoints against what was published."""

import pytest

from system import InputError
from system.models.presets import all_presets, preset
from tests.system.test_decoders import PUBLISHED as OLDER

# Parameters in billions, as far as they were published, and the source.
HUB = "total of the safetensors on Hugging Face"
LLAMA = "Llama 3 (arXiv 2407.21783) and model cards"
GEMMA = "Gemma 3 Technical Report (arXiv 2503.19786), Table 1: embedding and non-embedding parameters"
PUBLISHED = {
    "llama3_1_8b": (8.03, HUB),
    "llama3_1_70b": (70.6, HUB),
    "llama3_1_405b": (405.9, LLAMA),
    "llama3_2_1b": (1.23, LLAMA),
    "llama3_2_3b": (3.21, LLAMA),
    "llama3_3_70b": (70.6, HUB),
    "mistral_nemo_12b": (12.2, HUB),
    "mistral_small_24b": (23.6, HUB),
    "qwen2_5_0_5b": (0.494, HUB),
    "qwen2_5_1_5b": (1.54, HUB),
    "qwen2_5_3b": (3.09, HUB),
    "qwen3_0_6b": (0.596, "Qwen3-0.6B on Hugging Face: .44 B without the embedding"),
    "qwen3_1_7b": (1.72, "Qwen3-1.7B on Hugging Face: 1.4 B without the embedding"),
    "qwen3_4b": (4.02, HUB),
    "qwen3_8b": (8.19, HUB),
    "qwen3_14b": (14.8, HUB),
    "qwen3_32b": (32.8, HUB),
    "gemma3_1b": (0.302 + 0.698, GEMMA),
    "gemma3_4b": (0.675 + 3.209, GEMMA),
    "gemma3_12b": (1.012 + 10.759, GEMMA),
    "gemma3_27b": (1.416 + 25.600, GEMMA),
    "phi_4": (14.7, HUB),
}
# Likewise of mixtures: all parameters, those that a token uses, and whether the embedding counts among these.
MIXTURES = {
    "mixtral_8x7b": (
        46.7,
        12.9,
        True,
        "announcement of Mixtral: 46.7 B and 12.9 B",
    ),
    "mixtral_8x22b": (141, 39, True, "announcement of Mixtral 8x22B"),
    "qwen3_30b_a3b": (30.5, 3.3, True, "model card: 30.5 B, 3.3 B activated"),
    "qwen3_235b_a22b": (235, 22, True, "model card: 235 B, 22 B activated"),
    "qwen3_coder_480b_a35b": (480, 35, True, "model card: 480 B, 35 B activated"),
    "deepseek_v3": (671, 37, False, "DeepSeek-V3 Technical Report (arXiv 2412.19437)"),
    "deepseek_r1": (671, 37, False, "model card"),
    "kimi_k2": (1030, 32, False, "model card: 1 T and 32 B; 1.03 T with all tensors on Hugging Face"),
    "glm_4_5": (355, 32, False, "model card: 355 B and 32 B, with the block that predicts further tokens"),
    "glm_4_5_air": (106, 12, False, "model card: 106 B and 12 B"),
    "gpt_oss_20b": (20.91, 3.61, False, "gpt-oss model card (arXiv 2508.10925), Table 1"),
    "gpt_oss_120b": (116.83, 5.13, False, "gpt-oss model card (arXiv 2508.10925), Table 1"),
    "llama4_scout": (109, 17, True, "model card: 109 B, with the vision encoder, and 17 B"),
}
MADE_UP = {"small_llama", "tiny_bloom", "tiny_llama"}  # with random weights; `tests/serving` counts their parameters
OF_ALL = {"kimi_k2": 0.005, "glm_4_5": 0.01, "glm_4_5_air": 0.01, "llama4_scout": 0.02}  # relative error
OF_TOKEN = {"kimi_k2": 0.02, "glm_4_5": 0.03, "glm_4_5_air": 0.07}  # 12 B is 12.8 B, cut off


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_dense_models_have_the_published_parameters(name):
    billions, _ = PUBLISHED[name]
    assert preset(name).parameters / 1e9 == pytest.approx(billions, rel=0.005)
    assert preset(name).active_parameters == preset(name).parameters


@pytest.mark.parametrize("name", sorted(MIXTURES))
def test_mixtures_have_the_published_parameters_and_use_the_published_ones(name):
    billions, of_token, counts_embedding, _ = MIXTURES[name]
    decoder = preset(name)
    active = decoder.active_parameters - (0 if counts_embedding else decoder.embedding_parameters)
    assert decoder.parameters / 1e9 == pytest.approx(billions, rel=OF_ALL.get(name, 0.003))
    assert active / 1e9 == pytest.approx(of_token, rel=OF_TOKEN.get(name, 0.017))


def test_every_preset_is_compared_with_a_published_number():
    assert set(all_presets()) == OLDER.keys() | PUBLISHED.keys() | MIXTURES.keys() | MADE_UP


@pytest.mark.parametrize(("name", "size_gib"), [("gpt_oss_20b", 12.8), ("gpt_oss_120b", 60.8)])
def test_published_checkpoints_have_the_stated_size(name, size_gib):
    """Compare with Table 1 of the gpt-oss model card."""
    decoder = preset(name)
    assert decoder.published_weights == "mxfp4"
    assert decoder.weight_bytes("mxfp4") / 2**30 == pytest.approx(size_gib, rel=0.003)


@pytest.mark.parametrize(("name", "size_gb"), [("gpt_oss_20b", 12.1), ("gpt_oss_120b", 63.37)])
def test_files_of_llamacpp_have_the_stated_size(name, size_gb):
    """Compare with the files that benches/dgx-spark/dgx-spark.md of llama.cpp states."""
    assert preset(name).weight_bytes("mxfp4_moe") / 1e9 == pytest.approx(size_gb, rel=0.005)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Llama-3.3-70B", "llama3_3_70b"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3_3_70b"),
        ("deepseek r1", "deepseek_r1"),
        ("DeepSeek-R1", "deepseek_r1"),
        ("Qwen3 30B A3B", "qwen3_30b_a3b"),
        ("gpt-oss:120b", "gpt_oss_120b"),
        ("google/gemma-3-27b-it", "gemma3_27b"),
        ("GLM-4.5-Air", "glm_4_5_air"),
        ("Mixtral-8x7B-Instruct", "mixtral_8x7b"),
        ("phi4", "phi_4"),
    ],
)
def test_names_are_understood_in_every_spelling(written, name):
    assert preset(written) is all_presets()[name]


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("qwen3-235b", "qwen3_235b_a22b or"),
        ("gpt_oss_240b", "gpt_oss_20b or gpt_oss_120b?"),
        ("gpt-oss", "gpt_oss_20b or gpt_oss_120b?"),
        ("Llama-3.3-70B-Instruct-Q4_K_M", "llama3_3_70b"),
        ("mixtral", "mixtral_8x7b or mixtral_8x22b?"),
    ],
)
def test_near_names_are_of_the_same_family(written, near):
    with pytest.raises(InputError) as caught:
        preset(written)
    assert f"unknown; did you mean {near}" in str(caught.value)
    assert "did you mean gpt_neox" not in str(caught.value)
    assert "or gpt_neox" not in str(caught.value).partition("Choose")[0]
