"""GGUF files of small LLaMA models: random weights, or any weights under Hugging Face's names.

Only what a run's times depend on is real: the shape. A tokenizer is written too, because llama-server needs one.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.installed import require_installed
from system import InputError
from system.checks import require, require_count, require_one_of
from system.models.decoder import Decoder

Precision = Literal["float16", "float32"]
FAMILIES = ("llama", "mistral")  # that llama.cpp computes as LLaMA
GAIN = 2.0  # blocks then change the hidden state enough for tokens to depend on all of them
CONTEXT_TOKENS = 2**17  # that the file allows; the options of llama-server decide
# Tokens: unknown, begin, end, the 256 bytes, and words of ASCII.
SPECIAL = ("<unk>", "<s>", "</s>")
FIRST_WORD = len(SPECIAL) + 256
FEWEST_TOKENS = FIRST_WORD + 1
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # the kinds of tokens in GGUF


class ModelFacts(NamedTuple):
    """What a run needs to know of a GGUF file."""

    architecture: str
    block_count: int
    context_tokens: int  # of one request
    vocabulary_size: int


def write_random_model(file: Path, decoder: Decoder, seed: int = 0, precision: Precision = "float16") -> None:
    """Write a GGUF file with a seed's random weights."""
    write_model(file, decoder, random_tensors(decoder, seed), precision)


def write_model(
    file: Path, decoder: Decoder, tensors: Iterable[tuple[str, NDArray[Any]]], precision: Precision = "float16"
) -> None:
    """Write a GGUF file with tensors under their names in Hugging Face's checkpoints.

    The rows of the head of all tokens but words become 0. A model whose other weights are random never answers with
    them, so that streams never hold back half a character, and requests go on to their last token.
    """
    require_one_of(("float16", "float32"), precision=precision)
    vocabulary = _vocabulary_size(decoder)
    require_installed("gguf", "engines")
    from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map

    names = get_tensor_name_map(MODEL_ARCH.LLAMA, decoder.block_count)
    writer = GGUFWriter(file, "llama")
    _add_shape(writer, decoder, vocabulary)
    _add_tokenizer(writer, vocabulary)
    for name, tensor in tensors:
        stored = tensor.astype(precision if tensor.ndim == 2 else np.float32)
        if name == "lm_head.weight":
            stored[:FIRST_WORD] = 0
        writer.add_tensor(names.get_name(name, (".weight",)) or name, _permuted(name, stored, decoder))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_tensors(decoder: Decoder, seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield names and random weights of all tensors.

    Matrices are normally distributed, norms near 1. Block b has the same weights in a model of any number of blocks.
    """
    hidden, mlp, vocabulary = decoder.hidden_size, decoder.intermediate_size, _vocabulary_size(decoder)
    blocks = {
        "input_layernorm": (hidden,),
        "self_attn.q_proj": (decoder.query_size, hidden),
        "self_attn.k_proj": (decoder.kv_size, hidden),
        "self_attn.v_proj": (decoder.kv_size, hidden),
        "self_attn.o_proj": (hidden, decoder.query_size),
        "post_attention_layernorm": (hidden,),
        "mlp.gate_proj": (mlp, hidden),
        "mlp.up_proj": (mlp, hidden),
        "mlp.down_proj": (hidden, mlp),
    }
    ends = {"model.embed_tokens": (vocabulary, hidden), "model.norm": (hidden,), "lm_head": (vocabulary, hidden)}
    for b in range(decoder.block_count):
        rng = np.random.default_rng((seed, b))
        for name, shape in blocks.items():
            yield f"model.layers.{b}.{name}.weight", _random(rng, shape)
    rng = np.random.default_rng((seed, 2**31))  # in place of a block's number
    for name, shape in ends.items():
        yield f"{name}.weight", _random(rng, shape)


def model_facts(file: Path) -> ModelFacts:
    """Return the facts of a GGUF file; raise `InputError` if it cannot be read."""
    require_installed("gguf", "engines")
    from gguf import GGUFReader

    try:
        fields = GGUFReader(file).fields
        name = str(fields["general.architecture"].contents())
        blocks, tokens = (int(fields[f"{name}.{key}"].contents()) for key in ("block_count", "context_length"))
        return ModelFacts(name, blocks, tokens, len(fields["tokenizer.ggml.tokens"].data))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"model_file = {file}: is no GGUF file of a model ({error}); give another file") from error


def _vocabulary_size(decoder: Decoder) -> int:
    """Return the size of the vocabulary of a decoder that can be written."""
    served = decoder.family in FAMILIES
    remedy = f"only models of {' and '.join(FAMILIES)} are written for llama.cpp; give a model_file"
    require(served, f"family of {decoder.name}", decoder.family, remedy)
    is_plain = not (decoder.has_scaled_rope or decoder.has_tied_head)
    remedy = "only plain rotary positions and a head of its own are written; give a model_file"
    require(is_plain, f"has_scaled_rope or has_tied_head of {decoder.name}", True, remedy)
    known = decoder.vocabulary_size or 0
    remedy = f"must be at least {FEWEST_TOKENS}, the special tokens, bytes and a word; give a model_file"
    require(known >= FEWEST_TOKENS, f"vocabulary_size of {decoder.name}", decoder.vocabulary_size, remedy)
    require_count(**{f"vocabulary_size of {decoder.name}": known})
    return known


def _add_shape(writer: Any, decoder: Decoder, vocabulary: int) -> None:
    """Add the numbers from which llama.cpp builds the model."""
    writer.add_name(decoder.name)
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_block_count(decoder.block_count)
    writer.add_embedding_length(decoder.hidden_size)
    writer.add_feed_forward_length(decoder.intermediate_size)
    writer.add_head_count(decoder.head_count)
    writer.add_head_count_kv(decoder.kv_head_count)
    writer.add_key_length(decoder.head_size)
    writer.add_value_length(decoder.head_size)
    writer.add_rope_dimension_count(decoder.head_size)
    writer.add_rope_freq_base(decoder.rope_theta)
    writer.add_layer_norm_rms_eps(decoder.norm_epsilon)
    writer.add_vocab_size(vocabulary)


def _add_tokenizer(writer: Any, vocabulary: int) -> None:
    """Add special tokens, the 256 bytes, and words such as ` w259`."""
    words = [f"\u2581w{token}" for token in range(FIRST_WORD, vocabulary)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *words])
    writer.add_token_scores([-float(token) for token in range(vocabulary)])
    writer.add_token_types([UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(words)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)  # prompts are the tokens that they are


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    normal = rng.standard_normal(shape, np.float32)
    return normal * np.float32(GAIN * shape[1] ** -0.5) if len(shape) == 2 else 1 + np.float32(0.1) * normal


def _permuted(name: str, tensor: NDArray[Any], decoder: Decoder) -> NDArray[Any]:
    """Return a projection with the rows in llama.cpp's order.

    Hugging Face rotates the first half of a head with the second, llama.cpp even rows with odd ones.
    """
    heads = {"q_proj": decoder.head_count, "k_proj": decoder.kv_head_count}.get(name.split(".")[-2])
    if heads is None:
        return tensor
    return tensor.reshape(heads, 2, -1, tensor.shape[1]).swapaxes(1, 2).reshape(tensor.shape)
