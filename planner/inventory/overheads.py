"""What messages cost beside their round trips, by the engine and the distance of each server."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.listed.machines import OVERHEAD_KEYS
from hardware_profiles.quantities import plausible
from planner.inventory.engines import ANY, ENGINES, Engine
from system import Servers
from system.documents.entries import Entry

Floats = NDArray[np.float64]

FAR_MS = 5.0  # a longer round trip than this leaves the building
NOTHING = (0.0, 0.0)
OVERRIDE = "to override it write overheads: {prefill_ms: ..., token_ms: ...}"


class Overheads(NamedTuple):
    """The overheads (ms) of a message with a prompt and of one with a token, by what they come from."""

    near: tuple[float, float]
    far: tuple[float, float]
    given: tuple[float | None, float | None]  # by the file, for all servers

    def per_server_s(self, rtt_s: Floats) -> tuple[Floats, Floats]:
        """Return (J,) overheads of prompts and of tokens.

        A server without a round trip is in the orchestrator's own machine, where a message costs nothing.
        """
        far, in_machine = rtt_s * 1e3 > FAR_MS, rtt_s == 0
        prefill_ms, token_ms = (
            np.where(in_machine, 0.0, np.where(far, far_ms, near_ms))
            if given_ms is None
            else np.full(far.shape, given_ms)
            for near_ms, far_ms, given_ms in zip(self.near, self.far, self.given, strict=True)
        )
        return prefill_ms / 1e3, token_ms / 1e3


def overheads_of(top: Entry, engine: Engine) -> Overheads:
    """Return the overheads of a file, by default its engine's."""
    entry = top.part("overheads", "a mapping", OVERHEAD_KEYS) if "overheads" in top else Entry("overheads", {})
    prefill_ms, token_ms = (plausible(entry, key, "ms") if key in entry else None for key in OVERHEAD_KEYS)
    near, far = near_and_far(engine)
    return Overheads(_of(near), _of(far), (prefill_ms, token_ms))


def near_and_far(engine: Engine) -> tuple[Engine, Engine]:
    """Return the engines whose messages to near and to far servers cost as much.

    Without an engine, near servers count as those of llama.cpp and far ones as those of PETALS.
    """
    return (ENGINES["llama.cpp"], ENGINES["petals"]) if engine == ANY else (engine, engine)


def with_overheads(servers: Servers, overheads: Overheads) -> Servers:
    """Return servers whose messages, free so far, cost their overheads."""
    rtt_s = np.zeros(len(servers)) if servers.orchestrator_rtt_s is None else servers.orchestrator_rtt_s
    prefill_s, token_s = overheads.per_server_s(rtt_s)
    cost_s = np.column_stack([prefill_s, np.zeros(rtt_s.size), token_s])
    return replace(servers, communication_s=servers.communication_s + cost_s, overhead_s=cost_s)


def overhead_lines(servers: Servers, overheads: Overheads, engine: Engine) -> Iterator[str]:
    """Yield what a message costs beside its round trip, lines for people."""
    missing = [key for key, given_ms in zip(OVERHEAD_KEYS, overheads.given, strict=True) if given_ms is None]
    if not missing:
        yield "a message takes its round trip and the given overheads"
        return
    rtt_ms = np.zeros(1) if servers.orchestrator_rtt_s is None else servers.orchestrator_rtt_s * 1e3
    near, far = near_and_far(engine)
    parts = {
        f"up to {FAR_MS:g} ms away": (near, overheads.near, (rtt_ms > 0) & (rtt_ms <= FAR_MS)),
        "farther away": (far, overheads.far, rtt_ms > FAR_MS),
    }
    for where, (source, costs_ms, chosen) in parts.items():
        if chosen.any():
            costs = dict(zip(OVERHEAD_KEYS, costs_ms, strict=True))
            yield (
                f"a message to a server {where} takes its round trip and "
                f"{' and '.join(f'{key} = {costs[key]:g}' for key in missing)}: {source.source}; {OVERRIDE}"
            )
    if (rtt_ms == 0).any():
        yield "a message to a server with rtt_ms: 0, in the orchestrator's own machine, has no overhead"


def _of(engine: Engine) -> tuple[float, float]:
    return engine.prefill_ms, engine.token_ms
