"""Servers as arrays.

A hundred thousand servers fit in memory, and every algorithm is a few array operations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system.checks import float_array, float_vector, require, whole_vector
from system.errors import NotApplicableError


def _time_coefficients(name: str, values: ArrayLike, server_count: int) -> NDArray[np.float64]:
    """Return time coefficients as (J, 3).

    `values` are (J, 3) coefficients, or (J,) seconds that do not depend on the job.
    """
    array = float_array(name, values)
    if array.ndim == 1:
        array = np.column_stack([array, np.zeros((array.size, 2))])
    require(
        array.shape == (server_count, 3),
        name,
        f"array of shape {np.shape(values)}",
        f"must have shape ({server_count},) or ({server_count}, 3), with one row for each server",
    )
    float_vector(name, array.ravel())
    return np.ascontiguousarray(array)


def _unstated() -> NDArray[np.float64]:
    """Return a number that no server states."""
    return np.array(np.nan)


BETWEEN_SERVERS = ("rtt_s", "activation_s")  # fields of `Servers` with a number for each pair


def _only(values: Any, members: NDArray[np.int64]) -> Any:
    """Return the values of some servers; a field that is not stated stays so."""
    if values is None or len(values) == 0:
        return values
    return tuple(values[j] for j in members) if isinstance(values, tuple) else values[members]


@dataclass(frozen=True)
class Servers:
    """J servers with their memory and the time of a job's visit.

    Times are coefficients of x = (1, input tokens, output tokens - 1). A job described by x spends
    `communication_s[j] @ x` seconds on communication with server j, once per visit, and `block_s[j] @ x` seconds on
    each block that it runs there. Both may also be given as plain vectors of seconds. The round-trip times to the
    orchestrator and between servers are for schemes that use them; some networks do not know those between servers.
    `overhead_s` and `activation_s` are for hops that go from server to server: the part of `communication_s` that is
    the server's own work for a visit, and the seconds that the activations of one token take from server to server.
    `batch_curves` has the measured times of stacks of one-token steps by their sizes, relative to a single step. Costs
    and powers are for metrics only. Parallax plans with `gpu_memory_gb` and `gpu_tflops`, the data sheets' numbers.

    `most_blocks` caps the blocks that a server may host, beside its memory. What a server carries when it hosts some
    blocks (`system.token_flow`) depends on three more measurements: `prompt_curves` has the seconds of a prompt in one
    block by its tokens; `cache_tokens` has the tokens whose cache fits beside 1, 2, ... hosted blocks; and
    `typical_blocks` are those that a server usually hosts.
    """

    memory_gb: NDArray[np.float64]  # (J,), M_j
    communication_s: NDArray[np.float64]  # (J, 3), mean gives τc_j
    block_s: NDArray[np.float64]  # (J, 3), mean gives τp_j
    names: tuple[str, ...] = ()
    orchestrator_rtt_s: NDArray[np.float64] | None = field(default=None, repr=False)  # (J,)
    rtt_s: NDArray[np.float64] | None = field(default=None, repr=False)  # (J, J)
    overhead_s: NDArray[np.float64] | None = field(default=None, repr=False)  # (J, 3); None: 0
    activation_s: NDArray[np.float64] | None = field(default=None, repr=False)  # (J, J); None: 0
    batch_curves: tuple[Mapping[int, float], ...] = field(default=(), repr=False)  # of each server; {}: not measured
    most_blocks: NDArray[np.int64] | None = field(default=None, repr=False)  # (J,); None: only memory limits
    typical_blocks: NDArray[np.int64] | None = field(
        default=None, repr=False
    )  # (J,); 0 or None: two thirds of the most
    prompt_curves: tuple[Mapping[int, float], ...] = field(default=(), repr=False)  # of each server; {}: not measured
    cache_tokens: tuple[Sequence[int], ...] = field(default=(), repr=False)  # of each server; []: by its memory
    cost_per_hour: NDArray[np.float64] = field(
        default_factory=_unstated, repr=False
    )  # (J,), NaN where unknown; likewise:
    idle_w: NDArray[np.float64] = field(
        default_factory=_unstated, repr=False
    )  # power of a server that computes nothing
    busy_w: NDArray[np.float64] = field(default_factory=_unstated, repr=False)  # power of a server that computes
    gpu_memory_gb: NDArray[np.float64] = field(default_factory=_unstated, repr=False)  # all of the memory of its GPUs
    gpu_tflops: NDArray[np.float64] = field(default_factory=_unstated, repr=False)  # of 16 bit, by the data sheet

    def __post_init__(self) -> None:
        memory_gb = float_vector("memory_gb", self.memory_gb)
        count = memory_gb.size
        require(count > 0, "servers", "[]", "a cluster needs at least one server")
        require(
            len(self.names) in (0, count), "names", f"{len(self.names)} names", f"give one for each of {count} servers"
        )
        object.__setattr__(self, "memory_gb", memory_gb)
        object.__setattr__(self, "names", tuple(self.names))
        for name in ("batch_curves", "prompt_curves", "cache_tokens"):
            measured = len(getattr(self, name))
            require(measured in (0, count), name, f"{measured} curves", f"give one for each of {count} servers")
        for name in ("most_blocks", "typical_blocks"):
            if getattr(self, name) is not None:
                blocks = whole_vector(name, getattr(self, name), minimum=int(name == "most_blocks"))
                require(blocks.shape == (count,), name, f"array of shape {blocks.shape}", f"must have shape ({count},)")
                object.__setattr__(self, name, blocks)
        pairs = (count, count)
        shapes = {"orchestrator_rtt_s": (count,), "rtt_s": pairs, "overhead_s": (count, 3), "activation_s": pairs}
        for name, expected in shapes.items():
            if getattr(self, name) is not None:
                shape = np.shape(getattr(self, name))
                require(shape == expected, name, f"array of shape {shape}", f"must have shape {expected}")
        for name in ("cost_per_hour", "idle_w", "busy_w", "gpu_memory_gb", "gpu_tflops"):
            values = np.broadcast_to(float_array(name, getattr(self, name)), (count,))
            float_vector(name, values[~np.isnan(values)])
            object.__setattr__(self, name, values)
        for name in ("communication_s", "block_s"):
            object.__setattr__(self, name, _time_coefficients(name, getattr(self, name), count))

    def only(self, members: NDArray[np.int64]) -> "Servers":
        """Return some of the servers, given by index."""
        kept: dict[str, Any] = {item.name: _only(getattr(self, item.name), members) for item in fields(self)}
        for name in BETWEEN_SERVERS:
            values = getattr(self, name)
            kept[name] = None if values is None else values[np.ix_(members, members)]
        return Servers(**kept | {"names": tuple(self.name(int(j)) for j in members)})

    def __len__(self) -> int:
        return self.memory_gb.size

    def name(self, j: int) -> str:
        """Return the name of server j, "server j" if servers have no names."""
        return self.names[j] if self.names else f"server {j}"

    def capped(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (J,) numbers of blocks, each at most the server's `most_blocks`."""
        return blocks if self.most_blocks is None else np.minimum(blocks, self.most_blocks)

    def visit_coefficients_s(self, server: NDArray[np.int64], blocks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (n, 3) the time coefficients of n visits, by equation (2).

        Visit i runs `blocks[i]` blocks on `server[i]`.
        """
        return self.communication_s[server] + blocks[:, None] * self.block_s[server]

    def crossing_coefficients_s(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (n, 3) the time coefficients of n crossings between servers.

        A crossing takes half a round trip, the time of the activations, and half of the overhead of a visit at either
        end. Raises `NotApplicableError` if the network does not know the round trips between servers.
        """
        if self.rtt_s is None:
            raise NotApplicableError(
                "forwarding = direct: needs the round-trip times between servers, which this network does not know; "
                "use forwarding=hub or another network"
            )
        one_way_s = self.rtt_s[source, target] / 2
        activation_s = np.zeros_like(one_way_s) if self.activation_s is None else self.activation_s[source, target]
        crossing_s = np.stack([one_way_s, activation_s, one_way_s + activation_s], axis=-1)
        if self.overhead_s is not None:
            crossing_s += (self.overhead_s[source] + self.overhead_s[target]) / 2
        return crossing_s

    def all_crossing_coefficients_s(self) -> NDArray[np.float64]:
        """Return (J, J, 3) the time coefficients of crossings between any two servers."""
        return self.crossing_coefficients_s(*np.indices((len(self),) * 2))
