"""What each server of a swarm hosts, and the command that starts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from system.checks import require, require_count
from system.layout import Layout


@dataclass(frozen=True)
class Span:
    """The blocks `first` to `end` - 1 on one server, and the tokens whose cache each of them may hold."""

    name: str
    first: int
    end: int
    cache_tokens: int  # PETALS' --attn_cache_tokens

    def __post_init__(self) -> None:
        require(0 <= self.first < self.end, "blocks", f"{self.first}:{self.end}", "must be at least one block")
        require_count(cache_tokens=self.cache_tokens)

    @property
    def blocks(self) -> int:
        """Return the number of blocks."""
        return self.end - self.first


def spans_of(layout: Layout) -> list[Span]:
    """Return the spans of the servers that host blocks.

    A server's pool holds the tokens of all of its slots, spread evenly over its blocks.
    """
    placement, model, servers = layout.placement, layout.system.model, layout.system.servers
    slots = layout.slots_used()
    hosting = np.flatnonzero(placement.block_count > 0).tolist()
    return [
        Span(
            servers.name(j),
            int(placement.first_block[j]),
            int(placement.end_block[j]),
            int(slots[j] * model.cache_tokens // placement.block_count[j]),
        )
        for j in hosting
    ]


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The options that all servers of a swarm share."""

    model: Path  # folder in Hugging Face's format
    prefix: str = "chains"  # under which servers announce blocks, as a folder has no public name
    most_tokens: int = 2048  # of a session
    handlers: int = 2  # processes of a server that speak with clients
    update_s: float = 10.0  # between two announcements of the free cache; PETALS' default is 120
    device: str = "cpu"
    dtype: str = "float32"


def server_command(python: Path, span: Span, options: ServerOptions, identity: Path, peers: Sequence[str]) -> list[str]:
    """Return the command of one server; without `peers` it begins a new swarm.

    It listens on a port that the system chooses, and prints its address.
    """
    return [
        *(str(python), "-m", "petals.cli.run_server", str(options.model)),
        *(["--initial_peers", *peers] if peers else ["--new_swarm"]),
        *("--block_indices", f"{span.first}:{span.end}"),
        *("--attn_cache_tokens", str(span.cache_tokens), "--inference_max_length", str(options.most_tokens)),
        *("--dht_prefix", options.prefix, "--host_maddrs", "/ip4/127.0.0.1/tcp/0", "--identity_path", str(identity)),
        *("--num_handlers", str(options.handlers), "--update_period", str(options.update_s)),
        *("--quant_type", "none", "--torch_dtype", options.dtype, "--device", options.device),
        *("--throughput", "1", "--skip_reachability_check", "--no_auto_relay"),
    ]
