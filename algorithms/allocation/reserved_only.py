"""The reserved chains alone: what Alg. 1 guarantees before GCA makes better use of the memory (paper Sec. 3.1)."""

import numpy as np

from system import Composition, InfeasibleError, Placement, System


def reserved_only(system: System, placement: Placement) -> Composition:
    """Return the disjoint chains for which the placement reserves cache.

    Each has capacity c, and each block is run at the first server of the chain that hosts it. Raises `InfeasibleError`
    if the placement reserves no chain.
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
