"""Chains as engines see them: which of them can have an engine of their own, and their hops in words."""

from dataclasses import dataclass

import numpy as np

from system import Composition


@dataclass(frozen=True)
class Export:
    """Start commands for one engine."""

    engine: str
    chains: tuple[int, ...]  # that the commands start, with their capacities
    reason: str  # why not all; empty if all
    script: str  # for a shell

    @property
    def name(self) -> str:
        """Return the engine's name within a file's name."""
        return self.engine.lower().replace(".", "")


def own_chains(composition: Composition) -> list[int]:
    """Return the chains that share no server with another chain."""
    shared = np.isin(composition.hop_server, list(composition.shared_servers))
    return np.flatnonzero(~np.logical_or.reduceat(shared, composition.hop_start[:-1])).tolist()


def hop_words(composition: Composition, k: int) -> list[str]:
    """Return the hops of chain k as `server first:end`.

    Blocks count as in PETALS: from 0, and `end` is excluded.
    """
    chain, first, words = composition.chain(k), 0, []
    for server, blocks in zip(chain.servers, chain.blocks, strict=True):
        words.append(f"{composition.system.servers.name(server)} {first}:{first + blocks}")
        first += blocks
    return words


def shared_names(composition: Composition, k: int) -> list[str]:
    """Return the names of the servers of chain k that other chains use, too."""
    servers = composition.chain(k).servers
    return [composition.system.servers.name(j) for j in servers if j in composition.shared_servers]
