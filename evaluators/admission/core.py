"""Admission functions: they decide which jobs start, when, and on which path.

Simulators and real runs call only these functions. They have no clock: the caller reports that a job arrives, that a
job leaves, or that it is time to look again for jobs that can start. After each such event `decide` lists the jobs that
start. At one instant departures come first, then looks, then arrivals.

The state belongs to chains or to routes, and the compiler picks the function by the type of the state. So a loop that
calls these functions is written once and compiled for both.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from evaluators.admission import chains as on_chains
from evaluators.admission import paths as on_paths
from evaluators.admission import routes as on_routes
from evaluators.admission.chains import Chains
from evaluators.admission.heap import next_s


def _for_compiled_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register the decorated function as the one that picks an implementation.

    Compiled code that calls `function` then runs the implementation that is picked for the type of the state.
    """
    register: Callable[..., Any] = overload(function, inline="always", strict=False)
    return register


def _has_chains(state: Any) -> bool:
    """Return whether `state` is the compiled type of the state of chains."""
    return bool(state.instance_class is Chains)


def arrive(state, job):
    """Add a job that arrives, or arrives again."""


@_for_compiled_code(arrive)
def _arrive(state, job):
    if _has_chains(state):
        return lambda state, job: on_chains.arrive(state, job)
    return lambda state, job: on_routes.arrive(state.waiting, job)


def held_by(state, job):
    """Return what a job in service holds, to be passed to `leave`.

    It is the number of its chain, or over routes the number of the job, which has a path of its own.
    """


@_for_compiled_code(held_by)
def _held_by(state, job):
    if _has_chains(state):
        return lambda state, job: state.chain[job]
    return lambda state, job: job


def leave(state, held):
    """Free what a job has held, as returned by `held_by`."""


@_for_compiled_code(leave)
def _leave(state, held):
    if _has_chains(state):
        return lambda state, held: on_chains.leave(state, held)
    return lambda state, held: on_routes.leave(state, held)


def decide(rule, state, now_s, started):
    """Start the jobs that can start now, and list them in `started`.

    Returns the number of started jobs, or a negative number if the rule is broken (`check_rule`).
    """


@_for_compiled_code(decide)
def _decide(rule, state, now_s, started):
    if _has_chains(state):
        return lambda rule, state, now_s, started: on_chains.decide(rule, state, started)
    return lambda rule, state, now_s, started: on_routes.decide(rule, state, now_s, started)


def decides_after(state, is_end):
    """Return whether `decide` must be called after an end or another event."""


@_for_compiled_code(decides_after)
def _decides_after(state, is_end):
    if _has_chains(state):
        return lambda state, is_end: state.looks_at_ends or not is_end
    return lambda state, is_end: True


def start_all(state, held, started):
    """Start all jobs that can use what a job has held; return their number.

    It replaces `decide` after the last arrival if `decide` is not called after ends.
    """


@_for_compiled_code(start_all)
def _start_all(state, held, started):
    if _has_chains(state):
        return lambda state, held, started: on_chains.start_all(state, held, started)
    return lambda state, held, started: 0


def needs_room(state):
    """Return whether the state must be enlarged before the next event (`with_more_room`)."""


@_for_compiled_code(needs_room)
def _needs_room(state):
    if _has_chains(state):
        return lambda state: False
    return lambda state: state.room.is_full[0] == 1


def next_look_s(state):
    """Return when `decide` must be called without an event; infinite if never."""


@_for_compiled_code(next_look_s)
def _next_look_s(state):
    if _has_chains(state):
        return lambda state: np.inf
    return lambda state: next_s(state.waiting.looks)


def path_coefficients_s(state, job):
    """Return the coefficients of a started job's service time on its path."""


@_for_compiled_code(path_coefficients_s)
def _path_coefficients_s(state, job):
    if _has_chains(state):
        return lambda state, job: on_chains.path_coefficients_s(state, job)
    return lambda state, job: on_paths.path_coefficients_s(state.graph, state.paths, job)


def write_path(state, job, server, blocks):
    """Write the servers of a job's path and their blocks; return the hop count.

    The job must have started.
    """


@_for_compiled_code(write_path)
def _write_path(state, job, server, blocks):
    if _has_chains(state):
        return lambda state, job, server, blocks: on_chains.write_path(state, job, server, blocks)
    return lambda state, job, server, blocks: on_paths.write_path(state.graph, state.paths, job, server, blocks)
