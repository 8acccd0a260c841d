"""Admission of real requests, one event at a time; servers may be lost."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import float64, int64, types, void
from numpy.typing import NDArray

from algorithms.routing.links import RoutedComposition
from evaluators.admission import core
from evaluators.admission import routes as on_routes
from evaluators.admission.chains import CHAINS, Chains, lose_chains
from evaluators.admission.queues import jobs_in
from evaluators.admission.routes_state import (
    ROUTES,
    Routes,
    drop_dead_ends,
    drop_looks,
    looks_of,
    newcomers_of,
    set_waiting,
)
from evaluators.admission.start import (
    admission_for,
    check_all_started,
    check_rule,
    require_steps,
    rule_error,
    with_more_room,
)
from system.code.compiler import Entry, entry
from system.composition import Composition
from system.dispatch import DISPATCH
from system.errors import InfeasibleError
from system.layout import Layout
from system.routing import DELAY
from workloads.jobs import Jobs


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

    def lose(self, state: Any, server: int) -> tuple[Any, list[int]]:
        """Return the state without a server, and the waiting jobs that can never start."""


class RequestAdmission:
    """Decides which requests start, when, and on which path.

    The caller owns the clock, which never goes back. The decisions equal those of the simulators if `starts` is called
    after every single arrival and departure, and at `next_look_s`; at one instant departures come before arrivals.
    """

    def __init__(self, layout: Layout, jobs: Jobs) -> None:
        require_steps(layout, "real runs")
        self._admission = admission_for(layout, jobs)
        kinds: dict[type, Callable[[Any], RemainingPaths]] = {Chains: RemainingChains, Routes: RemainingRoutes}
        self._paths = kinds[type(self._admission.state)](layout)
        self._in_service: dict[int, Start] = {}

    @property
    def next_look_s(self) -> float:
        """Return when `starts` must be called without an event; infinite if never."""
        return float(self._paths.calls.next_look_s(self._admission.state))

    def arrive(self, job: int) -> None:
        """Add a job that arrives, or arrives again; raise `InfeasibleError` if no path remains."""
        if not self._paths.exist():
            raise InfeasibleError(
                "no path: servers were lost, and the others cannot run every block; start the lost servers again"
            )
        self._paths.calls.arrive(self._admission.state, job)

    def leave(self, job: int) -> None:
        """Free the slots of a job that has ended or was given up."""
        held = self._paths.held_by(self._in_service.pop(job))
        if held is not None:
            self._paths.calls.leave(self._admission.state, held)

    def starts(self, now_s: float) -> list[Start]:
        """Return the jobs that start now; each holds its slots from here on.

        Raises `InputError` if the rule raises an exception or its answer is invalid.
        """
        started: list[Start] = []
        while self._paths.exist():
            count, (_, state, listed) = self._decide(now_s), self._admission
            started += [self._paths.start(state, job) for job in listed[:count].tolist()]
            if not self._paths.needs_room(state):
                break
            self._admission = with_more_room(self._admission)
        self._in_service.update({start.job: start for start in started})
        return started

    def _decide(self, now_s: float) -> int:
        """List the jobs that start now; return their number."""
        rule, state, listed = self._admission
        try:
            count: int = self._paths.calls.decide(rule, state, now_s, listed)
        except Exception as error:
            raise rule_error(self._admission, error) from error
        check_rule(count, self._admission)
        return count

    def check_ends(self, waiting: int) -> None:
        """Raise `InputError` if `waiting` jobs can never start."""
        if not self._in_service and self.next_look_s == np.inf:
            check_all_started(0, waiting, self._admission)

    def lose_server(self, server: int) -> list[int]:
        """Use a server no more; return the waiting jobs that can never start.

        The caller must remove the jobs in service on that server with `leave`; they may arrive again.
        """
        state, hopeless = self._paths.lose(self._admission.state, server)
        self._admission = self._admission._replace(state=state)
        return hopeless


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
