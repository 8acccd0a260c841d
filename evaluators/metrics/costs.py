"""Cost and energy of a request, from the prices and powers that hardware profiles state.

Both are those of the servers that jobs may use.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Measurement
from evaluators.points.metrics import Answer
from system import NotApplicableError
from system.layout import Layout

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def cost(answer: Answer) -> Iterator[Measurement]:
    """Yield the hourly cost of the servers over the requests served in an hour."""
    per_hour = stated(answer.layout, "cost_per_hour")
    served_per_s = answer.served_share * answer.layout.system.arrival_rate_per_s
    yield Measurement("cost_per_request", float(per_hour.sum() / (3600 * served_per_s)))


def energy(answer: Answer) -> Iterator[Measurement]:
    """Yield the energy of a request in busy and, if known, idle servers.

    It is the energy of the whole run, the warm-up included, over the requests that were served. Raises
    `NotApplicableError` where a profile does not state `busy_w`. Idle servers count if all profiles state `idle_w`.
    """
    busy_w, (share, request_s) = stated(answer.layout, "busy_w"), busy_shares(answer)
    busy_j = float(busy_w @ share) * request_s
    yield Measurement("busy_energy_mean_j", busy_j)
    idle_w = answer.layout.system.servers.idle_w[used_servers(answer.layout)]
    if not np.isnan(idle_w).any():
        idle_j = float(idle_w @ (1 - share)) * request_s
        yield Measurement("idle_energy_mean_j", idle_j)
        yield Measurement("energy_mean_j", busy_j + idle_j)


def used_servers(layout: Layout) -> Ints:
    """Return the numbers of the servers that jobs may use."""
    return np.flatnonzero(layout.slots_used())


def stated(layout: Layout, field: str) -> Floats:
    """Return a number that the profiles of the used servers state.

    Raises `NotApplicableError` with the server and the field where a profile does not state it.
    """
    servers, used = layout.system.servers, used_servers(layout)
    values: Floats = getattr(servers, field)[used]
    if np.isnan(values).any():
        name = servers.name(int(used[np.isnan(values).argmax()]))
        raise NotApplicableError(f"{name} states no {field}; add {field} to its hardware profile")
    return values


def busy_shares(answer: Answer) -> tuple[Floats, float]:
    """Return the busy share of each used server, and the run's seconds per request.

    Raises `NotApplicableError` where a server's utilisation is unknown.
    """
    if answer.run is None or answer.run.utilisation is None:
        raise NotApplicableError(
            "needs the utilisation of servers, which theory and equation (2) do not give; use service=steps with "
            "evaluator=simulation, or evaluator=runtime"
        )
    used, times = used_servers(answer.layout), answer.run.times
    shares = answer.run.utilisation[used]
    if np.isnan(shares).any():
        name = answer.layout.system.servers.name(int(used[np.isnan(shares).argmax()]))
        raise NotApplicableError(f"the utilisation of {name} is unknown, as it was lost in the run")
    ends_s = times.arrival_s + times.response_s
    return shares, float((np.nanmax(ends_s) - times.arrival_s[0]) / np.isfinite(ends_s).sum())
