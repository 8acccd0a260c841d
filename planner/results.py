"""Results of planning as plain data.

The terminal, the JSON file and the picture all show these objects. The field names are the keys of plan.json.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.inventory.goals import LargestRate, MostTokens
from planner.inventory.inventory import Inventory
from system import Composition

SAME = 1e-3  # relative difference below which no two plans are told apart
WORTH = 0.01  # relative gain below which nothing is called better
MUCH = 0.5  # of the rate that servers compute: from there on, requests slow each other much
PROMISED = 0.9  # share of the rates that a simulation carries, as it is short and its lengths are evenly spread


@dataclass(frozen=True)
class Prediction:
    """Response times of one layout at one rate, in seconds.

    Half-widths are those of 99 % intervals; they are 0 where the prediction is exact.
    """

    method: Literal["exact", "simulated"]
    rate_per_s: float
    total_rate_per_s: float | None  # ν, above every stable rate. None for routed schemes, where it is unknown
    mean_s: float
    mean_half_width_s: float
    quantiles_s: dict[float, float]  # response time by quantile: 0.5, 0.95, 0.99 and the goal's own
    first_token_mean_s: float
    first_token_quantiles_s: dict[float, float]
    waiting_probability: float
    waiting_mean_s: float
    chain_shares: NDArray[np.float64]  # (K,) share of the jobs that each chain serves; empty for routed schemes
    chain_utilisation: NDArray[np.float64]  # (K,) mean share of a chain's capacity in use; empty for routed schemes
    server_utilisation: NDArray[np.float64]  # (J,) mean share of a server's cache slots in use; empty as above
    quantile_half_widths_s: dict[float, float] = field(default_factory=dict)  # of `quantiles_s`; 0 where exact
    saturation_rate_per_s: float | None = None  # ν', about the largest rate if requests slow each other

    def time_s(self, quantile: float | None) -> float:
        """Return a quantile of the response time, or its mean."""
        return self.mean_s if quantile is None else self.quantiles_s[quantile]

    @property
    def load(self) -> float | None:
        """Return the load λ/ν; 1 - load is the stability margin."""
        return None if self.total_rate_per_s is None else self.rate_per_s / self.total_rate_per_s

    @property
    def load_of_saturation(self) -> float | None:
        """Return λ/ν', the load of servers whose requests slow each other."""
        return None if self.saturation_rate_per_s is None else self.rate_per_s / self.saturation_rate_per_s


@dataclass(frozen=True)
class Candidate:
    """One c of the search, with its value under the goal (seconds or requests/s) or the reason why it has none."""

    reserved_capacity: int
    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class Search:
    """The search after the best c, with values under the goal (seconds or requests/s)."""

    evaluations: int  # compositions that were tried
    best_c: int
    value_of_best_c: float
    is_better: bool  # whether the plan is a composition that the search found
    accuracy: float  # relative change of the value from a search with a fifth of the evaluations


@dataclass(frozen=True)
class Computation:
    """What servers compute that requests share, by a simulation of the engine's steps."""

    engine: str  # whose way of computing was simulated
    saturation_rate_per_s: float  # at which requests leave while others always wait
    prediction: Prediction | None = None  # times at the plan's rate; None at a low rate, and if no steady state exists
    rate_of_slots_per_s: float | None = None  # under the goal `LargestRate`: the rate by equation (2) alone
    largest_rate_per_s: float | None = None  # likewise: the rate by the simulation, or about it if that is larger


@dataclass(frozen=True)
class Restriction:
    """What it costs that an engine can start all chains of a plan.

    Both values are the goal's quantity under the same evaluator.
    """

    engine: str
    value: float  # of the plan
    value_of_any: float  # of the best plan for any engine

    @property
    def change(self) -> float:
        """Return the relative change of the value by the restriction."""
        return self.value / self.value_of_any - 1


@dataclass(frozen=True)
class Certificate:
    """What no plan for these servers can beat under Poisson arrivals, exponential sizes and equation (2)."""

    mean_s: float  # no mean response time at the plan's rate is shorter
    rate_per_s: float  # no plan carries more


@dataclass(frozen=True)
class Plan:
    """The chosen composition; its servers are the `members` of the inventory, in that order."""

    inventory: Inventory
    members: NDArray[np.int64]  # numbers of the inventory's servers that the plan uses or pays for
    composition: Composition
    prediction: Prediction
    candidates: tuple[Candidate, ...] = ()  # empty for a layout that already runs
    search: Search | None = None  # None for a layout that already runs, and where requests slow each other
    certificate: Certificate | None = None  # None where no bound is known
    computation: Computation | None = None  # None where requests slow each other anyway, or nothing is known of it
    restriction: Restriction | None = None  # None for any engine, and for a layout that already runs
    user_speed: "UserSpeed | None" = None  # of the users who wait for an answer at once; None without users

    @property
    def goal_value(self) -> float:
        """Return the goal's quantity: a time (s), a rate (1/s) or tokens/s."""
        if self.user_speed is not None:
            of_tokens = isinstance(self.inventory.goal, MostTokens)
            return self.user_speed.tokens_per_s if of_tokens else self.user_speed.first_token_s
        if isinstance(self.inventory.goal, LargestRate):
            return self.prediction.rate_per_s
        return self.prediction.time_s(self.inventory.goal.quantile)

    @property
    def load_of_computation(self) -> float:
        """Return the rate over that of full queues; 0 if that is unknown."""
        return 0.0 if self.computation is None else self.prediction.rate_per_s / self.computation.saturation_rate_per_s

    @property
    def is_searched(self) -> bool:
        """Return whether the search found the composition, and not the best c."""
        return self.search is not None and self.search.is_better

    @property
    def accuracy(self) -> float:
        """Return the relative difference from which on two plans can be told apart."""
        simulated = self.prediction.mean_half_width_s / self.prediction.mean_s
        return max(0.0 if self.search is None else self.search.accuracy, simulated, SAME)

    @property
    def gap(self) -> float | None:
        """Return how far the mean response time is above the certified limit, relatively."""
        return None if self.certificate is None else self.prediction.mean_s / self.certificate.mean_s - 1


@dataclass(frozen=True)
class Comparison:
    """The goal's response time of a plan and of an alternative, under the same evaluator."""

    plan_s: float | None  # None if only the alternative serves requests as fast as they come
    alternative_s: float
    half_width_s: float  # of the 99 % interval of their difference, on the same requests; 0 where both are exact

    @property
    def is_better(self) -> bool:
        """Return whether the alternative is better by more than chance and 1 %."""
        gain_s = float("inf") if self.plan_s is None else self.plan_s - self.alternative_s
        return gain_s > max(self.half_width_s, WORTH * self.alternative_s)


@dataclass(frozen=True)
class Alternative:
    """Another use of the same servers at the same rate, with its prediction or the reason why it has none."""

    name: str  # such as "whole model per server"
    prediction: Prediction | None
    reason: str = ""
    comparison: Comparison | None = None  # None near load 1, and where no evaluator knows both
    value: float | None = None  # of the goal, with users


@dataclass(frozen=True)
class UnusedServer:
    """A server of the inventory that no chain uses, with the reason."""

    server: int  # number in the inventory
    reason: str


@dataclass(frozen=True)
class ServerValue:
    """The goal's quantity without one of several identical servers with the same role."""

    servers: tuple[int, ...]  # numbers in the inventory of all these servers
    value_with_same_blocks: float | None  # None: without it the rate cannot be carried, or no chain remains
    value_of_new_plan: float | None  # None: impossible, or not computed (only the most valuable servers have it)
    reason: str = ""


@dataclass(frozen=True)
class InputRange:
    """The goal's quantity when an input is wrong by a factor and the layout stays the same."""

    name: str  # "block time of all servers", "round-trip times", "block time of a100 servers", ...
    share: float  # by which the input is wrong, at most
    low: float | None  # with the smaller input; None: unstable, or no rate meets the SLO
    high: float | None  # with the larger input
    factors: tuple[float, float] = (1.0, 1.0)  # of the smaller and of the larger input


@dataclass(frozen=True)
class UserSpeed:
    """How fast answers are for k users, who each send the next request when the last one is answered."""

    users: int
    tokens_per_s: float  # of one user's answer, while it is written
    total_tokens_per_s: float  # of all users' answers, with the times of their prompts
    token_ms: float  # from one token of an answer to the next
    first_token_s: float


@dataclass(frozen=True)
class WhatIf:
    """The goal's quantity after a change of the inventory: the plan's goal on other machines."""

    name: str  # such as "only workstation" or "one more rtx_4090"
    kind: Literal["alone", "one more"]
    server: int | None  # number in the inventory of the machine, or of one like it; None if there is none
    value: float | None  # None: not computed, or no such plan
    tokens_per_s: float | None  # of one user; None where `value` is not computed
    reason: str = ""


@dataclass(frozen=True)
class Study:
    """A plan and all that helps to judge it."""

    plan: Plan
    alternatives: tuple[Alternative, ...]
    unused: tuple[UnusedServer, ...]
    server_values: tuple[ServerValue, ...]  # most valuable first
    ranges: tuple[InputRange, ...]  # most important first
    bottleneck: str  # one sentence, without capital letter and full stop
    warnings: tuple[str, ...]  # one sentence each, likewise
    user_speeds: tuple[UserSpeed, ...] = ()  # by the number of users
    what_if: tuple[WhatIf, ...] = ()  # the fastest machine alone, and one more machine of each kind
