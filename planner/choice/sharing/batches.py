"""Batch curves of servers: the time of several one-token steps together over that of one."""

from collections.abc import Mapping
from dataclasses import replace

from planner.inventory.inventory import Inventory
from system import ServedModel, Servers, System

MOST_STEPS = 1024  # in a batch; beyond it a curve goes on with its last slope


def batch_curve(inventory: Inventory, server: int) -> Mapping[int, float]:
    """Return the batch curve of a server, measured or by the roofline."""
    return curve_of(inventory.servers, inventory.model, server)


def curve_of(servers: Servers, model: ServedModel, j: int) -> Mapping[int, float]:
    """Return the batch curve of server j by sizes of batches.

    A measured curve is taken as it is. By the roofline, a batch takes as long as its reading of weights or as its
    arithmetic, whichever is longer. Weights are read once for all steps, and the arithmetic of a step is that of an
    input token.
    """
    if servers.batch_curves and servers.batch_curves[j]:
        return servers.batch_curves[j]
    arithmetic_s, read_s = servers.block_s[j, 1:].tolist()
    if read_s == 0:
        return {1: 1.0}
    return {size: _ratio(size, arithmetic_s / read_s, model) for size in _sizes(read_s, arithmetic_s)}


def with_batch_curves(system: System) -> System:
    """Return the system whose servers all have a batch curve."""
    servers = system.servers
    curves = tuple(curve_of(servers, system.model, j) for j in range(len(servers)))
    return replace(system, servers=replace(servers, batch_curves=curves))


def _sizes(read_s: float, arithmetic_s: float) -> list[int]:
    """Return powers of two, and the sizes around the knee of the roofline."""
    powers = [2**n for n in range(MOST_STEPS.bit_length())]
    knee = int(min(read_s / arithmetic_s, MOST_STEPS)) if arithmetic_s > 0 else MOST_STEPS
    return sorted({*powers, *(size for size in (knee, knee + 1) if 1 < size <= MOST_STEPS)})


def _ratio(size: int, arithmetic: float, model: ServedModel) -> float:
    """Return the time of a batch over that of one step.

    `arithmetic` is the share of one step in which it computes.
    """
    read_gb = getattr(model, "active_gb", None)
    reading = 1.0 if read_gb is None else float(read_gb(size)) / float(read_gb(1))
    return max(1.0, reading, size * arithmetic)
