"""What planning finds out, as plain data: the terminal, the JSON file and the picture show the same objects."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.inventory.inventory import Inventory
from system import Composition


@dataclass(frozen=True)
class Prediction:
    """Response times of one composition at one rate, in seconds. Half-widths are of 99 % intervals, 0 where exact."""

    method: Literal["exact", "simulated"]
    rate_per_s: float
    total_rate_per_s: float | None  # ν; the largest rate that is stable. None for routed schemes: not known
    mean_s: float
    mean_half_width_s: float
    quantiles_s: dict[float, float]  # response time by quantile: 0.5, 0.95, 0.99 and those of the goal
    first_token_mean_s: float
    first_token_quantiles_s: dict[float, float]
    waiting_probability: float
    waiting_mean_s: float
    chain_shares: NDArray[np.float64]  # (K,) share of the jobs that each chain serves; empty for routed schemes
    chain_utilisation: NDArray[np.float64]  # (K,) mean share of a chain's capacity in use
    server_utilisation: NDArray[np.float64]  # (J,) mean share of a server's cache slots in use; empty likewise
    quantile_half_widths_s: dict[float, float] = field(default_factory=dict)  # of `quantiles_s`; 0 where exact

    @property
    def load(self) -> float | None:
        """λ/ν; 1 - load is the stability margin."""
        return None if self.total_rate_per_s is None else self.rate_per_s / self.total_rate_per_s


@dataclass(frozen=True)
class Candidate:
    """One c that was tried: its value under the goal (seconds, or requests/s), or why it has none."""

    reserved_capacity: int
    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """The composition that was chosen; its system has the `members` of the inventory as servers, in that order."""

    inventory: Inventory
    members: NDArray[np.int64]  # numbers of the inventory's servers that the plan uses or pays for
    composition: Composition
    prediction: Prediction
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Alternative:
    """Another way to use the same servers at the same rate: its prediction, or why it has none."""

    name: str  # such as "whole model per server"
    prediction: Prediction | None
    reason: str = ""


@dataclass(frozen=True)
class UnusedServer:
    server: int  # of the inventory
    reason: str


@dataclass(frozen=True)
class ServerValue:
    """What the goal's quantity becomes without one server of a group of identical ones that play the same part."""

    servers: tuple[int, ...]  # numbers in the inventory of all servers for which this holds
    value_at_same_c: float | None  # None: then the rate cannot be carried, or no chain is left
    value_retuned: float | None  # None where it was not computed (only for the most valuable) or is impossible
    reason: str = ""


@dataclass(frozen=True)
class InputRange:
    """The goal's quantity when an input is off by the factor 1 ± `share` while the layout stays."""

    name: str  # "block time of all servers", "round-trip times", "block time of a100 servers", ...
    share: float
    low: float | None  # with the input at 1 - share; None: unstable, or no rate meets the SLO
    high: float | None  # with the input at 1 + share


@dataclass(frozen=True)
class Study:
    """A plan and everything that helps to judge it."""

    plan: Plan
    alternatives: tuple[Alternative, ...]
    unused: tuple[UnusedServer, ...]
    server_values: tuple[ServerValue, ...]  # most valuable first
    ranges: tuple[InputRange, ...]  # most important first
    bottleneck: str  # one sentence
    warnings: tuple[str, ...]
