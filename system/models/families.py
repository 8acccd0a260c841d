"""Families of decoders: what the blocks of related models have in common, by `model_type` in a config.json."""

from typing import NamedTuple


class Family(NamedTuple):
    """Structure of the blocks of related models."""

    gated_mlp: bool = True  # three matrices instead of two
    query_bias: bool = False  # on queries, keys and values
    output_bias: bool = False  # on the projection back
    mlp_bias: bool = False
    norm_vectors: int = 2  # of the hidden size: one for each RMSNorm, two for each LayerNorm
    head_norms: bool = False  # a norm of the head size for queries, and one for keys
    sinks: bool = False  # a number for each head in the softmax
    router_bias: bool = False
    shared_gate: bool = False  # a vector that weighs the shared expert
    is_mixture: bool = False
    is_windowed: bool = False  # most blocks look at the last tokens only


LAYER_NORMS = Family(gated_mlp=False, norm_vectors=4)
WITH_BIASES = LAYER_NORMS._replace(query_bias=True, output_bias=True, mlp_bias=True)
QWEN3 = Family(head_norms=True)
DEEPSEEK = Family(is_mixture=True)
FAMILIES = {
    "llama": Family(),
    "mistral": Family(),
    "phi3": Family(),
    "qwen2": Family(query_bias=True),
    "qwen3": QWEN3,
    "gemma3_text": Family(norm_vectors=4, head_norms=True, is_windowed=True),
    "bloom": WITH_BIASES,
    "gpt_neox": WITH_BIASES,
    "falcon": LAYER_NORMS,
    "mixtral": Family(is_mixture=True),
    "qwen2_moe": Family(query_bias=True, shared_gate=True, is_mixture=True),
    "qwen3_moe": QWEN3._replace(is_mixture=True),
    "deepseek_v2": DEEPSEEK,
    "deepseek_v3": DEEPSEEK._replace(router_bias=True),
    "glm4_moe": Family(query_bias=True, head_norms=True, router_bias=True, is_mixture=True),
    "llama4_text": Family(is_mixture=True, is_windowed=True),
    "gpt_oss": Family(
        query_bias=True,
        output_bias=True,
        mlp_bias=True,
        sinks=True,
        router_bias=True,
        is_mixture=True,
        is_windowed=True,
    ),
}
