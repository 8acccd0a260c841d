"""Routing: schemes that send each job over the servers on a path of its own, by the state that it finds.

A path is the shortest one in a graph of legal hops (`links.py`). What a scheme adds to the time of a hop, given the
state of the server that it leads to, is a pure function, compiled once for the signature below, one file each:

    delay(blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings) -> seconds

The job would run `blocks` of the `hosted` blocks; `free` slots are not used by running jobs (as last refreshed);
`unreserved` ones are not claimed by running or waiting jobs either, and are negative where more is claimed than there
is. The jobs present are the entries `first` to `last` - 1 of `end_s`, when each is expected to end (ascending), and of
`slots`, what it holds or claims.
As with dispatch policies, such a function must not call compiled functions of other files.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numba import float64, int64
from numpy.typing import NDArray

from system.checks import float_vector, require_not_negative, require_one_of

DELAY = float64(int64, int64, int64, int64, float64, int64, int64, float64[::1], int64[::1], float64[::1])

Waiting = Literal["fcfs", "first_fit", "backoff", "central"]
WAITING: tuple[Waiting, ...] = get_args(Waiting)


@dataclass(frozen=True)
class Routing:
    """How a job finds its path and how it waits where the path has no room.

    - `fcfs`: it is committed to the path, and starts when every server has room beside all jobs that arrived earlier
      and are there, running or waiting.
    - `first_fit`: committed, and after each completion the first that fits starts, in order of arrival.
    - `backoff`: it looks for a new path 1, 3, 7, 15, 31, 63, 123, 183, ... s after its arrival, as the clients of
      PETALS do (1, 2, 4, ..., at most 60 s between attempts), and starts at the first that has room.
    - `central`: one queue; its head looks for a path after each arrival and completion.

    `refresh_s` is how old the numbers of free slots may be; 0 is always exact.
    """

    delay: Callable[..., float]
    waiting: Waiting = "fcfs"
    refresh_s: float = 0.0
    settings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        require_one_of(WAITING, waiting=self.waiting)
        require_not_negative(refresh_s=self.refresh_s)
        object.__setattr__(self, "settings", float_vector("settings", self.settings, -np.inf))
