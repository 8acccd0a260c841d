"""The compositions from which a search starts."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from algorithms.composition_search.state import State, empty_state
from algorithms.equal_split import equal_split_placement
from algorithms.placement.cg_bp import CgBp
from algorithms.placement.petals import PetalsPlacement
from algorithms.placement.reservation import by_amortised_time, reserving_block_count
from algorithms.placement.whole_model import whole_model
from system import InfeasibleError, InputError, Placement, System

SESSIONS = np.unique(np.geomspace(1, 128, 15).astype(np.int64)).tolist()  # R of CG-BP
STAGES = 64  # most stages of an equal split
CAPACITIES = 1000  # most c of GBP-CR


def reserved_capacities(system: System) -> Iterator[int]:
    """Yield every c that changes the block counts of GBP-CR.

    Larger ones leave too few blocks for a chain.
    """
    before = np.empty(0, np.int64)
    for c in range(1, min(system.largest_reservation, CAPACITIES) + 1):
        block_count = reserving_block_count(system, c)
        if block_count.sum() < system.model.block_count:
            return
        if not np.array_equal(block_count, before):
            yield c
        before = block_count


def reserved_state(system: System, c: int) -> State:
    """Return the state that is decoded as the placement of GBP-CR at c.

    Servers that can host no block at this c come last.
    """
    state = empty_state(len(system.servers))
    order, _ = by_amortised_time(system, c)
    state.order[:] = np.concatenate([order, np.setdiff1d(np.arange(state.order.size), order)])
    state.reservation[:] = c
    return state


def placed_starts(system: System, rng: np.random.Generator) -> Iterator[Placement]:
    """Yield the placements of other schemes; those that are infeasible are left out."""
    schemes: list[Callable[[], Placement]] = [
        partial(whole_model, system, 1),
        partial(PetalsPlacement(), system, 1, rng),
    ]
    schemes += [partial(CgBp(), system, sessions) for sessions in SESSIONS]
    most_stages = min(STAGES, system.model.block_count, len(system.servers))
    schemes += [partial(equal_split_placement, system, stages) for stages in range(1, most_stages + 1)]
    for scheme in schemes:
        try:
            yield scheme()
        except (InfeasibleError, InputError):  # PETALS also needs the width of the model
            continue
