"""Form chains of the servers in the order in which the cluster lists them."""

import numpy as np

from algorithms.placement.reservation import form_chains, reserving_block_count
from system import Placement, System


def in_order(system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
    """Place chain after chain, each server with room for c jobs on its blocks."""
    return form_chains(system, reserved_capacity, np.flatnonzero(reserving_block_count(system, reserved_capacity)))
