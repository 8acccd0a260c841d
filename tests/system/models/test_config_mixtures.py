"""The config.json of mixtures of experts, of newer dense models, and of models of text and images."""

import json

import pytest

from system import InputError
from system.models.config_json import decoder_from_config
from system.models.presets import preset

QWEN3_MOE = {
    "model_type": "qwen3_moe",
    "attention_bias": False,
    "decoder_sparse_step": 1,
    "head_dim": 128,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "mlp_only_layers": [],
    "moe_intermediate_size": 1536,
    "norm_topk_prob": True,
    "num_attention_heads": 64,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 94,
    "num_key_value_heads": 4,
    "router_aux_loss_coef": 0.001,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "vocab_size": 151936,
}
DEEPSEEK = {
    "model_type": "deepseek_v3",
    "attention_bias": False,
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_group": 8,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {"fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]},
    "tie_word_embeddings": False,
    "v_head_dim": 128,
    "vocab_size": 129280,
}
CONFIGS = {
    "mixtral_8x7b": {
        "model_type": "mixtral",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "tie_word_embeddings": False,
        "vocab_size": 32000,
    },
    "qwen3_235b_a22b": QWEN3_MOE,
    "deepseek_v3": DEEPSEEK,
    "kimi_k2": DEEPSEEK
    | {
        "model_type": "kimi_k2",
        "first_k_dense_replace": 1,
        "n_routed_experts": 384,
        "num_attention_heads": 64,
        "num_key_value_heads": 64,
        "vocab_size": 163840,
    },
    "glm_4_5": {
        "model_type": "glm4_moe",
        "attention_bias": True,
        "first_k_dense_replace": 3,
        "head_dim": 128,
        "hidden_size": 5120,
        "intermediate_size": 12288,
        "moe_intermediate_size": 1536,
        "n_routed_experts": 160,
        "n_shared_experts": 1,
        "num_attention_heads": 96,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 92,
        "num_key_value_heads": 8,
        "tie_word_embeddings": False,
        "vocab_size": 151552,
    },
    "gpt_oss_20b": {
        "model_type": "gpt_oss",
        "attention_bias": True,
        "experts_per_token": 4,
        "head_dim": 64,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_attention_heads": 64,
        "num_experts_per_tok": 4,
        "num_hidden_layers": 24,
        "num_key_value_heads": 8,
        "num_local_experts": 32,
        "sliding_window": 128,
        "tie_word_embeddings": False,
        "vocab_size": 201088,
    },
    "llama4_scout": {
        "model_type": "llama4",
        "text_config": {
            "model_type": "llama4_text",
            "attention_bias": False,
            "head_dim": 128,
            "hidden_size": 5120,
            "interleave_moe_layer_step": 1,
            "intermediate_size": 8192,
            "intermediate_size_mlp": 16384,
            "num_attention_heads": 40,
            "num_experts_per_tok": 1,
            "num_hidden_layers": 48,
            "num_key_value_heads": 8,
            "num_local_experts": 16,
            "vocab_size": 202048,
        },
        "vision_config": {"hidden_size": 1408},
    },
    "qwen3_14b": {
        "model_type": "qwen3",
        "attention_bias": False,
        "head_dim": 128,
        "hidden_size": 5120,
        "intermediate_size": 17408,
        "num_attention_heads": 40,
        "num_hidden_layers": 40,
        "num_key_value_heads": 8,
        "tie_word_embeddings": False,
        "vocab_size": 151936,
    },
    "gemma3_4b": {
        "model_type": "gemma3",
        "text_config": {
            "model_type": "gemma3_text",
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 34,
            "sliding_window": 1024,
        },
        "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
    },
    "gemma3_27b": {
        "model_type": "gemma3",
        "text_config": {
            "model_type": "gemma3_text",
            "head_dim": 128,
            "hidden_size": 5376,
            "intermediate_size": 21504,
            "num_attention_heads": 32,
            "num_hidden_layers": 62,
            "num_key_value_heads": 16,
        },
        "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
    },
    "phi_4": {
        "model_type": "phi3",
        "attention_bias": False,
        "hidden_size": 5120,
        "intermediate_size": 17920,
        "num_attention_heads": 40,
        "num_hidden_layers": 40,
        "num_key_value_heads": 10,
        "tie_word_embeddings": False,
        "vocab_size": 100352,
    },
}


def read(folder, content):
    """Return the decoder of a config.json with this content."""
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return decoder_from_config(path)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_gives_the_decoder_of_the_preset(tmp_path, name):
    decoder, expected = read(tmp_path, CONFIGS[name]), preset(name)
    for key in ("parameters", "active_parameters", "block_parameters", "cache_values_per_token", "has_tied_head"):
        assert getattr(decoder, key) == getattr(expected, key), key
    assert (decoder.experts, decoder.latent, decoder.family) == (expected.experts, expected.latent, expected.family)


@pytest.mark.parametrize(("kind", "part"), [("qwen3_vl_moe", "qwen3_vl_moe_text"), ("qwen3_vl_moe", "qwen3_moe")])
def test_the_text_part_of_a_model_of_images_is_read(tmp_path, kind, part):
    content = {"model_type": kind, "text_config": QWEN3_MOE | {"model_type": part}, "vision_config": {"depth": 27}}
    assert read(tmp_path, content).parameters == preset("qwen3_235b_a22b").parameters


def test_shared_experts_of_qwen2_have_a_width_of_their_own(tmp_path):
    """Compare with Qwen1.5-MoE-A2.7B: 14.3 B parameters, 2.7 B active."""
    decoder = read(
        tmp_path,
        {
            "model_type": "qwen2_moe",
            "hidden_size": 2048,
            "intermediate_size": 5632,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "num_key_value_heads": 16,
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "vocab_size": 151936,
        },
    )
    assert decoder.parameters / 1e9 == pytest.approx(14.3, rel=0.002)
    assert decoder.active_parameters / 1e9 == pytest.approx(2.7, rel=0.005)


def test_latent_attention_without_compressed_queries_is_read(tmp_path):
    """Compare with DeepSeek-V2-Lite (arXiv 2405.04434): 15.7 B and 2.4 B."""
    lite = {
        "model_type": "deepseek_v2",
        "first_k_dense_replace": 1,
        "hidden_size": 2048,
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "num_experts_per_tok": 6,
        "num_hidden_layers": 27,
        "q_lora_rank": None,
        "vocab_size": 102400,
    }
    decoder = read(tmp_path, DEEPSEEK | lite)
    assert decoder.parameters / 1e9 == pytest.approx(15.7, rel=0.002)
    assert (decoder.active_parameters - decoder.embedding_parameters) / 1e9 == pytest.approx(2.4, abs=0.052)


@pytest.mark.parametrize("change", [{"model_type": "qwen9_moe"}, {"model_type": "llama"}])
def test_no_refusal_of_a_mixture_advises_a_dense_shape(tmp_path, change):
    with pytest.raises(InputError, match="describe the model by shape, with experts, active_experts and expert_size"):
        read(tmp_path, QWEN3_MOE | change)
