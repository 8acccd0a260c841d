"""The reserved chains and nothing else: what Alg. 1 guarantees before GCA makes more of the memory (paper Sec. 3.1)."""

import numpy as np

from system import Composition, InfeasibleError, Placement, System


def reserved_only(system: System, placement: Placement) -> Composition:
    """The disjoint chains for which the placement reserves cache, each with capacity c.

    Each block is run at the first server of the chain that hosts it. Raises `InfeasibleError` if none is reserved.
    """
    server, start = placement.reserved_hops()
    if server.size == 0:
        raise InfeasibleError(
            "allocation = reserved_only: the placement reserves no complete chain; "
            "add servers, reserve less cache, or choose another allocation or placement"
        )
    blocks = np.diff(placement.end_block[server], prepend=0)
    blocks[start[:-1]] = placement.end_block[server[start[:-1]]]
    capacity = np.full(start.size - 1, placement.reserved_capacity)
    return Composition.of_hops(system, placement, server, blocks, start, capacity)
