"""Precisions of a plan as engines name them: options, files, and why an engine has none."""

from typing import NamedTuple

from system.models.precisions import IN_GGUF, cache_precision, weight_precision


class Chosen(NamedTuple):
    """What an engine takes for a precision, or why it takes nothing."""

    options: tuple[str, ...] = ()
    words: str = ""  # for people: which file to take, or how it differs from the plan
    refusal: str = ""


FEW_BITS = 6  # of a weight: with fewer, advice names a precision of 4 bits
KEPT = Chosen()
FP8 = Chosen(("--kv-cache-dtype", "fp8"))
FROM_CONFIG = ("awq", "gptq", "compressed-tensors", "mxfp4", "nvfp4")  # schemes that vLLM reads from config.json

LLAMACPP_FILES = {
    "16 bit": "F16 or BF16",
    "int8": "Q8_0 (8.5 bits a weight; the plan counts 8.1)",
    "nf4": "IQ4_XS (4.25 bits a weight; the plan counts 4.3) or smaller",
    "float32": "F32",
    "mxfp4": "MXFP4_MOE (8.5 bits beside the experts, where the plan counts 16)",
}
VLLM_WEIGHTS = {
    "16 bit": KEPT,
    "float32": Chosen(("--dtype", "float32")),
    "int8": Chosen(("--quantization", "int8_per_channel_weight_only")),
    "nf4": Chosen(("--quantization", "bitsandbytes")),
    "fp8": Chosen(
        words="MODEL has fp8 weights; for a model in 16 bits add --quantization fp8_per_tensor to all lines."
    ),
}


def llamacpp_weights(name: str) -> Chosen:
    """Return the GGUF file for weights."""
    precision = weight_precision(name)
    if name in LLAMACPP_FILES or precision.scheme == "gguf":
        return Chosen(words=LLAMACPP_FILES.get(name, name.upper()))
    return Chosen(
        refusal=f"it reads GGUF files, and none has {name} weights; choose {_nearest(name, 'q4_k_m', 'q8_0')}"
    )


def llamacpp_cache(name: str) -> Chosen:
    """Return the options of a llama-server for a cache."""
    if name == "16 bit":
        return KEPT
    if name == "float32":
        return Chosen(("-ctk", "f32", "-ctv", "f32"))
    if name == "fp8":
        return Chosen(refusal="it keeps no fp8 cache; choose q8_0")
    kind, words = (
        ("q8_0", "The cache q8_0 takes 8.5 bits a number, 6 % more than planned.") if name == "8 bit" else (name, "")
    )
    return Chosen(("-ctk", kind, "-ctv", kind, "-fa", "on"), words)


def vllm_weights(name: str) -> Chosen:
    """Return the options of vLLM for weights."""
    if name in VLLM_WEIGHTS:
        return VLLM_WEIGHTS[name]
    scheme = weight_precision(name).scheme
    if scheme in FROM_CONFIG:
        return Chosen(
            words=f"MODEL has {name} weights; vLLM reads from its config.json which, so no option names them."
        )
    files = "GGUF files" if scheme == "gguf" else f"{scheme} files"
    published = {kept: name for name, kept in IN_GGUF.items()}.get(name)
    return Chosen(
        refusal=f"{name} weights are in {files}, which are for other engines; choose "
        f"{published or _nearest(name, 'awq', 'fp8')}"
    )


def vllm_cache(name: str, weights: str) -> Chosen:
    """Return the options of vLLM for a cache."""
    if name in ("8 bit", "fp8"):
        return FP8
    if cache_precision(name).scheme:
        return Chosen(refusal=f"it keeps no {name} cache; choose fp8")
    if (name == "float32") != (weights == "float32"):
        return Chosen(refusal=f"it keeps no {name} cache beside {weights} weights")
    return KEPT


def petals_precisions(weights: str, cache: str) -> Chosen:
    """Return the options of PETALS, whose cache and unquantised weights have one type."""
    types = {"16 bit": "bfloat16", "float32": "float32"}
    quantised = {"nf4": "nf4", "int8": "int8"}
    if cache not in types:
        bits = 8 * cache_precision(cache).value_bytes
        words = f"its cache has 16 bits where {bits:g} are planned, so that the blocks and the cache would not fit"
        return Chosen(refusal=f"{words}; choose a cache of 16 bit")
    if weights not in (*quantised, *types):
        advice = _nearest(weights, "nf4", "int8")
        return Chosen(refusal=f"it serves weights of nf4, int8 or 16 bit, not {weights}; choose {advice}")
    if weights not in (*quantised, cache):
        return Chosen(refusal=f"its weights and its cache have one type, not {weights} and {cache}")
    return Chosen(("--quant_type", quantised.get(weights, "none"), "--torch_dtype", types[cache]))


def _nearest(name: str, few_bits: str, many_bits: str) -> str:
    """Return the advised precision of about as many bits."""
    return few_bits if 8 * weight_precision(name).value_bytes < FEW_BITS else many_bits
