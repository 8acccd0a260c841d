"""What the `config.json` of each family of models says under which key, and what of it is understood."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Config = Mapping[str, Any]

# The keys under which a number can stand: they differ between families and have changed over the years.
KEYS = {
    "block_count": ("num_hidden_layers", "n_layer"),
    "hidden_size": ("hidden_size", "n_embed"),
    "head_count": ("num_attention_heads", "n_head"),
    "kv_head_count": ("num_key_value_heads", "num_kv_heads"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "n_inner"),
}
# Keys that would change the shape of a block in a way that no family has, each with the only value that is understood.
SHAPING: dict[str, Config] = {
    "llama": {"attention_bias": False, "mlp_bias": False},
    "mistral": {},
    "phi3": {"attention_bias": False},
    "qwen2": {},
    "qwen3": {"attention_bias": False},
    "gemma3_text": {"attention_bias": False},
    "bloom": {},
    "gpt_neox": {"attention_bias": True},
    "falcon": {"new_decoder_architecture": True, "num_ln_in_parallel_attn": 2, "bias": False},
    "mixtral": {},
    "qwen2_moe": {"decoder_sparse_step": 1, "mlp_only_layers": []},
    "qwen3_moe": {"attention_bias": False, "decoder_sparse_step": 1, "mlp_only_layers": []},
    "deepseek_v2": {"attention_bias": False, "moe_layer_freq": 1},
    "deepseek_v3": {"attention_bias": False, "moe_layer_freq": 1},
    "glm4_moe": {"attention_bias": True},
    "gpt_oss": {"attention_bias": True},
    "llama4_text": {"attention_bias": False, "interleave_moe_layer_step": 1},
}
# Other names of families: Kimi K2 is built as DeepSeek V3, and the text parts of some models as models of text.
ALIASES = {
    "kimi_k2": "deepseek_v3",
    "gemma3": "gemma3_text",
    "llama4": "llama4_text",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
    "glm4v_moe_text": "glm4_moe",
}


class ExpertKeys(NamedTuple):
    """Keys of a mixture of experts."""

    of_all: str  # how many experts there are
    width: str
    of_token: str = "num_experts_per_tok"
    shared_width: str = ""  # of all shared experts together
    shared_count: str = ""  # of shared experts, each as wide as another expert
    dense_blocks: str = ""


DEEPSEEK = ExpertKeys(
    "n_routed_experts",
    "moe_intermediate_size",
    shared_count="n_shared_experts",
    dense_blocks="first_k_dense_replace",
)
EXPERT_KEYS = {
    "mixtral": ExpertKeys("num_local_experts", "intermediate_size"),
    "qwen2_moe": ExpertKeys("num_experts", "moe_intermediate_size", shared_width="shared_expert_intermediate_size"),
    "qwen3_moe": ExpertKeys("num_experts", "moe_intermediate_size"),
    "deepseek_v2": DEEPSEEK,
    "deepseek_v3": DEEPSEEK,
    "glm4_moe": DEEPSEEK,
    "gpt_oss": ExpertKeys("num_local_experts", "intermediate_size"),
    "llama4_text": ExpertKeys("num_local_experts", "intermediate_size", shared_width="intermediate_size"),
}
# The keys of multi-head latent attention, by the fields of `LatentAttention`.
LATENT_KEYS = {
    "kv_rank": "kv_lora_rank",
    "plain_size": "qk_nope_head_dim",
    "rotary_size": "qk_rope_head_dim",
    "value_size": "v_head_dim",
}
LATENT = ("deepseek_v2", "deepseek_v3")
# The families whose head is the embedding unless a config says otherwise, as in transformers.
TIED = ("bloom", "falcon", "gemma3_text")
# What configs of a family may leave out, as its defaults in transformers.
DEFAULTS: dict[str, Config] = {
    "gemma3_text": {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262_208},
}
# The families of models of text and images, by the family of their text part.
TEXT_PARTS = {
    "gemma3": "gemma3_text",
    "mistral3": "mistral",
    "llama4": "llama4_text",
    "llava": "llama",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe": "qwen3_moe",
    "glm4v_moe": "glm4_moe",
}
