"""The arrays of a search: the servers, states, and scratch memory for compiled code."""

from typing import NamedTuple

import numpy as np
from numba import float64, int64, types
from numpy.typing import NDArray

from algorithms.allocation.gca import Chains, Graph, Hosts, Paths, room_for_chains
from algorithms.composition_search.values import NODES
from system import Placement, System

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Hops of all chains together, for each server: chains beyond are slow ones that no job would reach.
MOST_HOPS_PER_SERVER = 40
LEAST_RESERVATION = 0.25  # jobs; with less, a server hosts hardly more blocks and has no cache for them


class Problem(NamedTuple):
    """A system in numbers."""

    memory_gb: Floats  # (J,)
    most_blocks: Ints  # (J,), at most those of the model
    communication_s: Floats  # (J,), τc
    block_s: Floats  # (J,), τp
    model: Floats  # (3,): block_gb, cache_gb, block_count
    arrival_rate_per_s: float
    end_s: Floats  # (J,), half of a visit over the hub; with direct hops this and the next make up the times of chains
    crossing_s: Floats  # (J, J), mean crossings from server to server; (0, 0) over the hub


class State(NamedTuple):
    """An order of the servers with a reservation for each, and the placement that follows from them.

    Where a placement is searched directly, order and reservations play no part.
    """

    order: Ints  # (J,)
    reservation: Floats  # (J,), c_j
    first_block: Ints  # (J,)
    block_count: Ints  # (J,)


class Work(NamedTuple):
    """Scratch memory to evaluate a placement."""

    hosts: Hosts
    graph: Graph
    paths: Paths
    chains: Chains
    stop_of: Ints  # (L + 1,), the first stop at or after each number of blocks
    chain: Ints  # (J,), the chain that each server joins
    settings: Floats  # of the function that values prefixes
    scratch: Floats
    value: Floats  # (K,), of each prefix


def problem_of(system: System) -> Problem:
    """Return the numbers of a system."""
    model = system.model
    sizes = np.array([model.block_memory_gb, model.cache_memory_gb, model.block_count])
    times_s = np.ascontiguousarray(system.communication_s), np.ascontiguousarray(system.block_s)
    most_blocks = system.servers.capped(np.full(len(system.servers), model.block_count))
    direct_s = _direct_times_s(system)
    rate_per_s = float(system.arrival_rate_per_s)
    return Problem(system.servers.memory_gb, most_blocks, *times_s, sizes, rate_per_s, *direct_s)


def part_of(problem: Problem, servers: Ints) -> Problem:
    """Return the problem of some servers, which need not serve λ."""
    times_s, crossing_s = (problem.communication_s[servers], problem.block_s[servers]), problem.crossing_s
    if crossing_s.size > 0:
        crossing_s = np.ascontiguousarray(crossing_s[np.ix_(servers, servers)])
    room = problem.memory_gb[servers], problem.most_blocks[servers]
    return Problem(*room, *times_s, problem.model, 0.0, problem.end_s[servers], crossing_s)


def _direct_times_s(system: System) -> tuple[Floats, Floats]:
    """Return the mean times of ends (J,) and of crossings (J, J).

    Over the hub there are no crossings.
    """
    servers, mean_job = system.servers, np.asarray(system.mean_job)
    end_s = servers.communication_s @ mean_job / 2
    if system.forwarding == "hub":
        return end_s, np.empty((0, 0))
    return end_s, np.ascontiguousarray(servers.all_crossing_coefficients_s() @ mean_job)


def empty_state(server_count: int) -> State:
    """Return a state without blocks."""
    first_block, block_count = np.zeros((2, server_count), np.int64)
    return State(np.arange(server_count), np.ones(server_count), first_block, block_count)


def copy_of(state: State) -> State:
    """Return a state with arrays of its own."""
    return State(state.order.copy(), state.reservation.copy(), state.first_block.copy(), state.block_count.copy())


def placed_state(placement: Placement) -> State:
    """Return a placement as a state."""
    state = empty_state(placement.block_count.size)
    state.first_block[:], state.block_count[:] = placement.first_block, placement.block_count
    return state


def work_for(problem: Problem, settings: Floats) -> Work:
    """Return scratch memory for a problem."""
    servers, blocks = problem.memory_gb.size, int(problem.model[2])
    stops = min(servers + 1, blocks) + 1
    ints = [np.zeros(servers, np.int64) for _ in range(7)]
    hosts = Hosts(ints[0], ints[1], ints[2], problem.communication_s, problem.block_s, ints[3])
    begin, end = np.zeros((2, stops, stops), np.int64)
    edges = np.zeros(stops * servers, np.int64), begin, end, np.zeros((stops, stops))
    graph = Graph(np.zeros(stops, np.int64), ints[4], ints[5], *edges)
    chains = room_for_chains(MOST_HOPS_PER_SERVER * servers + stops)
    paths = Paths(np.zeros(stops), np.zeros(stops, np.int64))
    scratch, value = np.zeros((NODES + 6, NODES + 1)), np.zeros(chains.capacity.size)
    return Work(hosts, graph, paths, chains, np.zeros(blocks + 1, np.int64), ints[6], settings, scratch, value)


_I, _F = int64[::1], float64[::1]
_HOSTS = types.NamedTuple((_I, _I, _I, _F, _F, _I), Hosts)
_GRAPH = types.NamedTuple((_I, _I, _I, _I, int64[:, ::1], int64[:, ::1], float64[:, ::1]), Graph)
_PATHS = types.NamedTuple((_F, _I), Paths)
_CHAINS = types.NamedTuple((_I, _I, _I, _I, _F, _I), Chains)
PROBLEM = types.NamedTuple((_F, _I, _F, _F, _F, float64, _F, float64[:, ::1]), Problem)
STATE = types.NamedTuple((_I, _F, _I, _I), State)
WORK = types.NamedTuple((_HOSTS, _GRAPH, _PATHS, _CHAINS, _I, _I, _F, float64[:, ::1], _F), Work)
