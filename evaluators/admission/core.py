"""Admission: who starts when and on which path. Simulators and real runs call these functions and no others.

Nothing here has a clock. Whoever calls says what happens: a job arrives, a job leaves, or it is time to look again.
After each such event `decide` lists the jobs that start. At one instant ends go before looks, and these before
arrivals.

The state is that of chains or of routes, and the compiler picks the function by its type. So a loop that calls these
functions is written once and compiled for either.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from evaluators.admission import chains as on_chains
from evaluators.admission import routes as on_routes
from evaluators.admission.chains import Chains
from evaluators.admission.heap import next_s


def _for_compiled_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have compiled code that calls a function take the implementation that the decorated one picks."""
    picked: Callable[..., Any] = overload(function, inline="always", strict=False)
    return picked


def _has_chains(state: Any) -> bool:
    """Return whether this is the type of the state of chains."""
    return bool(state.instance_class is Chains)


def arrive(state, job):
    """Add a job that comes, or comes again."""


@_for_compiled_code(arrive)
def _arrive(state, job):
    if _has_chains(state):
        return lambda state, job: on_chains.arrive(state, job)
    return lambda state, job: on_routes.arrive(state.waiting, job)


def held_by(state, job):
    """Return what a job in service holds, by which `leave` knows it: a slot of its chain, or a path of its own."""


@_for_compiled_code(held_by)
def _held_by(state, job):
    if _has_chains(state):
        return lambda state, job: state.chain[job]
    return lambda state, job: job


def leave(state, held):
    """Free what a job has held (`held_by`)."""


@_for_compiled_code(leave)
def _leave(state, held):
    if _has_chains(state):
        return lambda state, held: on_chains.leave(state, held)
    return lambda state, held: on_routes.leave(state, held)


def decide(rule, state, now_s, started):
    """Start the jobs that can start now, and list them; return how many, or a negative number (`check_rule`)."""


@_for_compiled_code(decide)
def _decide(rule, state, now_s, started):
    if _has_chains(state):
        return lambda rule, state, now_s, started: on_chains.decide(rule, state, started)
    return lambda rule, state, now_s, started: on_routes.decide(rule, state, now_s, started)


def needs_room(state):
    """Return whether the state must be enlarged before the next event (`with_more_room`)."""


@_for_compiled_code(needs_room)
def _needs_room(state):
    if _has_chains(state):
        return lambda state: False
    return lambda state: state.room.is_full[0] == 1


def next_look_s(state):
    """Return when `decide` must be called though no job came or left; infinite if never."""


@_for_compiled_code(next_look_s)
def _next_look_s(state):
    if _has_chains(state):
        return lambda state: np.inf
    return lambda state: next_s(state.waiting.retries)


def path_coefficients_s(state, job):
    """Return the coefficients of the time of a job that has started, on its path."""


@_for_compiled_code(path_coefficients_s)
def _path_coefficients_s(state, job):
    if _has_chains(state):
        return lambda state, job: on_chains.path_coefficients_s(state, job)
    return lambda state, job: on_routes.path_coefficients_s(state.graph, state.paths, job)


def write_path(state, job, server, blocks):
    """Write down the servers of a started job's path and the blocks that each runs; return the number of hops."""


@_for_compiled_code(write_path)
def _write_path(state, job, server, blocks):
    if _has_chains(state):
        return lambda state, job, server, blocks: on_chains.write_path(state, job, server, blocks)
    return lambda state, job, server, blocks: on_routes.write_path(state.graph, state.paths, job, server, blocks)
