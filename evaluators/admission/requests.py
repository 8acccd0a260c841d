"""Admission of real requests: one event at a time, and servers may be lost."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import float64, int64, types, void

from algorithms.routing.links import RoutedComposition
from evaluators.admission import core
from evaluators.admission import routes as on_routes
from evaluators.admission.chains import CHAINS, Chains, lose_chains
from evaluators.admission.queues import jobs_in
from evaluators.admission.routes_state import ROUTES, Routes, leads_to_end, newcomers_of, retries_of, set_waiting
from evaluators.admission.start import admission_for, check_rule, with_more_room
from system.code.compiler import Entry, entry
from system.composition import Composition
from system.dispatch import DISPATCH
from system.errors import InfeasibleError
from system.layout import Layout
from system.routing import DELAY
from workloads.jobs import Jobs


class Hop(NamedTuple):
    """A visit to a server, which runs `blocks` blocks from `first_block` on, counted from 0."""

    server: int
    first_block: int
    blocks: int


Path = tuple[Hop, ...]


class Start(NamedTuple):
    """A job that starts now, the hops that run all blocks for it, and its chain; -1 where the layout has none."""

    job: int
    path: Path
    chain: int


class Calls(NamedTuple):
    """The functions of admission as Python calls them."""

    arrive: Entry
    leave: Entry
    decide: Entry
    next_look_s: Entry


def _calls(rule: Any, state: Any) -> Calls:
    """Return the functions for one type of state."""
    return Calls(
        entry(void(state, int64))(_arrive),
        entry(void(state, int64))(_leave),
        entry(int64(types.FunctionType(rule), state, float64, int64[::1]))(_decide),
        entry(float64(state))(_next_look_s),
    )


# Python cannot call what compiled code picks by the type of the state, but through functions of its own.


def _arrive(state, job):  # type: ignore[no-untyped-def]
    core.arrive(state, job)


def _leave(state, held):  # type: ignore[no-untyped-def]
    core.leave(state, held)


def _decide(rule, state, now_s, started):  # type: ignore[no-untyped-def]
    return core.decide(rule, state, now_s, started)


def _next_look_s(state):  # type: ignore[no-untyped-def]
    return core.next_look_s(state)


class Ways(Protocol):
    """What admission to chains and over routes do differently: the ways through all blocks that are left."""

    calls: Calls

    def is_left(self) -> bool:
        """Return whether there is a way at all."""

    def start(self, state: Any, job: int) -> Start:
        """Return a job that has just started, with its path."""

    def held_by(self, start: Start) -> int | None:
        """Return what `leave` takes for a job in service; None if its slots are lost."""

    def needs_room(self, state: Any) -> bool:
        """Return whether the state needs more room before it can decide about all jobs."""

    def lose(self, state: Any, server: int) -> tuple[Any, list[int]]:
        """Return the state without a server, and the jobs that wait and can never start any more."""


class RequestAdmission:
    """Who starts when and on which path. The caller owns the clock, which never goes back.

    Decisions are those of the simulators if `starts` is called after each single arrival and departure, those that end
    before an arrival at the same instant first, and at `next_look_s`.
    """

    def __init__(self, layout: Layout, jobs: Jobs) -> None:
        self._admission = admission_for(layout, jobs.uniform)
        ways: dict[type, Callable[[Any], Ways]] = {Chains: ChainWays, Routes: RouteWays}
        self._ways = ways[type(self._admission.state)](layout)
        self._in_service: dict[int, Start] = {}

    @property
    def next_look_s(self) -> float:
        """When `starts` must be called though no job came or left; infinite if never."""
        return float(self._ways.calls.next_look_s(self._admission.state))

    def arrive(self, job: int) -> None:
        """Let a job come, or come again; raise `InfeasibleError` if no way is left."""
        if not self._ways.is_left():
            raise InfeasibleError(
                "no path: servers were lost and no row of the others runs every block; start them again"
            )
        self._ways.calls.arrive(self._admission.state, job)

    def leave(self, job: int) -> None:
        """Free the slots of a job that has ended or was given up."""
        held = self._ways.held_by(self._in_service.pop(job))
        if held is not None:
            self._ways.calls.leave(self._admission.state, held)

    def starts(self, now_s: float) -> list[Start]:
        """Return the jobs that start now; each holds its slots from here on."""
        started: list[Start] = []
        while self._ways.is_left():
            rule, state, listed = self._admission
            count = self._ways.calls.decide(rule, state, now_s, listed)
            check_rule(count, self._admission)
            started += [self._ways.start(state, job) for job in listed[:count].tolist()]
            if not self._ways.needs_room(state):
                break
            self._admission = with_more_room(self._admission)
        self._in_service.update({start.job: start for start in started})
        return started

    def lose_server(self, server: int) -> list[int]:
        """Lead no way over a server from now on; return the jobs that wait and can never start any more.

        Those in service there are for the caller to take out with `leave`; they may come again.
        """
        state, hopeless = self._ways.lose(self._admission.state, server)
        self._admission = self._admission._replace(state=state)
        return hopeless


class ChainWays:
    """Chains without those that lead over lost servers. The policy is asked about what is left, in the same order."""

    calls = _calls(DISPATCH, CHAINS)

    def __init__(self, layout: Layout) -> None:
        chains = layout.composition()
        self._paths = [_chain_path(chains, k) for k in range(len(chains))]
        self._left = list(range(len(chains)))  # the chain at each index of the state

    def is_left(self) -> bool:
        return bool(self._left)

    def start(self, state: Chains, job: int) -> Start:
        chain = self._left[state.chain[job]]
        return Start(job, self._paths[chain], chain)

    def held_by(self, start: Start) -> int | None:
        return self._left.index(start.chain) if start.chain in self._left else None

    def needs_room(self, state: Chains) -> bool:
        return False

    def lose(self, state: Chains, server: int) -> tuple[Chains, list[int]]:
        """Drop the chains over a server; jobs in their own queues are the next that the policy is asked about."""
        kept = [k for k, chain in enumerate(self._left) if all(hop.server != server for hop in self._paths[chain])]
        state, self._left = lose_chains(state, np.array(kept, np.int64)), [self._left[k] for k in kept]
        return state, [] if kept else jobs_in(state.queues, 0)


class RouteWays:
    """Routes without lost servers."""

    calls = _calls(DELAY, ROUTES)
    _withdraw = entry(void(ROUTES, int64))(on_routes.withdraw.py_func)

    def __init__(self, layout: RoutedComposition) -> None:
        target, blocks = layout.links.target, layout.links.blocks
        first = layout.placement.end_block[target] - blocks
        numbers = zip(target.tolist(), first.tolist(), blocks.tolist(), strict=True)
        self._hops = [Hop(*hop) for hop in numbers]
        self._is_left = True

    def is_left(self) -> bool:
        return self._is_left

    def start(self, state: Routes, job: int) -> Start:
        return Start(job, self._path(state, job), -1)

    def held_by(self, start: Start) -> int | None:
        return start.job

    def needs_room(self, state: Routes) -> bool:
        return bool(state.room.is_full[0])

    def lose(self, state: Routes, server: int) -> tuple[Routes, list[int]]:
        """Drop the links to a server; jobs that are committed to a path over it are newcomers once more."""
        state.graph.cost_s[state.graph.target == server] = np.inf
        committed = state.waiting.committed[: state.waiting.committed_count[0]].tolist()
        stranded = [job for job in committed if any(hop.server == server for hop in self._path(state, job))]
        for job in stranded:
            self._withdraw(state, job)
        newcomers = stranded + newcomers_of(state.waiting)
        self._is_left = leads_to_end(state.graph)
        if self._is_left:
            set_waiting(state.waiting, newcomers, [job for job in committed if job not in stranded])
            return state, []
        hopeless = newcomers + retries_of(state.waiting.retries)
        set_waiting(state.waiting, [], [])
        state.waiting.retries.size[0] = 0
        return state, hopeless

    def _path(self, state: Routes, job: int) -> Path:
        return tuple(self._hops[n] for n in state.paths.link[job, : state.paths.hops[job]])


def _chain_path(chains: Composition, k: int) -> Path:
    """Return the hops of chain k."""
    chain = chains.chain(k)
    ends = np.cumsum(chain.blocks).tolist()
    hops = zip(chain.servers, ends, chain.blocks, strict=True)
    return tuple(Hop(server, end - blocks, blocks) for server, end, blocks in hops)
