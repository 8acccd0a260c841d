"""The policies as functions of a state, compared with plain Python and with each other."""

import math
import re

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC, jffc
from algorithms.dispatch.jiq import JIQ
from algorithms.dispatch.jsq import JSQ
from algorithms.dispatch.random_free import RANDOM_FREE
from algorithms.dispatch.sa_jsq import SA_JSQ
from algorithms.dispatch.sed import SED
from system import InputError
from system.dispatch import Dispatch
from tests.support.oracles.event_simulation import POLICIES

DISPATCHES = {"jffc": JFFC, "jsq": JSQ, "sa_jsq": SA_JSQ, "jiq": JIQ, "sed": SED, "random_free": RANDOM_FREE}
NO_SETTINGS = np.empty(0)


class State:
    """Random occupancy of 1 to 6 chains: all with room, some full, or all full and some with queues."""

    def __init__(self, rng: np.random.Generator) -> None:
        chain_count = int(rng.integers(1, 7))
        self.capacity = rng.integers(1, 6, chain_count)
        self.rate_per_s = np.sort(rng.uniform(0.1, 3, chain_count))[::-1].copy()
        self.busy = rng.integers(0, self.capacity + 1)
        if rng.random() < 0.5:
            self.busy = self.capacity.copy()
        self.queued = np.where(self.busy == self.capacity, rng.integers(0, 5, chain_count), 0)
        self.uniform = float(rng.random())

    def answer(self, name: str) -> int:
        policy = DISPATCHES[name].policy
        return policy(self.busy, self.queued, 1, self.capacity, self.rate_per_s, NO_SETTINGS, self.uniform)

    def plain_answer(self, name: str) -> int:
        present = (self.busy + self.queued).tolist()
        chain = POLICIES[name](present, self.capacity.tolist(), self.rate_per_s.tolist(), self.uniform)
        return -1 if chain is None else chain

    @property
    def free(self) -> list[int]:
        return np.flatnonzero(self.busy < self.capacity).tolist()


def states(seed: int, count: int = 2000) -> list[State]:
    rng = np.random.default_rng(seed)
    return [State(rng) for _ in range(count)]


@pytest.mark.parametrize("name", DISPATCHES)
def test_a_policy_agrees_with_its_plain_form(name):
    for state in states(51):
        assert state.answer(name) == state.plain_answer(name), vars(state)


@pytest.mark.parametrize("name", ["jffc", "jsq", "sa_jsq", "jiq", "random_free"])
def test_a_chain_with_room_is_chosen_if_there_is_one(name):
    """Check all policies but SED.

    SED may queue a job at a fast full chain while a slow one has room.
    """
    for state in states(52):
        if state.free:
            assert state.answer(name) in state.free


def test_sed_prefers_waiting_for_a_fast_chain_to_a_very_slow_free_one():
    busy, queued, capacity = np.array([1, 0]), np.zeros(2, np.int64), np.ones(2, np.int64)
    assert SED.policy(busy, queued, 1, capacity, np.array([1.0, 0.4]), NO_SETTINGS, 0.0) == 0  # 2 s against 2.5 s
    assert SED.policy(busy, queued, 1, capacity, np.array([1.0, 0.6]), NO_SETTINGS, 0.0) == 1  # 2 s against 1.67 s


def test_with_room_sa_jsq_equals_jffc_and_jsq_equals_jiq():
    for state in states(53):
        if state.free:
            assert state.answer("sa_jsq") == state.answer("jffc") == state.free[0]
            assert state.answer("jsq") == state.answer("jiq") == state.answer("random_free")


def test_without_room_jobs_wait_centrally_or_join_the_queue_of_a_chain():
    for state in states(54):
        if not state.free:
            assert state.answer("jffc") == state.answer("random_free") == -1
            assert all(state.answer(name) >= 0 for name in ("jsq", "sa_jsq", "jiq", "sed"))


@pytest.mark.parametrize("name", ["jsq", "jiq", "random_free"])
def test_random_choices_are_uniform_among_the_chains_with_room(name):
    rng = np.random.default_rng(55)
    busy, capacity = np.array([2, 0, 3, 1, 1]), np.array([2, 4, 3, 5, 2])
    rate, draws = np.linspace(2, 1, 5), 30_000
    chosen = [
        DISPATCHES[name].policy(busy, np.zeros(5, np.int64), 1, capacity, rate, NO_SETTINGS, uniform)
        for uniform in rng.random(draws)
    ]
    count = np.bincount(chosen, minlength=5)
    assert count[[0, 2]].tolist() == [0, 0]
    standard_error = math.sqrt(draws * (1 / 3) * (2 / 3))
    assert count[[1, 3, 4]] == pytest.approx(draws / 3, abs=4 * standard_error)


def test_jsq_measures_a_queue_relative_to_the_capacity_of_its_chain():
    full, queued = np.array([2, 10]), np.array([1, 3])  # 2 / 2 against 4 / 10
    for dispatch in (JSQ, SA_JSQ):
        assert dispatch.policy(full, queued, 1, full, np.array([2.0, 1.0]), NO_SETTINGS, 0.0) == 1


def test_settings_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match=re.escape("settings[1] = nan: must be a finite number")):
        Dispatch(jffc, work_conserving=True, settings=[1.0, float("nan")])
