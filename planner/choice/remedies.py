"""Changes of an inventory with which a model fits that does not: a precision, cache tokens, more servers or memory."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from algorithms.placement.reservation import reserving_block_count
from planner.choice.chains.ends import with_less_memory
from system import System
from system.models.precisions import WEIGHTS, weight_precision
from system.words import counted, shortened

USUAL = ("int8", "q6_k", "q5_k_m", "q4_k_m", "nf4", "q3_k_m", "q2_k")  # precisions to name, where they are known
CLOSED = 0.1  # share of a server's memory that more than a workspace takes
LEAST_TOKENS = 128  # of a cache that is worth naming


def remedy_words(system: System) -> str:
    """Return what makes the model fit, in words, each remedy alone."""
    changes = [*_precision(system), *_tokens(system), *_servers(system), *_open_memory(system)]
    if not changes:
        return "add larger servers, or choose a smaller model"
    return f"it fits with {', or '.join(changes)}"


def hosted_blocks(system: System) -> int:
    """Return how many blocks the servers host beside one request's cache."""
    return int(reserving_block_count(system, 1).sum())


def _fits(system: System) -> bool:
    """Return whether all blocks fit, and the output head beside those of one server."""
    with_head = replace(system, servers=with_less_memory(system.servers, system.model.head_gb))
    blocks = reserving_block_count(system, 1)
    lost = (blocks - reserving_block_count(with_head, 1))[blocks > 0]
    return bool(blocks.sum() - lost.min(initial=system.model.block_count) >= system.model.block_count)


def _precision(system: System) -> Iterator[str]:
    """Yield the largest usual precision with which the model fits."""
    model = system.model
    now = next((name for name in WEIGHTS if model.name.endswith(f"_{name}")), "16 bit")
    now_bytes = weight_precision(now).value_bytes
    sizes = {name: weight_precision(name).value_bytes for name in USUAL if name in WEIGHTS}
    for name, value_bytes in sorted(sizes.items(), key=lambda item: -item[1]):
        smaller = replace(model, block_memory_gb=model.block_memory_gb * value_bytes / now_bytes)
        if value_bytes < now_bytes and _fits(replace(system, model=smaller)):
            yield f"weights: {name}"
            return


def _tokens(system: System) -> Iterator[str]:
    """Yield the most cache tokens that fit, in whole hundreds if possible."""
    low, high = 0, system.model.cache_tokens
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fits(_with_tokens(system, middle)) else (low, middle)
    tokens = low // 100 * 100 or low
    if tokens >= LEAST_TOKENS:
        yield f"cache_tokens: {tokens}"


def _with_tokens(system: System, tokens: int) -> System:
    model = system.model
    cache_gb = model.cache_memory_gb * tokens / model.cache_tokens
    return replace(system, model=replace(model, cache_tokens=tokens, cache_memory_gb=cache_gb))


def _servers(system: System) -> Iterator[str]:
    """Yield how many more of the largest server make the model fit."""
    blocks = reserving_block_count(system, 1)
    largest = int(blocks.argmax())
    if blocks[largest] > 0:
        count = int(np.ceil((system.model.block_count - blocks.sum()) / blocks[largest]))
        yield f"{counted(count, 'more server')} like {system.servers.name(largest)}"


def _open_memory(system: System) -> Iterator[str]:
    """Yield servers that need more of their memory open to the GPU."""
    servers = system.servers
    closed = servers.memory_gb < (1 - CLOSED) * servers.gpu_memory_gb  # not where the memory of a GPU is not stated
    whole_gb = np.where(closed, servers.gpu_memory_gb * (1 - CLOSED / 2), servers.memory_gb)
    if closed.any() and _fits(replace(system, servers=replace(servers, memory_gb=whole_gb))):
        names = shortened([servers.name(j) for j in np.flatnonzero(closed).tolist()], 3)
        yield f"free_memory_gb for {names}, if the GPU may use more of the memory there than a plan takes"
