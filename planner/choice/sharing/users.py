"""The speed of k users, who each send the next request when the last one is answered.

One user has the fastest chain alone, and equation (2) gives the times. Several users fill the fastest chains first, and
slow each other as the engine computes. Their times come from the simulator of steps: as many jobs as it may serve at
once always wait, so that a job begins whenever one ends.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch.jffc import JFFC
from evaluators.simulation import simulate_layout
from planner.choice.sharing.batches import as_run
from planner.choice.sharing.services import shared_service
from planner.inventory.engines import Engine
from planner.inventory.inventory import Inventory
from planner.inventory.services import NamedService
from planner.results import UserSpeed
from system import Composition
from workloads.jobs import Jobs

LEAST_MEASURED = 100  # requests, beside those of the users who begin and end together
LEAST_ROUNDS = 2  # measured requests of each user
MOST_VISITS = 3_000_000  # of tokens to servers, in one simulation
GOLDEN = (5**0.5 - 1) / 2  # its multiples spread the lengths of answers evenly


@dataclass(frozen=True)
class Loop:
    """What k users run on: their requests, and how servers compute for several of them."""

    input_tokens: int
    output_tokens: float
    service: NamedService
    engine: Engine

    @property
    def further_tokens(self) -> float:
        """Return the mean number of tokens after the first."""
        return max(self.output_tokens - 1, 0.0)


def loop_of(inventory: Inventory) -> Loop:
    """Return an inventory's mean request and how its servers compute."""
    _, input_tokens, further_tokens = inventory.workload.mean_job
    return Loop(max(round(input_tokens), 1), further_tokens + 1, shared_service(inventory), inventory.engine)


def user_speed(composition: Composition, users: int, loop: Loop) -> UserSpeed | None:
    """Return how fast k users are.

    It is None for more users than fit at once, or than can be simulated.
    """
    if users > composition.total_capacity:
        return None
    if users == 1:
        return _alone(composition, loop)
    chains = _filled(composition, users, loop.engine)
    if request_count(users) * loop.output_tokens * chains.most_hops > MOST_VISITS:
        return None
    return _together(chains, users, loop)


def speed(users: int, token_s: float, first_token_s: float, loop: Loop) -> UserSpeed:
    """Return the speed of users whose requests take these times."""
    request_s = first_token_s + loop.further_tokens * token_s
    return UserSpeed(users, 1 / token_s, users * loop.output_tokens / request_s, 1e3 * token_s, first_token_s)


def _alone(composition: Composition, loop: Loop) -> UserSpeed:
    """Return the speed of one user on the fastest chain, by equation (2)."""
    once_s, input_s, token_s = as_run(composition, loop.engine).job_coefficients_s[0].tolist()
    return speed(1, token_s or np.inf, once_s + input_s * loop.input_tokens, loop)


def _filled(composition: Composition, users: int, engine: Engine) -> Composition:
    """Return the chains that the users take, the fastest first, for exactly these users."""
    before = np.cumsum(composition.capacity) - composition.capacity
    taken = np.minimum(composition.capacity, users - before)
    used = np.flatnonzero(taken > 0)
    chains = composition.only(used)
    return replace(as_run(chains, engine), capacity=taken[used]).under(JFFC)


def _together(chains: Composition, users: int, loop: Loop) -> UserSpeed:
    """Simulate a closed loop without its beginning and its end."""
    lengths = request_lengths(users, loop)
    count = len(lengths)
    jobs = Jobs(np.zeros(count), np.ones(count), lengths, np.zeros(count))
    times = simulate_layout(chains, jobs, loop.service.model, np.random.default_rng(0)).times
    measured = slice(users, count - users)
    first_token_s = (times.first_token_s - times.waiting_s)[measured]
    further = lengths[measured, 1].sum()
    decoding_s = times.service_s[measured].sum() - first_token_s.sum()
    token_s = decoding_s / further if further else float(chains.job_coefficients_s[0, 2])
    return speed(users, float(token_s), float(first_token_s.mean()), loop)


def request_count(users: int) -> int:
    """Return how many requests of k users are simulated."""
    return users * (max(LEAST_ROUNDS, -(-LEAST_MEASURED // users)) + 2)


def request_lengths(users: int, loop: Loop) -> NDArray[np.float64]:
    """Return (n, 2) lengths of all simulated requests: input tokens, output tokens - 1.

    Prompts are equal, and answers have from half to one and a half of the mean.
    """
    count = request_count(users)
    spread = 0.5 + (np.arange(count) * GOLDEN) % 1
    further = np.round(loop.further_tokens * spread)
    return np.column_stack([np.full(count, float(loop.input_tokens)), further])
