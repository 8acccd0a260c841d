"""Named random streams: everything random in a run follows from (seed, draw, replication).

A *draw* is a random cluster, and a *replication* is one set of jobs for it. Every algorithm gets the same draws and
jobs, so comparisons are paired.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from system.checks import require_not_negative

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class RandomStreams:
    """Named generators for one (seed, draw, replication).

    Two generators with the same name produce the same numbers.
    """

    seed: int
    draw: int = 0
    replication: int = 0

    def __post_init__(self) -> None:
        require_not_negative(seed=self.seed, draw=self.draw, replication=self.replication)

    def cluster(self, name: str) -> np.random.Generator:
        """Return a generator for the draw, the same in every replication."""
        return self._generator(name, 0)

    def jobs(self, name: str) -> np.random.Generator:
        """Return a generator for the replication."""
        return self._generator(name, 1 + self.replication)

    def _generator(self, name: str, part: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.seed, self.draw, part, zlib.crc32(name.encode())]))


def is_deterministic(*parts: object) -> bool:
    """Return whether all parts claim to use no random numbers.

    A part says so by an attribute `deterministic` that is True. A part that says nothing counts as random, so that
    nothing random is ever taken for the same in every draw.
    """
    return all(getattr(part, "deterministic", False) is True for part in parts)


def deterministic(function: Function) -> Function:
    """Mark a function as one without random numbers."""
    vars(function)["deterministic"] = True
    return function
