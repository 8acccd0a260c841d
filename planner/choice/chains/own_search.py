"""The search for the best chains that share no server.

A state is a list of chains, each with one of its options, and the kinds of the servers that are left. Up to six servers
are divided in every possible way. Otherwise starts are the chains of GBP-CR at every c and equal parts. Then servers
move between chains by simulated annealing, and a changed chain takes its best option.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.composition_search.objective import Stage
from algorithms.composition_search.values import NODES
from planner.choice.chains.own_chains import Chain, Option, OwnChains
from system import Composition

FEW = 6  # servers that are divided in every way
STARTS = 6  # that are annealed in turn
KEPT = 8  # best states that the goal decides among
HOT, COLD = 0.02, 2e-4  # temperatures, as shares of the value
MOVES, FEWEST_MOVES = 5_000, 1_500  # in all stages together, for up to forty servers and for very many
UNSTABLE = 1e30  # times the load, of a state that does not carry the rate


class State(NamedTuple):
    """Chains with their options, and the kinds of the servers left."""

    chains: tuple[Chain, ...]
    options: tuple[Option, ...]
    left: Chain


@dataclass
class OwnSearch:
    """The search at one arrival rate."""

    own: OwnChains
    prefix_values: Callable[..., Any]
    stage: Stage
    rng: np.random.Generator
    moves: int
    scratch: Any = field(default_factory=lambda: np.zeros((NODES + 6, NODES + 1)))

    def compositions(self, capacities: Sequence[int], further: Sequence[State] = ()) -> Iterator[Composition]:
        """Yield the best compositions; `capacities` are those of GBP-CR's starts."""
        for state in self.best_states(capacities, further):
            pairs = sorted(zip(state.chains, state.options, strict=True), key=lambda pair: pair[1].time_s)
            yield self.own.composition(pairs)
            kept = int(np.argmin(self.prefixes([option for _, option in pairs]))) + 1
            if kept < len(pairs):
                yield self.own.composition(pairs[:kept])

    def best_states(self, capacities: Sequence[int], further: Sequence[State] = ()) -> list[State]:
        """Return different states, the best first."""
        states: dict[frozenset[tuple[Chain, Option]], tuple[float, State]] = {}

        def keep(value: float, state: State) -> None:
            states.setdefault(frozenset(zip(state.chains, state.options, strict=True)), (value, state))

        starts = sorted(self._starts(capacities, further), key=lambda item: item[0])[:STARTS]
        starts = [self._with_best_options(state, range(len(state.chains))) for _, state in starts]
        for value, state in starts:
            keep(value, state)
        for value, state in starts:
            for better in self._annealed(value, state, self.moves // max(len(starts), 1)):
                keep(*better)
        return [state for _, state in sorted(states.values(), key=lambda item: item[0])[:KEPT]]

    def value(self, options: Sequence[Option]) -> float:
        """Return the value of the best of the fastest chains; less is better."""
        if not options:
            return np.inf
        least = float(self.prefixes(sorted(options, key=lambda option: option.time_s)).min())
        if least < np.inf:
            return least
        return UNSTABLE * self.stage.arrival_rate_per_s / sum(option.capacity / option.time_s for option in options)

    def prefixes(self, ordered: Sequence[Option]) -> NDArray[np.float64]:
        """Return the value of each number of the fastest chains.

        It is infinite where they do not carry the rate.
        """
        time_s = np.array([option.time_s for option in ordered])
        capacity = np.array([option.capacity for option in ordered])
        value, rate_per_s = np.full(time_s.size, np.inf), self.stage.arrival_rate_per_s
        if rate_per_s < (capacity / time_s).sum():
            settings = self.stage.settings
            self.prefix_values(rate_per_s, time_s, capacity, time_s.size, settings, self.scratch, value)
        return value

    def _starts(self, capacities: Sequence[int], further: Sequence[State]) -> Iterator[tuple[float, State]]:
        """Yield the starts with their values."""
        states = [*further]
        if self.own.kind_of.size <= FEW:
            states += [self._state(chains) for chains in _divisions(self.own.kind_of.tolist())]
        states += [self._state(self.own.reserved_chains(c)) for c in capacities]
        states += [self._state(chains) for chains in self._equal_parts()]
        different = {state.chains: state for state in states if state.chains}
        yield from ((self.value(state.options), state) for state in different.values())

    def _equal_parts(self) -> Iterator[list[Chain]]:
        """Yield chains of equal numbers of servers, sorted by kind."""
        kinds = np.sort(self.own.kind_of)
        for length in range(1, int(min(kinds.size, self.own.limits.devices)) + 1):
            chunks = np.split(kinds, np.arange(length, kinds.size, length))
            yield [tuple(chunk.tolist()) for chunk in chunks]
            if self.own.options(tuple(kinds[:length].tolist())):
                return

    def _state(self, chains: Sequence[Chain]) -> State:
        """Return the chains that can hold the model, with their largest capacities."""
        kept = tuple(sorted(chain for chain in chains if self.own.options(chain)))
        left = self.own.kind_of.tolist()
        for kind in (kind for chain in kept for kind in chain):
            left.remove(kind)
        return State(kept, tuple(self.own.options(chain)[-1] for chain in kept), tuple(sorted(left)))

    def _with_best_options(self, state: State, changed: Sequence[int]) -> tuple[float, State]:
        """Return a state with better options of changed chains, and its value."""
        options, least = list(state.options), self.value(state.options)
        for k in changed:
            for option in self.own.options(state.chains[k]):
                before, options[k] = options[k], option
                value = self.value(options)
                if value < least:
                    least = value
                else:
                    options[k] = before
        return least, state._replace(options=tuple(options))

    def _annealed(self, value: float, state: State, moves: int) -> Iterator[tuple[float, State]]:
        """Yield ever better states."""
        least = value
        for temperature in np.geomspace(HOT, COLD, max(moves, 1)):
            changed = self._neighbour(state)
            if changed is None:
                continue
            new_value, new_state = self._with_best_options(*changed)
            if new_value <= value * (1 - temperature * np.log(1 - self.rng.random())):
                value, state = new_value, new_state
            if new_value < least:
                least = new_value
                yield new_value, new_state

    def _neighbour(self, state: State) -> tuple[State, list[int]] | None:
        """Return a random change of a state and the numbers of its new chains.

        It is None if one of them cannot hold the model.
        """
        chains, count = list(state.chains), len(state.chains)
        a, b = int(self.rng.integers(count + 1)), int(self.rng.integers(count + 1))
        parts = [list(chain) for chain in (*chains, state.left)]
        choice = self.rng.random()
        if choice < 0.1 and a < count and len(parts[a]) > 1:
            parts = self._split(parts, a)
        elif choice < 0.2 and a != b:
            parts = self._merged(parts, a, b)
        elif a == b and a < count:
            option = self.own.options(chains[a])[int(self.rng.integers(len(self.own.options(chains[a]))))]
            options = (*state.options[:a], option, *state.options[a + 1 :])
            return state._replace(options=options), []
        elif a != b and parts[a]:
            moved = parts[a].pop(int(self.rng.integers(len(parts[a]))))
            if choice < 0.6 and parts[b]:
                parts[a].append(parts[b].pop(int(self.rng.integers(len(parts[b])))))
            parts[b].append(moved)
        return self._of_parts(state, parts)

    def _split(self, parts: list[list[int]], a: int) -> list[list[int]]:
        """Return the parts with the servers of one dealt to two."""
        servers = self.rng.permutation(parts[a]).tolist()
        cut = int(self.rng.integers(1, len(servers)))
        return [*parts[:a], servers[:cut], servers[cut:], *parts[a + 1 :]]

    def _merged(self, parts: list[list[int]], a: int, b: int) -> list[list[int]]:
        """Return the parts with one joined to another.

        Servers that are left are always the last part.
        """
        first, last = min(a, b), max(a, b)
        joined = parts[first] + parts[last]
        rest = [part for n, part in enumerate(parts) if n not in (first, last)]
        return [*rest, joined] if last == len(parts) - 1 else [*rest[:-1], joined, rest[-1]]

    def _of_parts(self, state: State, parts: list[list[int]]) -> tuple[State, list[int]] | None:
        """Return the state of some parts; chains that stay keep their options."""
        known = dict(zip(state.chains, state.options, strict=True))
        chains = [tuple(sorted(part)) for part in parts[:-1] if part]
        left = tuple(sorted(parts[-1]))
        if self.own.options(left):
            chains, left = [*chains, left], ()
        if not chains or not all(self.own.options(chain) for chain in chains):
            return None
        options = tuple(known.get(chain) or self.own.options(chain)[-1] for chain in chains)
        return State(tuple(chains), options, left), [n for n, chain in enumerate(chains) if chain not in known]


def _divisions(kinds: Sequence[int]) -> Iterator[list[Chain]]:
    """Yield every way to divide servers among chains."""

    def divided(rest: Sequence[int]) -> Iterator[list[list[int]]]:
        if not rest:
            yield []
            return
        for parts in divided(rest[1:]):
            yield [[rest[0]], *parts]
            for n in range(len(parts)):
                yield [*parts[:n], [rest[0], *parts[n]], *parts[n + 1 :]]

    different = {tuple(sorted(tuple(sorted(part)) for part in parts)) for parts in divided(kinds)}
    yield from (list(parts) for parts in different)
