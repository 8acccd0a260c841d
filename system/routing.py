"""Routing without chains: each job takes a path of its own, the shortest one or the next one by weights.

Under `Routing`, a job takes the path that is shortest at the moment when it looks for one.
A scheme adds a delay to the time of a hop, depending on the state of the server at which the hop ends. The delay is a
pure function, compiled once for the signature below:

    delay(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings) -> seconds

- `server`: the number of the server, for settings that differ by server;
- `blocks`: the blocks that the job would run there, of the server's `hosted` blocks;
- `free`: the cache slots that running jobs leave, as of the last refresh;
- `unreserved`: the cache slots that all listed jobs leave, negative if they claim more than there are;
- `first`, `last`: the jobs listed at the server are the entries `first` to `last` - 1 of the next two arrays;
- `end_s`: the time at which each job is expected to end, ascending within a server;
- `slots`: the cache slots that each job holds or claims.

The listed jobs are those that are present, running or waiting, or those that the scheme believes to be present. A
scheme that only believes cannot tell running jobs from waiting ones; `free` is then the same as `unreserved`.

Arrays can only be read, and every index is checked. A result below 0, or one that is no number, ends a run.

Under `FlowRouting`, a job walks from server to server by weighted round robin.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
from numba import float64, int64
from numpy.typing import NDArray

from system.checks import (
    float_array,
    float_vector,
    require,
    require_at_most,
    require_boolean,
    require_not_negative,
    require_one_of,
    require_positive,
)
from system.code.compiler import suited
from system.code.signatures import INTEGERS, NUMBERS, user_signature

DELAY = user_signature(
    "delay",
    "server blocks hosted free unreserved now_s first last end_s slots settings",
    float64(*(int64,) * 5, float64, int64, int64, NUMBERS, INTEGERS, NUMBERS),
)

Waiting = Literal["fcfs", "first_fit", "backoff", "central", "planned"]
WAITING: tuple[Waiting, ...] = get_args(Waiting)
Occupancy = Literal["present", "believed", "believed_without_wait"]
OCCUPANCIES: tuple[Occupancy, ...] = get_args(Occupancy)


@dataclass(frozen=True)
class Routing:
    """The rule by which a job finds its path, and by which it waits if the path has no room.

    `waiting` is one of:

    - `fcfs`: the job is committed to its path. It starts when every server has room for it beside all jobs that arrived
      earlier and are still present, running or waiting.
    - `first_fit`: the job is committed to its path. After each completion, waiting jobs that fit start in order of
      arrival.
    - `backoff`: the job looks for a new path 1, 3, 7, 15, 31, 63, 123, 183, ... s after its arrival, as the clients of
      PETALS do (1, 2, 4, ..., at most 60 s between attempts), and starts when its path has room.
    - `central`: jobs wait in one queue, whose head looks for a path after each arrival and completion.
    - `planned`: as `fcfs`, but a job never starts before the end of the wait that was expected when it chose its path,
      even if there is room. The authors' simulator does so; it is no default, because it holds back jobs for nothing.

    `occupancy` says which jobs the delay sees at a server. Only the choice of paths depends on it; whether a job may
    start always depends on the jobs that are present.

    - `present`: the jobs that are present, running or waiting.
    - `believed`: the jobs whose estimated end has not come, whenever they really end. It is no default, because an
      orchestrator sees every end.
    - `believed_without_wait`: the same, but the estimate counts from the choice of the path, as if no job waited.

    A job's estimated end is its start, expected or real, plus `initial_delay_s` and the mean time of its path. The wait
    expected at a server is the delay. Where `delay_is_wait` is false, it is the least remaining time after which enough
    slots are unreserved (`algorithms.routing.ws_rr`); `planned` then always takes the jobs of `believed_without_wait`,
    as PETALS' clients do in the authors' simulator. A job expects the longest wait on its path. `refresh_s` is the age
    that the numbers of free slots may reach; with 0 they are always exact.

    `foreseen` makes the expected start of a waiting job its real one, which follows under `fcfs` and `planned` from the
    real ends of the jobs before it. The authors' simulator does so. It is no default, because no router can know how
    long jobs will take.
    """

    work_conserving: ClassVar[bool] = False

    delay: Callable[..., float]
    waiting: Waiting = "fcfs"
    refresh_s: float = 0.0
    settings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    occupancy: Occupancy = "present"
    initial_delay_s: float = 0.0
    delay_is_wait: bool = True
    foreseen: bool = False

    def __post_init__(self) -> None:
        require_one_of(WAITING, waiting=self.waiting)
        require_one_of(OCCUPANCIES, occupancy=self.occupancy)
        require_not_negative(refresh_s=self.refresh_s, initial_delay_s=self.initial_delay_s)
        require_boolean(delay_is_wait=self.delay_is_wait, foreseen=self.foreseen)
        if self.foreseen:
            self._check_foreseen()
        object.__setattr__(self, "delay", suited(self.delay, DELAY))
        object.__setattr__(self, "settings", float_vector("settings", self.settings, -np.inf))

    def _check_foreseen(self) -> None:
        """Raise `InputError` if waits cannot be foreseen, or are not looked at."""
        remedy = "ends can be foreseen under fcfs and planned only; use one of them or foreseen=false"
        require(self.waiting in ("fcfs", "planned"), "waiting", self.waiting, remedy)
        remedy = "leaves out the waits, so none can be foreseen; use another occupancy or foreseen=false"
        require(self.occupancy != "believed_without_wait", "occupancy", self.occupancy, remedy)
        require(self.delay_is_wait, "delay_is_wait", "false", "must be true if waits are foreseen; use foreseen=false")

    @property
    def function(self) -> Callable[..., float]:
        """Return the compiled function of this rule, the delay."""
        return self.delay

    @property
    def name(self) -> str:
        """Return the name of the delay function."""
        return self.delay.__name__


@dataclass(frozen=True)
class FlowRouting:
    """The rule by which a job walks from server to server, by interleaved weighted round robin (Helix, ASPLOS'25).

    At every node the job takes the hop whose load is least after it. The load of a hop is the work of all jobs that
    took it over the hop's weight, so that hops share the work in proportion to their weights. The work of a job is the
    tokens of its prompt when it finds its path and its further tokens when it leaves; a job without tokens counts 1.

    `weights` (J + 1, J + 1) has a row for each server and last for the orchestrator; hops of weight 0 are never taken.
    Its last column, the way back to the orchestrator, is not used. (J,) weights belong to the servers where hops end.

    A server whose used cache slots, and those of all its blocks for one job more, exceed the share `high_water` of its
    slots is passed over. Hops with less than `least_share` of the weights out of their node are never taken. A job that
    finds no path waits at the head of one central queue. Helix's published runs use a high-water mark of 0.9 for
    arrivals over time, 0.85 for a full queue, and a least share of 0.05.
    """

    work_conserving: ClassVar[bool] = False

    weights: NDArray[np.float64]  # (J + 1, J + 1) or (J,)
    high_water: float = 0.9
    least_share: float = 0.05

    def __post_init__(self) -> None:
        weights = float_array("weights", self.weights)
        float_vector("weights", weights.ravel())
        is_matrix = weights.ndim == 2 and weights.shape[0] == weights.shape[1]
        remedy = "give one weight for each server, or a square matrix"
        require(is_matrix or weights.ndim == 1, "weights", f"array of shape {weights.shape}", remedy)
        require_positive(high_water=self.high_water)
        require_at_most(1, high_water=self.high_water)
        require_not_negative(least_share=self.least_share)
        object.__setattr__(self, "weights", weights)

    def weights_of(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (n,) the weights of hops, 0 below the least share."""
        weights = self.weights[source, target] if self.weights.ndim == 2 else self.weights[target]
        totals = np.bincount(source, weights)[source]
        return np.where(weights >= self.least_share * totals, weights, 0.0)

    @property
    def name(self) -> str:
        """Return the name of the rule."""
        return "flow_weighted"
