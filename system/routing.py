"""How jobs get over servers without chains: each takes the path that is shortest when it looks for one.

A scheme adds a delay to the time of a hop, by the state of the server that the hop leads to. The delay is a pure
function, compiled once for the signature below:

    delay(blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings) -> seconds

The job would run `blocks` of the server's `hosted` blocks. Running jobs leave `free` slots, as last refreshed. Running
and waiting jobs leave `unreserved` slots, which is negative where they claim more than there are. The jobs present are
the entries `first` to `last` - 1 of `end_s`, when each is expected to end (ascending), and of `slots`, how many it
holds or claims.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
from numba import float64, int64
from numpy.typing import NDArray

from system.checks import float_vector, require_not_negative, require_one_of

DELAY = float64(int64, int64, int64, int64, float64, int64, int64, float64[::1], int64[::1], float64[::1])

Waiting = Literal["fcfs", "first_fit", "backoff", "central"]
WAITING: tuple[Waiting, ...] = get_args(Waiting)


@dataclass(frozen=True)
class Routing:
    """The rule by which a job finds its path, and how it waits where the path has no room.

    - `fcfs`: the job is committed to its path. It starts when every server has room beside all jobs that arrived
      earlier and are present, running or waiting.
    - `first_fit`: the job is committed. After each completion the first job that fits starts, in order of arrival.
    - `backoff`: the job looks for a new path 1, 3, 7, 15, 31, 63, 123, 183, ... s after its arrival, as the clients of
      PETALS do (1, 2, 4, ..., at most 60 s between attempts), and starts at the first path that has room.
    - `central`: one queue; its head looks for a path after each arrival and completion.

    `refresh_s` is how old the numbers of free slots may be; 0 is always exact.
    """

    work_conserving: ClassVar[bool] = False

    delay: Callable[..., float]
    waiting: Waiting = "fcfs"
    refresh_s: float = 0.0
    settings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        require_one_of(WAITING, waiting=self.waiting)
        require_not_negative(refresh_s=self.refresh_s)
        object.__setattr__(self, "settings", float_vector("settings", self.settings, -np.inf))

    @property
    def function(self) -> Callable[..., float]:
        """The compiled function of the rule: the delay."""
        return self.delay

    @property
    def name(self) -> str:
        """The name of the function for the delay."""
        return self.delay.__name__
