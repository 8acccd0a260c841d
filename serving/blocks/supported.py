"""Which decoders the torch blocks of this package compute. Needs no torch."""

from pathlib import Path

from system import InputError
from system.checks import require, require_known
from system.models.config_json import Config, computable_decoder_from_config
from system.models.decoder import Decoder
from system.models.presets import all_presets, preset

# The families that have torch blocks. Each comes with the keys of a config.json that change how a block computes but
# not its shape, and the only value with which it computes here.
SUPPORTED: dict[str, Config] = {
    "llama": {"hidden_act": "silu", "quantization_config": None},
    "bloom": {
        "apply_residual_connection_post_layernorm": False,
        "tie_word_embeddings": True,
        "quantization_config": None,
    },
}


def require_supported(decoder: Decoder) -> None:
    """Raise `InputError` unless there are torch blocks for the decoder."""
    families = " and ".join(SUPPORTED)
    supported = decoder.family in SUPPORTED
    remedy = f"there are torch blocks of {families} only; use a model of these families"
    require(supported, f"family of {decoder.name}", decoder.family, remedy)
    equal = decoder.query_size == decoder.hidden_size
    remedy = f"the torch blocks need hidden_size / head_count = {decoder.hidden_size / decoder.head_count:g} (head_dim)"
    require(equal, f"head_size of {decoder.name}", decoder.head_size, f"{remedy}; use another model")
    plain = not decoder.has_scaled_rope
    remedy = "the torch blocks compute plain rotary positions only; use another model"
    require(plain, f"has_scaled_rope of {decoder.name}", decoder.has_scaled_rope, remedy)
    if decoder.family == "bloom":
        _require_bloom(decoder)


def supported_preset(name: str) -> Decoder:
    """Return a preset whose tokens can be computed.

    Raises `InputError` if there is none of this name, or if it is for planning only.
    """
    if name not in all_presets():
        require_known("model", name, [decoder.name for decoder in all_presets().values() if _is_supported(decoder)])
    decoder = preset(name)
    require_supported(decoder)
    return decoder


def _is_supported(decoder: Decoder) -> bool:
    try:
        require_supported(decoder)
    except InputError:
        return False
    return True


def checkpoint_decoder(path: Path) -> Decoder:
    """Return the decoder in a checkpoint's `config.json`.

    Raises `InputError` with what is missing, impossible or not computed by the torch blocks.
    """
    decoder = computable_decoder_from_config(path, SUPPORTED)
    require_supported(decoder)
    return decoder


def vocabulary_size(decoder: Decoder) -> int:
    """Return the size of the vocabulary; raise `InputError` if it is not known."""
    size = decoder.vocabulary_size
    if size is None:
        raise InputError(f"vocabulary_size of {decoder.name} = None: must be given where tokens are computed")
    return size


def _require_bloom(decoder: Decoder) -> None:
    """Raise `InputError` unless a decoder has the shape of BLOOM.

    Every head has its own keys and values, and the MLP has four times the hidden size.
    """
    equal = decoder.kv_head_count == decoder.head_count
    remedy = f"must be head_count = {decoder.head_count} in a BLOOM block"
    require(equal, f"kv_head_count of {decoder.name}", decoder.kv_head_count, remedy)
    wide = decoder.intermediate_size == 4 * decoder.hidden_size
    remedy = f"must be 4 x hidden_size = {4 * decoder.hidden_size} in a BLOOM block"
    require(wide, f"intermediate_size of {decoder.name}", decoder.intermediate_size, remedy)
