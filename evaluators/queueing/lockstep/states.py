"""The Markov chain of lockstep without a queue: its states are the numbers of busy slots of all chains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.markov import Lattice, generator_of, lattice_of, stationary
from system.composition import Composition
from system.dispatch import Dispatch
from system.errors import NotApplicableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST_STATE_COUNT = 20_000
CENTRAL = -1  # what a policy answers if a job waits in the central queue


@dataclass(frozen=True)
class States:
    """All states, the chain that takes a job in each, and -1 in the last one, where every slot is busy."""

    lattice: Lattice
    chosen: Ints

    def probabilities(self, rate_per_s: float, leaving_per_s: Sequence[Floats]) -> Floats:
        """Return the stationary distribution if jobs that find no free slot were lost.

        Chain k with b busy slots has the rate `leaving_per_s[k][b - 1]`. One chain has a closed form; for several the
        balance equations are solved.
        """
        if len(leaving_per_s) == 1:
            weight = np.cumprod(np.concatenate([[1.0], rate_per_s / leaving_per_s[0]]))
            return np.asarray(weight / weight.sum())
        busy, stride = self.lattice
        starts = np.flatnonzero(self.chosen != CENTRAL)
        moves = [(starts, starts + stride[self.chosen[starts]], np.full(starts.size, rate_per_s))]
        for k, rates in enumerate(leaving_per_s):
            serving = np.flatnonzero(busy[:, k])
            moves.append((serving, serving - stride[k], rates[busy[serving, k] - 1]))
        return stationary(generator_of(moves, len(busy)))

    def served_per_s(self, probability: Floats, leaving_per_s: Sequence[Floats]) -> Floats:
        """Return (K,) the rates at which jobs leave the chains in all states together."""
        by_busy = [np.concatenate([[0.0], rates]) for rates in leaving_per_s]
        return np.array([rates[self.lattice.busy[:, k]] @ probability for k, rates in enumerate(by_busy)])

    def joining(self, k: int, probability: Floats) -> Floats:
        """Return (c_k,) how likely a job joins 0, 1, ... others on chain k."""
        goes, most = self.chosen == k, int(self.lattice.busy[-1, k])
        return np.bincount(self.lattice.busy[goes, k], probability[goes], minlength=most).astype(np.float64)


def states_of(chains: Composition, rule: Dispatch) -> States:
    """Return the states of the chains under a dispatch policy.

    Raises `NotApplicableError` for more than 20,000 states, and for policies that leave slots free while a job waits,
    queue jobs at chains, or use random numbers.
    """
    states = float(np.prod(chains.capacity + 1.0))
    if states > LARGEST_STATE_COUNT:
        raise NotApplicableError(
            f"interference: {states:.15g} numbers of busy slots are too many, at most {LARGEST_STATE_COUNT:,} in "
            "lockstep; simulate this layout instead"
        )
    lattice = lattice_of(chains.capacity)
    chosen = np.array([_choice(chains, rule, busy) for busy in lattice.busy])
    full = (lattice.busy == chains.capacity).all(axis=1)
    free = chosen[~full]
    starts = (free >= 0) & (lattice.busy[~full, free] < chains.capacity[free])
    if not (starts.all() and (chosen[full] == CENTRAL).all() and rule.deterministic and rule.looks == "events"):
        raise NotApplicableError(
            f"interference: dispatch = {rule.name} is not known in lockstep, where a policy must send every job to a "
            "free slot and not use random numbers; use dispatch=jffc or simulate this layout"
        )
    return States(lattice, chosen)


def _choice(chains: Composition, rule: Dispatch, busy: Ints) -> int:
    """Return what the policy answers to one job."""
    idle = np.zeros(len(chains), np.int64)
    settings = rule.settings_for(chains)
    return rule.policy(busy, idle, 1, chains.capacity, chains.service_rate_per_s, settings, 0.0)
