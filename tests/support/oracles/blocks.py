"""Blocks of LLaMA and BLOOM as in their papers: whole sequences in float64, head by head, without a cache.

Weights map Hugging Face's parameter names within a block to float64 arrays; a matrix is (outputs, inputs).
"""

from collections.abc import Mapping

import numpy as np

Weights = Mapping[str, np.ndarray]


def block(decoder, weights: Weights, hidden: np.ndarray) -> np.ndarray:
    """Return a block's output for a whole sequence, (tokens, hidden size)."""
    return {"llama": _llama, "bloom": _bloom}[decoder.family](decoder, weights, hidden)


def tokens_of(decoder, blocks: list[Weights], ends: Weights, prompt: list[int], new_tokens: int) -> list[int]:
    """Return greedily decoded tokens, computing the whole sequence for each one.

    `ends` are the weights of `EmbeddingAndHead`.
    """
    sequence = list(prompt)
    for _ in range(new_tokens):
        hidden = ends["embedding.weight"][sequence]
        if decoder.family == "bloom":
            hidden = layer_norm(decoder, ends, "embedding_norm", hidden)
        for weights in blocks:
            hidden = block(decoder, weights, hidden)
        last = (rms_norm if decoder.family == "llama" else layer_norm)(decoder, ends, "last_norm", hidden[-1])
        sequence.append(int(np.argmax(ends.get("head.weight", ends["embedding.weight"]) @ last)))
    return sequence[len(prompt) :]


def alibi_slopes(heads: int) -> list[float]:
    """Return ALiBi's slopes for n heads: 2^(-8/n), 2^(-16/n), ...

    If n is not a power of two, these are the slopes for the next lower power of two, followed by every other slope for
    twice that power.
    """
    lower = 2 ** int(np.floor(np.log2(heads)))
    slopes = [2 ** (-8 * (head + 1) / lower) for head in range(lower)]
    between = [2 ** (-8 * (head + 1) / (2 * lower)) for head in range(2 * lower)]
    return (slopes + between[::2])[:heads]


def _llama(decoder, weights: Weights, hidden: np.ndarray) -> np.ndarray:
    """Compute a LLaMA block (Touvron et al. 2023).

    It has RMSNorm, rotary positions, grouped heads and a gated MLP.
    """

    def heads(x, name):
        projected = np.einsum("th,oh->to", x, weights[f"self_attn.{name}_proj.weight"])
        return projected.reshape(len(x), -1, size)

    size, group = decoder.head_size, decoder.head_count // decoder.kv_head_count
    x = rms_norm(decoder, weights, "input_layernorm", hidden)
    queries, keys, values = (heads(x, name) for name in "qkv")
    mixed = [
        _attend(
            _rotated(decoder, queries[:, head]),
            _rotated(decoder, keys[:, head // group]),
            values[:, head // group],
            slope=0.0,
        )
        for head in range(decoder.head_count)
    ]
    hidden = hidden + np.concatenate(mixed, axis=1) @ weights["self_attn.o_proj.weight"].T
    x = rms_norm(decoder, weights, "post_attention_layernorm", hidden)
    gate, up = (x @ weights[f"mlp.{name}_proj.weight"].T for name in ("gate", "up"))
    return hidden + (gate / (1 + np.exp(-gate)) * up) @ weights["mlp.down_proj.weight"].T


def _bloom(decoder, weights: Weights, hidden: np.ndarray) -> np.ndarray:
    """Compute a BLOOM block (Le Scao et al. 2022).

    It has LayerNorm, ALiBi, one fused matrix for each head's query, key and value, and GELU.
    """

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    x = layer_norm(decoder, weights, "input_layernorm", hidden)
    fused = linear(x, "self_attention.query_key_value").reshape(len(hidden), decoder.head_count, 3, decoder.head_size)
    mixed = [
        _attend(fused[:, head, 0], fused[:, head, 1], fused[:, head, 2], slope)
        for head, slope in enumerate(alibi_slopes(decoder.head_count))
    ]
    hidden = hidden + linear(np.concatenate(mixed, axis=1), "self_attention.dense")
    x = layer_norm(decoder, weights, "post_attention_layernorm", hidden)
    x = linear(x, "mlp.dense_h_to_4h")
    gelu = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return hidden + linear(gelu, "mlp.dense_4h_to_h")


def rms_norm(decoder, weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + decoder.norm_epsilon) * weights[f"{name}.weight"]


def layer_norm(decoder, weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((x**2).mean(axis=-1, keepdims=True) + decoder.norm_epsilon)
    return x / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _rotated(decoder, x: np.ndarray) -> np.ndarray:
    """Return values with rotary positions (Su et al. 2021).

    Values j and j + half form a complex number, which is turned by the angle position · theta^(-j/half).
    """
    tokens, half = len(x), x.shape[1] // 2
    angles = np.outer(np.arange(tokens), decoder.rope_theta ** (-np.arange(half) / half))
    turned = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], axis=1)


def _attend(queries: np.ndarray, keys: np.ndarray, values: np.ndarray, slope: float) -> np.ndarray:
    """Return one head's causal attention.

    A token attends to itself and the tokens before it. Its scores fall by `slope` for each step back (ALiBi, Press et
    al. 2022).
    """
    rows = []
    for token, query in enumerate(queries):
        visible = token + 1
        scores = keys[:visible] @ query / np.sqrt(len(query)) - slope * (token - np.arange(visible))
        shares = np.exp(scores - scores.max())
        rows.append(shares @ values[:visible] / shares.sum())
    return np.array(rows)
