"""The precision of quantised weights, from the `config.json` of their repository."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from system.checks import require
from system.models.precisions import GROUPED, WEIGHTS

# Where a config states how its weights are quantised; the second one is that of MLX, the third one is older.
KEYS = ("quantization_config", "quantization", "compression_config")
GROUP = 128  # of AWQ and GPTQ by default
REMEDY = "is not understood; give the precision of the weights as weights, such as q4_k_m or awq, beside config"


def quantised_weights(path: Path, config: Mapping[str, Any]) -> str | None:
    """Return the precision that a config states, or None.

    Raises `InputError` for ways of quantising that are not understood.
    """
    key = next((key for key in KEYS if config.get(key)), None)
    if key is None:
        return None
    field, given = f"{key} in {path}", config[key]
    require(isinstance(given, Mapping), field, given, REMEDY)
    weights = _weights(key, given)
    require(weights is not None, field, given.get("quant_method", given), REMEDY)
    return weights


def _weights(key: str, given: Mapping[str, Any]) -> str | None:
    """Return the precision of a method, or None."""
    if key == "quantization":
        return _grouped("mlx", given, 64)
    method = str(given.get("quant_method", given.get("format", ""))).lower().replace("_", "-")
    if method in ("awq", "gptq"):
        return _grouped(method, given, GROUP)
    if method == "bitsandbytes" or given.get("load_in_4bit") or given.get("load_in_8bit"):
        return "nf4" if given.get("load_in_4bit") else "int8" if given.get("load_in_8bit") else None
    if method in ("fp8", "fbgemm-fp8", "mxfp4"):
        return "mxfp4" if method == "mxfp4" else "fp8"
    if method == "modelopt":
        algorithm = str(given.get("quant_algo", "")).lower()
        return algorithm if algorithm in ("nvfp4", "fp8") else None
    return _compressed(given) if method in ("compressed-tensors", "pack-quantized", "float-quantized") else None


def _grouped(scheme: str, given: Mapping[str, Any], group: int) -> str | None:
    """Return the name of a precision with groups."""
    bits, size = given.get("bits", given.get("w_bit")), given.get("group_size", given.get("q_group_size"))
    size = group if size is None else 0 if size == -1 else size
    if scheme == "awq" and bits is None:
        bits = 4
    if type(bits) is not int or type(size) is not int:
        return None
    name = f"{scheme}_{bits}bit_g{size}"
    usual = scheme if scheme != "mlx" and bits == 4 else f"{scheme}_{bits}bit"
    if size == group and usual in WEIGHTS:
        return usual
    return name if GROUPED.fullmatch(name) else None


def _compressed(given: Mapping[str, Any]) -> str | None:
    """Return the precision that all groups have, or None."""
    groups = given.get("config_groups")
    parts = [_of_group(group) for group in groups.values()] if isinstance(groups, Mapping) else []
    return parts[0] if parts and all(part == parts[0] for part in parts) else None


def _of_group(group: Any) -> str | None:
    """Return the precision of a group, or None."""
    weights = group.get("weights") if isinstance(group, Mapping) else None
    if not isinstance(weights, Mapping):
        return None
    kind = (weights.get("num_bits"), weights.get("type"))
    if kind == (8, "float"):
        return "fp8"
    if kind == (4, "float"):
        return "nvfp4" if weights.get("group_size") == 16 else "mxfp4" if weights.get("group_size") == 32 else None
    if kind == (8, "int"):
        return "w8a8" if weights.get("group_size") in (None, -1) else "w8a16"
    return "w4a16" if kind == (4, "int") else None
