"""The paths that requests may take: all of a layout's at first, later those without lost servers."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import float64, int64, types, void
from numpy.typing import NDArray

from algorithms.routing.links import RoutedComposition
from evaluators.admission import core
from evaluators.admission import routes as on_routes
from evaluators.admission.chains import CHAINS, Chains, lose_chains
from evaluators.admission.queues import filled_queues, jobs_in
from evaluators.admission.routes_state import (
    ROUTES,
    Routes,
    drop_dead_ends,
    drop_looks,
    looks_of,
    newcomers_of,
    set_waiting,
)
from system.code.compiler import Entry, entry
from system.composition import Composition
from system.dispatch import DISPATCH
from system.layout import Layout
from system.routing import DELAY


class Hop(NamedTuple):
    """A visit to a server, which runs `blocks` blocks from `first_block` (counted from 0) on."""

    server: int
    first_block: int
    blocks: int


Path = tuple[Hop, ...]


class Start(NamedTuple):
    """A job that starts now, with the hops of its path and its chain (-1 without chains)."""

    job: int
    path: Path
    chain: int


class Calls(NamedTuple):
    """The admission functions for one type of state, callable from Python."""

    arrive: Entry
    leave: Entry
    decide: Entry
    next_look_s: Entry


def _calls(rule: Any, state: Any) -> Calls:
    """Return the admission functions for one type of state."""
    return Calls(
        entry(void(state, int64))(_arrive),
        entry(void(state, int64))(_leave),
        entry(int64(types.FunctionType(rule), state, float64, int64[::1]))(_decide),
        entry(float64(state))(_next_look_s),
    )


# Python cannot call the functions of `core`, which only compiled code can pick by the type of the state. So each is
# wrapped in a function that is compiled.


def _arrive(state, job):  # type: ignore[no-untyped-def]
    core.arrive(state, job)


def _leave(state, held):  # type: ignore[no-untyped-def]
    core.leave(state, held)


def _decide(rule, state, now_s, started):  # type: ignore[no-untyped-def]
    return core.decide(rule, state, now_s, started)


def _next_look_s(state):  # type: ignore[no-untyped-def]
    return core.next_look_s(state)


class RemainingPaths(Protocol):
    """The paths through all blocks that remain when servers are lost; they differ for chains and routes."""

    calls: Calls

    def exist(self) -> bool:
        """Return whether any path remains."""

    def start(self, state: Any, job: int) -> Start:
        """Return the path and the chain of a job that has just started."""

    def held_by(self, start: Start) -> int | None:
        """Return what `leave` takes for a job; None if its chain is lost."""

    def needs_room(self, state: Any) -> bool:
        """Return whether the state must be enlarged to decide about all jobs."""

    def withdraw(self, state: Any, job: int) -> Any:
        """Return the state without a waiting job."""

    def lose(self, state: Any, server: int) -> tuple[Any, list[int]]:
        """Return the state without a server, and the waiting jobs that can never start."""


class RemainingChains:
    """The chains that do not use a lost server; the policy sees them in their former order."""

    calls = _calls(DISPATCH, CHAINS)

    def __init__(self, layout: Layout) -> None:
        chains = layout.composition()
        self._layout = chains
        self._paths = [_chain_path(chains, k) for k in range(len(chains))]
        self._chains = list(range(len(chains)))  # the number in the layout of each chain of the state

    def exist(self) -> bool:
        """Return whether any chain remains."""
        return bool(self._chains)

    def start(self, state: Chains, job: int) -> Start:
        """Return the path and the chain of a job that has just started."""
        chain = self._chains[state.chain[job]]
        return Start(job, self._paths[chain], chain)

    def held_by(self, start: Start) -> int | None:
        """Return the index of the job's chain in the state; None if lost."""
        return self._chains.index(start.chain) if start.chain in self._chains else None

    def needs_room(self, state: Chains) -> bool:
        """Return False: the state of chains never grows."""
        return False

    def withdraw(self, state: Chains, job: int) -> Chains:
        """Return the state without a job in its queues."""
        queues = range(state.queues.length.size)
        waiting = [[other for other in jobs_in(state.queues, queue) if other != job] for queue in queues]
        return state._replace(queues=filled_queues(waiting, state.uniform.size))

    def lose(self, state: Chains, server: int) -> tuple[Chains, list[int]]:
        """Drop the chains over a server.

        The jobs in the queues of these chains are the next ones that the policy decides about. Without any chain, all
        waiting jobs can never start.
        """
        kept = [k for k, chain in enumerate(self._chains) if all(hop.server != server for hop in self._paths[chain])]
        self._chains = [self._chains[k] for k in kept]
        state = lose_chains(state, np.array(kept, np.int64), self._settings())
        return state, [] if kept else jobs_in(state.queues, 0)

    def _settings(self) -> NDArray[np.float64]:
        """Return the policy's settings for the chains that remain; none without chains."""
        assert self._layout.rule is not None
        return self._layout.rule.settings_for(self._layout.only(self._chains)) if self._chains else np.empty(0)


class RemainingRoutes:
    """The routes that do not use a lost server."""

    calls = _calls(DELAY, ROUTES)
    _withdraw = entry(void(ROUTES, int64))(on_routes.withdraw.py_func)

    def __init__(self, layout: RoutedComposition) -> None:
        target, blocks = layout.links.target, layout.links.blocks
        first = layout.placement.end_block[target] - blocks
        numbers = zip(target.tolist(), first.tolist(), blocks.tolist(), strict=True)
        self._hops = [Hop(*hop) for hop in numbers]
        self._has_path = True

    def exist(self) -> bool:
        """Return whether any path remains."""
        return self._has_path

    def start(self, state: Routes, job: int) -> Start:
        """Return the path of a job that has just started."""
        return Start(job, self._path(state, job), -1)

    def held_by(self, start: Start) -> int | None:
        """Return the job itself, which holds its own path."""
        return start.job

    def needs_room(self, state: Routes) -> bool:
        """Return whether a list of jobs is full."""
        return bool(state.room.is_full[0])

    def withdraw(self, state: Routes, job: int) -> Routes:
        """Return the state without a waiting job and its claim to slots."""
        waiting = state.waiting
        committed = waiting.committed[: waiting.committed_count[0]].tolist()
        if job in committed:
            self._withdraw(state, job)
        drop_looks(waiting.looks, [job])
        newcomers = newcomers_of(waiting)
        set_waiting(waiting, *([other for other in jobs if other != job] for jobs in (newcomers, committed)))
        return state

    def lose(self, state: Routes, server: int) -> tuple[Routes, list[int]]:
        """Drop the links to a server.

        Jobs that are committed to a path over it become newcomers again. Without any path, all waiting jobs can never
        start.
        """
        state.graph.cost_s[state.graph.target == server] = np.inf
        committed = state.waiting.committed[: state.waiting.committed_count[0]].tolist()
        stranded = [job for job in committed if any(hop.server == server for hop in self._path(state, job))]
        for job in stranded:
            self._withdraw(state, job)
        drop_looks(state.waiting.looks, stranded)
        newcomers = stranded + newcomers_of(state.waiting)
        self._has_path = drop_dead_ends(state.graph)
        if self._has_path:
            set_waiting(state.waiting, newcomers, [job for job in committed if job not in stranded])
            return state, []
        hopeless = newcomers + looks_of(state.waiting.looks)
        set_waiting(state.waiting, [], [])
        state.waiting.looks.size[0] = 0
        return state, hopeless

    def _path(self, state: Routes, job: int) -> Path:
        return tuple(self._hops[n] for n in state.paths.link[job, : state.paths.hops[job]])


def _chain_path(chains: Composition, k: int) -> Path:
    """Return the hops of chain k."""
    chain = chains.chain(k)
    ends = np.cumsum(chain.blocks).tolist()
    hops = zip(chain.servers, ends, chain.blocks, strict=True)
    return tuple(Hop(server, end - blocks, blocks) for server, end, blocks in hops)
