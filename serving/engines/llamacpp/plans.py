"""What llama.cpp can serve of a layout: chains with servers of their own, reached over the hub."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from exports.llamacpp import MOST_DEVICES, MOST_SLOTS, SLOT_TOKENS, context_tokens
from serving.engines.llamacpp.gguf_model import ModelFacts
from system import InputError, NotApplicableError, ServedModel
from system.composition import Chain, Composition
from system.layout import Layout
from system.models.decoder import Decoder
from system.models.presets import preset
from system.system import System


class Hop(NamedTuple):
    """A server of a chain, the blocks that it runs, and the round trip that is added to each visit."""

    name: str
    blocks: tuple[int, ...]
    rtt_s: float


class ChainPlan(NamedTuple):
    """The servers of a chain in order, and the requests that it serves at once."""

    name: str
    hops: tuple[Hop, ...]
    slots: int

    @property
    def block_counts(self) -> list[int]:
        """Return the number of blocks of each hop."""
        return [len(hop.blocks) for hop in self.hops]


def chain_plans(layout: Layout, emulates_rtt: bool) -> list[ChainPlan]:
    """Return the chains of a layout; raise `NotApplicableError` if llama.cpp cannot serve them."""
    system = layout.system
    if system.forwarding != "hub":
        raise NotApplicableError(
            f"forwarding = {system.forwarding}: a llama-server exchanges activations with each RPC server itself; use "
            "forwarding=hub"
        )
    composition = layout.composition()
    _require_own_servers(composition)
    rtt_s = _rtt_s(system) if emulates_rtt else np.zeros(len(system.servers))
    return [_chain_plan(k, chain, system, rtt_s) for k, chain in enumerate(composition.chains)]


def written_decoder(model: ServedModel) -> Decoder:
    """Return a preset's decoder with the model's number of blocks."""
    return replace(preset(model.name), block_count=model.block_count)


def require_model(model: ServedModel, facts: ModelFacts, file: object) -> None:
    """Raise `InputError` unless a model file has the layout's blocks and enough context."""
    if facts.block_count != model.block_count:
        raise InputError(
            f"model.block_count = {model.block_count}: {file} has {facts.block_count} blocks and llama.cpp loads "
            "all of them; set that number"
        )
    needed = context_tokens(1, model.cache_tokens)
    if facts.context_tokens < needed:
        raise InputError(
            f"model.cache_tokens = {model.cache_tokens}: takes slots of {needed} tokens (a multiple of {SLOT_TOKENS}), "
            f"but {file} allows {facts.context_tokens}; use fewer, or another file"
        )


def _chain_plan(k: int, chain: Chain, system: System, rtt_s: NDArray[np.float64]) -> ChainPlan:
    """Return the plan of chain k within the limits of a llama-server."""
    if len(chain.servers) > MOST_DEVICES:
        raise NotApplicableError(
            f"chain {k} = {len(chain.servers)} servers: a llama-server takes at most {MOST_DEVICES}; use larger servers"
        )
    if chain.capacity > MOST_SLOTS:
        raise NotApplicableError(
            f"capacity of chain {k} = {chain.capacity}: a llama-server has at most {MOST_SLOTS} slots; use fewer"
        )
    ends = np.cumsum(chain.blocks)
    hops = tuple(
        Hop(system.servers.name(j), tuple(range(end - count, end)), float(rtt_s[j]))
        for j, count, end in zip(chain.servers, chain.blocks, ends.tolist(), strict=True)
    )
    return ChainPlan(f"chain {k}", hops, chain.capacity)


def _require_own_servers(chains: Composition) -> None:
    """Raise `NotApplicableError` if chains share a server."""
    first = next((j for j in chains.hop_server.tolist() if j in chains.shared_servers), None)
    if first is not None:
        uses = np.count_nonzero(chains.hop_server == first)
        raise NotApplicableError(
            f"chains = {len(chains)}: {uses} of them use {chains.system.servers.name(first)}, and an RPC "
            "server serves one llama-server at a time; use a scheme of chains with their own servers, such as "
            "allocation=reserved_only"
        )


def _rtt_s(system: System) -> NDArray[np.float64]:
    rtt_s = system.servers.orchestrator_rtt_s
    if rtt_s is None:
        raise NotApplicableError("emulate = rtt: this cluster's network has no round trips; use emulate=nothing")
    return rtt_s
