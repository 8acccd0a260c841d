"""The goals of users as a number for each composition: tokens/s, or the time to the first token."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from planner.choice.sharing.users import Loop, loop_of, user_speed
from planner.inventory.goals import MostTokens
from planner.inventory.inventory import Inventory
from planner.inventory.requests import Users
from planner.results import UserSpeed
from system import Composition
from system.errors import InfeasibleError

Floats = NDArray[np.float64]

MOST_LOAD = 0.7  # users who take turns never wait for each other, but requests at random instants do


@dataclass(frozen=True)
class SpeedForUsers:
    """How fast a composition is for the users: tokens/s of each, or seconds to the first token."""

    users: Users
    of_tokens: bool  # otherwise of the first token
    loop: Loop = field(repr=False)
    rate_per_s: ClassVar[None] = None
    quantile: ClassVar[None] = None
    is_exact: ClassVar[bool] = True

    @property
    def sign(self) -> int:
        """Return -1 for tokens/s, of which more is better."""
        return -1 if self.of_tokens else 1

    @property
    def job(self) -> Floats:
        """Return the coefficients of what counts of one user's request."""
        return np.array([0.0, 0.0, 1.0] if self.of_tokens else [1.0, self.loop.input_tokens, 0.0])

    def jobs(self, users: int) -> Iterator[Floats]:
        """Yield the coefficients for which chains of so many users should be fast.

        Those of one user come first. The tokens of several users also wait for the prompts of the others.
        """
        yield self.job
        if self.of_tokens and users > 1:
            prompts = (users - 1) / self.loop.output_tokens
            yield np.array([prompts, prompts * self.loop.input_tokens, 1.0])

    def limit(self, composition: Composition) -> float:
        """Return the value for one user, which no value for several beats."""
        self.at_once(composition)
        times_s = composition.job_coefficients_s @ self.job
        return float(1 / times_s.min() if self.of_tokens else times_s.min())

    def value(self, composition: Composition, to_beat: float | None = None) -> float:
        """Return the value; raise `InfeasibleError` if too few users are served at once."""
        speed = self.speed(composition)
        return speed.tokens_per_s if self.of_tokens else speed.first_token_s

    def speed(self, composition: Composition) -> UserSpeed:
        """Return the speed for as many users as wait for an answer at once."""
        return _speed(composition, self.at_once(composition), self.loop)

    def open_rate_per_s(self, composition: Composition) -> float:
        """Return the users' requests/s, at most `MOST_LOAD` of what chains carry."""
        speed = self.speed(composition)
        waiting_s = request_time_s(speed, self.loop)
        most_per_s = MOST_LOAD * composition.total_rate_per_s
        return min(speed.users / waiting_s, most_per_s)

    def at_once(self, composition: Composition) -> int:
        """Return how many users wait for an answer at once, the others think.

        Raises `InfeasibleError` if the chains serve fewer users at once.
        """
        low, high, most = 1, self.users.count, composition.total_capacity
        while low < high and low <= most:
            middle = (low + high) // 2
            low, high = (low, middle) if self._are_enough(composition, middle) else (middle + 1, high)
        if low > most:
            raise InfeasibleError(
                f"users = {self.users.count}: only {most} of them are served at once; reduce users or cache_tokens, "
                "choose a lower precision of the weights or the cache, or add servers"
            )
        return low

    def _are_enough(self, composition: Composition, at_once: int) -> bool:
        """Return whether at most so many users wait at once, by Little's law."""
        if self.users.think_s == 0:
            return at_once >= self.users.count
        if at_once > composition.total_capacity:
            return True
        request_s = request_time_s(_speed(composition, at_once, self.loop), self.loop)
        return at_once >= self.users.count * request_s / (request_s + self.users.think_s)


def speed_for_users(inventory: Inventory, users: Users) -> SpeedForUsers:
    """Return the quantity of an inventory with users."""
    return SpeedForUsers(users, isinstance(inventory.goal, MostTokens), loop_of(inventory))


def request_time_s(speed: UserSpeed, loop: Loop) -> float:
    """Return the mean time from a request to the end of its answer."""
    return speed.first_token_s + loop.further_tokens * speed.token_ms / 1e3


def _speed(composition: Composition, users: int, loop: Loop) -> UserSpeed:
    """Return the speed of users.

    Raises `InfeasibleError` if they are too many to be simulated.
    """
    speed = user_speed(composition, users, loop)
    if speed is None:
        raise InfeasibleError(
            f"users = {users}: the answers of so many users are too long to be simulated; reduce users or output_tokens"
        )
    return speed
