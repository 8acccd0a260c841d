"""Bytes of what is measured, and whether a device has room for it. Needs no torch."""

from hardware_profiles.profiler.scope import Scope
from serving.blocks.architecture import Architecture
from system import InputError


def block_bytes(architecture: Architecture, value_bytes: int) -> int:
    """Weights of one block."""
    return architecture.block_parameters * value_bytes


def token_bytes(architecture: Architecture, value_bytes: int) -> int:
    """Cache of one token in one block."""
    return architecture.cache_values_per_token * value_bytes


def workspace_bytes(architecture: Architecture, tokens: int, value_bytes: int) -> int:
    """What a prompt needs at once besides: three rows of the MLP's width, and hidden states before and after a norm."""
    return tokens * (3 * architecture.intermediate_size + 2 * architecture.hidden_size) * value_bytes


def require_room(architecture: Architecture, scope: Scope, value_bytes: int, free_bytes: int) -> None:
    """Raise `InputError` with what is missing if the blocks and their cache do not fit."""
    blocks, tokens = scope.block_count, scope.cache_slot_count * scope.longest
    needed = blocks * block_bytes(architecture, value_bytes) + tokens * token_bytes(architecture, value_bytes)
    needed += workspace_bytes(architecture, scope.longest, value_bytes)
    if needed > free_bytes:
        raise InputError(
            f"model = {architecture.name}: {blocks} blocks and their cache need {needed / 1e9:.1f} GB, the device has "
            f"{free_bytes / 1e9:.1f} GB, so {(needed - free_bytes) / 1e9:.1f} GB ({needed - free_bytes} bytes) are "
            "missing; use fewer --stacks, smaller --batches, a shorter --longest or a 16-bit --dtype"
        )
