"""What listed servers may host: by their profiles, by memory alone, or as an entry says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.listed.memory import FREE_KEYS
from hardware_profiles.profile import GpuProfile
from system import ServedModel, Servers
from system.checks import require_one_of
from system.documents.entries import Entry
from system.limits import BLOCKS

HOSTING = ("stated", "memory")  # what a list of servers keeps to: the statements of profiles, or memory alone


def hosting_of(
    top: Entry,
    entries: Sequence[Entry],
    gpus: Sequence[GpuProfile],
    counts: Sequence[int],
    model: ServedModel,
    servers: Servers,
) -> Servers:
    """Return listed servers with their caps, memory and measurements.

    The entries have one GPU each and `counts` servers. With `hosting: memory` in the file, profiles cap neither the
    memory nor the blocks. An entry's own free memory and `most_blocks` come before its profile's.
    """
    rule = top.text("hosting", "stated or memory") if "hosting" in top else HOSTING[0]
    require_one_of(HOSTING, hosting=rule)
    stated = rule == HOSTING[0]
    servers = _hosted(servers, np.repeat(np.array(gpus, dtype=object), counts).tolist(), model, stated)
    memory_gb = [
        _stated_memory_gb(entry, gpu, model) if stated else np.nan for entry, gpu in zip(entries, gpus, strict=True)
    ]
    own = [
        entry.count("most_blocks", "a number of blocks", BLOCKS) if "most_blocks" in entry else 0 for entry in entries
    ]
    stated_gb, own_blocks = np.repeat(memory_gb, counts), np.repeat(own, counts)
    if own_blocks.any():
        most = servers.capped(np.full(len(servers), model.block_count))
        servers = replace(servers, most_blocks=np.where(own_blocks > 0, own_blocks, most))
    return replace(servers, memory_gb=np.where(np.isnan(stated_gb), servers.memory_gb, stated_gb))


def _hosted(servers: Servers, profiles: Sequence[GpuProfile], model: ServedModel, stated: bool) -> Servers:
    """Return servers with what their profiles measured and state of hosting a model.

    Without `stated`, numbers of blocks are capped by memory alone; the measurements stay.
    """
    facts = [profile.hosting.get(model.name, {}) for profile in profiles]
    most = _blocks("most_blocks", facts, model.block_count) if stated else None
    return replace(
        servers,
        most_blocks=most,
        typical_blocks=_blocks("typical_blocks", facts, 0) if stated else None,
        prompt_curves=tuple(profile.prompt_curve(model) for profile in profiles),
        cache_tokens=tuple(fact.get("cache_tokens", ()) for fact in facts),
    )


def _blocks(field: str, facts: Sequence[Mapping[str, Any]], otherwise: int) -> NDArray[np.int64] | None:
    """Return (J,) stated numbers of blocks; None if no server states one."""
    if not any(field in fact for fact in facts):
        return None
    return np.array([fact.get(field, otherwise) for fact in facts])


def _stated_memory_gb(entry: Entry, gpu: GpuProfile, model: ServedModel) -> float:
    """Return the memory that a profile states, NaN where it does not count."""
    stated = gpu.hosting.get(model.name, {}).get("free_memory_gb", np.nan)
    return float(np.nan if any(key in entry for key in FREE_KEYS) else stated)
