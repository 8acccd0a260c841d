"""What listed servers may host: by their profiles, by memory alone, or as an entry says."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hardware_profiles.hosting import HOSTING, hosted
from hardware_profiles.profile import GpuProfile
from system import ServedModel, Servers
from system.checks import require_one_of
from system.documents.entries import Entry
from system.limits import BLOCKS


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
    memory nor the blocks. An entry's own `free_memory_gb` and `most_blocks` come before its profile's.
    """
    rule = top.text("hosting", "stated or memory") if "hosting" in top else HOSTING[0]
    require_one_of(HOSTING, hosting=rule)
    stated = rule == HOSTING[0]
    servers = hosted(servers, np.repeat(np.array(gpus, dtype=object), counts).tolist(), model, stated)
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


def _stated_memory_gb(entry: Entry, gpu: GpuProfile, model: ServedModel) -> float:
    """Return the memory that a profile states, NaN where it does not count."""
    stated = gpu.hosting.get(model.name, {}).get("free_memory_gb", np.nan)
    return float(np.nan if "free_memory_gb" in entry else stated)
