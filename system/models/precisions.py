"""Precisions of weights and caches under their usual names, with the bytes of a number.

Engines keep the embedding and the output head in more bits than the blocks, and the published gpt-oss keeps all but its
experts in 16 bit. The types of llama.cpp mix tensors of several precisions: for them the bits are means.
"""

import re
from typing import NamedTuple

from system.checks import echo, require_known
from system.errors import InputError
from system.words import plain_name


class Precision(NamedTuple):
    """Bytes of a number, the same in words for people, and which engines' files have it."""

    value_bytes: float  # in a block, or in a cache
    words: str
    scheme: str = ""  # gguf, bitsandbytes, awq, gptq, fp8, mlx, ..., or "" for plain numbers
    embedding_bytes: float = 0.0  # as in a block by default; likewise:
    head_bytes: float = 0.0
    dense_bytes: float = 0.0  # of all but the experts in a block of a mixture

    @property
    def of_embedding(self) -> float:
        """Return the bytes of a number of the embedding."""
        return self.embedding_bytes or self.value_bytes

    @property
    def of_head(self) -> float:
        """Return the bytes of a number of the output head."""
        return self.head_bytes or self.value_bytes

    @property
    def beside_experts(self) -> float:
        """Return the bytes of a number outside experts."""
        return self.dense_bytes or self.value_bytes


# Types of llama.cpp's files: mean bits of a weight of LLaMA-3.1-8B, from the table in tools/quantize/README.md of
# llama.cpp (those of q4_0, q4_1, q5_0 and q5_1 follow from their blocks of 32), and bits of its embedding and its head,
# as src/llama-quant.cpp chooses them. From these follow the bits of its blocks: other models have other shares.
GGUF_8B = {
    "iq1_s": (2.0042, 2.625, 5.5),
    "iq1_m": (2.1460, 2.625, 5.5),
    "iq2_xxs": (2.3824, 2.625, 5.5),
    "iq2_xs": (2.5882, 2.625, 5.5),
    "iq2_s": (2.7403, 3.4375, 5.5),
    "iq2_m": (2.9294, 3.4375, 5.5),
    "iq3_xxs": (3.2548, 3.4375, 5.5),
    "iq3_xs": (3.4977, 3.4375, 6.5625),
    "iq3_s": (3.6606, 3.4375, 6.5625),
    "iq3_m": (3.7628, 3.4375, 6.5625),
    "iq4_xs": (4.4597, 4.25, 6.5625),
    "iq4_nl": (4.6818, 4.5, 6.5625),
    "q2_k_s": (2.9697, 2.625, 6.5625),
    "q2_k": (3.1593, 2.625, 6.5625),
    "q3_k_s": (3.6429, 3.4375, 6.5625),
    "q3_k_m": (3.9960, 3.4375, 6.5625),
    "q3_k_l": (4.2979, 3.4375, 6.5625),
    "q4_0": (4.6349, 4.5, 6.5625),
    "q4_1": (5.1022, 5.0, 6.5625),
    "q4_k_s": (4.6672, 4.5, 6.5625),
    "q4_k_m": (4.8944, 4.5, 6.5625),
    "q5_0": (5.5695, 5.5, 6.5625),
    "q5_1": (6.0368, 6.0, 6.5625),
    "q5_k_s": (5.5704, 5.5, 6.5625),
    "q5_k_m": (5.7036, 5.5, 6.5625),
    "q6_k": (6.5633, 6.5625, 6.5625),
    "q8_0": (8.5008, 8.5, 8.5),
}
PARAMETERS_8B, EMBEDDING_8B = 8_030_261_248, 128_256 * 4096


def _gguf(name: str) -> Precision:
    """Return a type of llama.cpp with the bits of blocks."""
    mean, embedding, head = GGUF_8B[name]
    in_blocks = mean * PARAMETERS_8B - (embedding + head) * EMBEDDING_8B
    bits = round(in_blocks / (PARAMETERS_8B - 2 * EMBEDDING_8B), 3)
    return Precision(bits / 8, f"{bits:.4g} bits ({name.upper()}, a mean)", "gguf", embedding / 8, head / 8)


def _checkpoint(bits: float, scheme: str, words: str = "") -> Precision:
    """Return a precision with embedding and head in 16 bits."""
    return Precision(bits / 8, words or f"{bits:.4g} bits", scheme, 2.0, 2.0)


PRECISIONS = {
    "16 bit": Precision(2.0, "2 B"),
    "float32": Precision(4.0, "4 B"),
    "int8": _checkpoint(8 * 1.01, "bitsandbytes", "1 B and 1 % of metadata (int8 as PETALS counts it)"),
    "nf4": _checkpoint(4.25 * 1.01, "bitsandbytes", "4.25 bits and 1 % of metadata (NF4 as PETALS counts it)"),
    "fp8": _checkpoint(8, "fp8", "1 B (FP8)"),
    "mxfp4": _checkpoint(4.25, "mxfp4", "4.25 bits (MXFP4)")._replace(dense_bytes=2.0),
    "nvfp4": _checkpoint(4.5, "nvfp4", "4.5 bits (NVFP4: 16 numbers of 4 bits share 8 bits)"),
    "awq": _checkpoint(4.25, "awq", "4.25 bits (AWQ: 128 numbers of 4 bits share 32 bits)"),
    "gptq": _checkpoint(4.25, "gptq", "4.25 bits (GPTQ: 128 numbers of 4 bits share 32 bits)"),
    "w4a16": _checkpoint(4.25, "compressed-tensors", "4.25 bits (128 numbers of 4 bits share 32 bits)"),
    "w8a8": _checkpoint(8, "compressed-tensors", "1 B"),
    "w8a16": _checkpoint(8.25, "compressed-tensors", "8.25 bits (128 numbers of 8 bits share 32 bits)"),
    "mlx_4bit": Precision(4.5 / 8, "4.5 bits (MLX: 64 numbers of 4 bits share 32 bits)", "mlx"),
    "mlx_6bit": Precision(6.5 / 8, "6.5 bits (MLX: 64 numbers of 6 bits share 32 bits)", "mlx"),
    "mlx_8bit": Precision(8.5 / 8, "8.5 bits (MLX: 64 numbers of 8 bits share 32 bits)", "mlx"),
    # llama.cpp's type for gpt-oss: a file of 12.1 GB for 20.9 B weights has 8.5 bits beside the experts.
    "mxfp4_moe": Precision(4.25 / 8, "4.25 bits (MXFP4 in GGUF)", "gguf", *(3 * [8.5 / 8])),
    **{name: _gguf(name) for name in GGUF_8B},
}
OF_CACHES = {
    "16 bit": Precision(2.0, "2 B"),
    "8 bit": Precision(1.0, "1 B"),
    "float32": Precision(4.0, "4 B"),
    "q8_0": Precision(8.5 / 8, "8.5 bits", "gguf"),
    "q4_0": Precision(4.5 / 8, "4.5 bits", "gguf"),
    "fp8": Precision(1.0, "1 B (FP8)", "fp8"),
}
WEIGHTS = tuple(PRECISIONS)  # precisions that weights can have
CACHES = tuple(OF_CACHES)  # precisions that a cache can have
OTHER_NAMES = {
    **dict.fromkeys(("f16", "fp16", "float16", "bf16", "bfloat16", "half"), "16 bit"),
    **dict.fromkeys(("f32", "fp32", "32bit"), "float32"),
    **dict.fromkeys(("bnb4bit", "bitsandbytes4bit"), "nf4"),
    **dict.fromkeys(("bnb8bit", "bitsandbytes8bit", "llmint8"), "int8"),
    **dict.fromkeys(("fp8e4m3", "e4m3", "fp8e5m2", "w8a8fp8"), "fp8"),
    **dict.fromkeys(("awqint4", "awq4bit"), "awq"),
    **dict.fromkeys(("gptqint4", "gptq4bit"), "gptq"),
    "int4": "w4a16",
}
IN_GGUF = {"mxfp4": "mxfp4_moe"}  # what files of llama.cpp have of mixtures that are published otherwise
# Groups of another size or bits than usual, such as gptq_8bit_g32; the group shares 32 bits.
GROUPED = re.compile(r"(awq|gptq|mlx)_([2-8])bit_g(\d{1,5})")
BITS_ALONE = re.compile(r"q?([2-68])(?:bits?)?")
# What people mean by so many bits, by what they run.
SCHEMES = {
    "2": "q2_k for a file of GGUF",
    "3": "q3_k_m for a file of GGUF",
    "4": "q4_k_m for a file of GGUF, awq, gptq or w4a16 for vLLM, nf4 for PETALS, mlx_4bit for MLX",
    "5": "q5_k_m for a file of GGUF",
    "6": "q6_k for a file of GGUF, mlx_6bit for MLX",
    "8": "q8_0 for a file of GGUF, fp8 for vLLM, int8 for PETALS, mlx_8bit for MLX",
}


def weight_precision(name: str) -> Precision:
    """Return a precision of weights; raise `InputError` for others."""
    if GROUPED.fullmatch(name):
        return _grouped(name)
    require_known("weights", name, WEIGHTS)
    return PRECISIONS[name]


def cache_precision(name: str) -> Precision:
    """Return a precision of caches; raise `InputError` for others."""
    require_known("cache", name, CACHES)
    return OF_CACHES[name]


def known_weights(field: str, name: str) -> str:
    """Return the usual name of weights that a user names.

    Case, dashes and spaces do not matter. Raises `InputError` with the field for unknown names.
    """
    spelled = name.lower().replace("-", "_")
    if GROUPED.fullmatch(spelled):
        return spelled
    if bits := BITS_ALONE.fullmatch(plain_name(name)):
        raise InputError(f"{field} = {echo(name)}: names no scheme; write {SCHEMES[bits[1]]}")
    return _known(field, name, WEIGHTS)


def known_cache(field: str, name: str) -> str:
    """Return the usual name of a cache that a user names."""
    return _known(field, name, CACHES)


def _known(field: str, name: str, known: tuple[str, ...]) -> str:
    names = {plain_name(other): own for other, own in OTHER_NAMES.items() if own in known}
    names |= {plain_name(own): own for own in known}
    if plain_name(name) not in names:
        require_known(field, name, known)
    return names[plain_name(name)]


def _grouped(name: str) -> Precision:
    """Return the precision of a name such as `gptq_8bit_g32`."""
    scheme, number, group = name.split("_")
    bits, size = int(number[0]), int(group[1:])
    mean = bits + 32 / size if size else bits
    words = f"{mean:.4g} bits ({scheme.upper()}: {size:,} numbers of {bits} bits share 32 bits)"
    precision = _checkpoint(mean, scheme, words)
    return precision._replace(embedding_bytes=0.0, head_bytes=0.0) if scheme == "mlx" else precision
