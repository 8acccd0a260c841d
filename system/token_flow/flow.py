"""The largest flow of tokens from the orchestrator through the servers of a placement and back."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from system.placement import Placement
from system.system import System
from system.token_flow.rates import tokens_per_s

Floats = NDArray[np.float64]

TOKEN_BYTES = 2  # of the number of a token, which travels with its activations


class Flow(NamedTuple):
    """The largest flow of tokens through a placement, and what each link carries of it.

    The last row of `edge_tokens_per_s` is the orchestrator as source, the last column the orchestrator as sink.
    """

    tokens_per_s: float
    edge_tokens_per_s: Floats  # (J + 1, J + 1)


def link_tokens_per_s(system: System) -> Floats:
    """Return (J + 1, J + 1) the tokens/s that each link carries.

    They are infinite without a bandwidth. Row i, column j is the link from server i to server j; the last row and
    column are the orchestrator. Over the hub, all activations of a server pass its link to the orchestrator.
    """
    servers = system.servers
    orchestrator_s = servers.communication_s[:, 1] / 2  # activations of a prompt token cross the link twice
    with np.errstate(divide="ignore"):
        to_orchestrator = 1 / orchestrator_s
        if system.forwarding == "hub":
            between = np.minimum.outer(to_orchestrator, to_orchestrator)
        elif servers.activation_s is None:
            between = np.full((len(servers),) * 2, np.inf)
        else:
            alone = system.model.activation_bytes
            between = 1 / (servers.activation_s * (alone + TOKEN_BYTES) / alone)
    table = np.full((len(servers) + 1,) * 2, np.inf)
    table[:-1, :-1], table[-1, :-1], table[:-1, -1] = between, to_orchestrator, to_orchestrator
    return table


def max_flow(system: System, placement: Placement, partial: bool = True, rates: Floats | None = None) -> Flow:
    """Return the largest flow of tokens/s through a placement.

    A token may go from server i to server j if j hosts the block that comes after those of i, and more than i does.
    With `partial`, j then runs the rest of its blocks; without, j must begin with that block. A token that passes a
    server uses it as if it ran all blocks that the server hosts. The flow is that of a linear program. `rates` are
    those of `tokens_per_s`, for callers that look at many placements of a system.
    """
    placement.check(system)
    joined = _joined(placement, system.model.block_count, partial)
    source, target = np.nonzero(joined)
    count = len(system.servers)
    rates = tokens_per_s(system) if rates is None else rates
    capacity = np.take_along_axis(rates, placement.block_count[:, None], axis=1)[:, 0]
    links = link_tokens_per_s(system)
    if system.forwarding == "hub":
        capacity = np.minimum(capacity, links[:-1, -1])
    edges = np.arange(source.size)
    flows_in = csr_array((np.ones(edges.size), (target, edges)), shape=(count + 1, edges.size))[:count]
    flows_out = csr_array((np.ones(edges.size), (source, edges)), shape=(count + 1, edges.size))[:count]
    table = np.zeros((count + 1, count + 1))
    if edges.size == 0:
        return Flow(0.0, table)
    best = milp(
        -(target == count).astype(np.float64),  # all that reaches the sink
        bounds=Bounds(0, links[source, target]),
        constraints=[LinearConstraint(flows_in, ub=capacity), LinearConstraint(flows_in - flows_out, 0, 0)],
    )
    assert best.x is not None  # no flow is always a solution
    table[source, target] = np.maximum(best.x, 0.0)
    return Flow(float(table[:, -1].sum()), table)


def _joined(placement: Placement, model_blocks: int, partial: bool) -> NDArray[np.bool_]:
    """Return (J + 1, J + 1) whether a token may go there.

    The last row is the source, the last column the sink.
    """
    hosts = placement.block_count > 0
    first, end = placement.first_block, placement.end_block
    reached, needed = np.append(end, 0), first  # the next block of a token from each server, and from the source
    onward = (needed <= reached[:, None]) & (end > reached[:, None]) if partial else needed == reached[:, None]
    joined = np.zeros((hosts.size + 1,) * 2, dtype=np.bool_)
    joined[:, :-1] = onward & hosts & np.append(hosts, True)[:, None]
    joined[:-1, -1] = hosts & (end == model_blocks)
    return joined
