"""What servers host by their profiles: caps on blocks, memory, and measurements behind their token rates."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.profile import GpuProfile
from system import ServedModel, Servers

HOSTING = ("stated", "memory")  # what a list of servers keeps to: the statements of profiles, or memory alone


def hosted(servers: Servers, profiles: Sequence[GpuProfile], model: ServedModel, stated: bool = True) -> Servers:
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
