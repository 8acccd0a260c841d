"""Slots of servers: which are free, which are promised, and when the jobs that hold them are expected to end."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.decisions import Path

Ints = NDArray[np.int64]


class Claim(NamedTuple):
    """A job that is there, in service or committed to its path, and when it is expected to end."""

    path: Path
    expected_end_s: float


class Room:
    """The arrays that `algorithms.routing.shortest_path` looks at, and what changes them.

    Of each server: `free` slots, `unreserved` ones that no job present claims either, and `told`, the free slots as
    last refreshed. The `present[j]` jobs at server j are listed from `j * width` on in `end_s`, ascending, and `held`.
    """

    def __init__(self, slots: Ints) -> None:
        self.free, self.unreserved, self.told = slots.copy(), slots.copy(), slots.copy()
        self.present = np.zeros(slots.size, np.int64)
        self.width = int(slots.max()) + 1
        self.end_s = np.empty(slots.size * self.width)
        self.held = np.empty(slots.size * self.width, np.int64)
        self._told_at_s = -np.inf

    def refresh(self, now_s: float, refresh_s: float) -> None:
        """Tell the numbers of free slots, if the last ones are old enough."""
        if now_s - self._told_at_s >= refresh_s:
            self.told[:] = self.free
            self._told_at_s = now_s

    def enlist(self, claim: Claim) -> None:
        """Add a job to the lists of its path's servers, behind those that end at the same time."""
        for server, _, blocks in claim.path:
            if self.present[server] == self.width:
                self._widen()
            first, last = self._span(server)
            at = first + int(np.searchsorted(self.end_s[first:last], claim.expected_end_s, side="right"))
            self._shift(at, last, at + 1)
            self.end_s[at], self.held[at] = claim.expected_end_s, blocks
            self.present[server] += 1

    def strike(self, claim: Claim) -> None:
        """Remove a job from these lists; entries that are equal stand for each other."""
        for server, _, blocks in claim.path:
            first, last = self._span(server)
            at = first + int(np.searchsorted(self.end_s[first:last], claim.expected_end_s))
            while self.held[at] != blocks:
                at += 1
            self._shift(at + 1, last, at)
            self.present[server] -= 1

    def _span(self, server: int) -> tuple[int, int]:
        first = server * self.width
        return first, first + int(self.present[server])

    def _shift(self, first: int, last: int, to: int) -> None:
        """Move the entries from `first` to `last` - 1 so that they begin at `to`."""
        for entries in (self.end_s, self.held):
            entries[to : to + last - first] = entries[first:last]

    def _widen(self) -> None:
        """Twice the room for the jobs present."""
        servers = self.present.size
        self.end_s = np.tile(self.end_s.reshape(servers, -1), 2).ravel()
        self.held = np.tile(self.held.reshape(servers, -1), 2).ravel()
        self.width *= 2


def fits(path: Path, room: Ints) -> bool:
    """Whether every server of the path has room for its blocks."""
    return all(room[server] >= blocks for server, _, blocks in path)


def take(path: Path, room: Ints) -> None:
    """Take a job's slots on every server of its path."""
    for server, _, blocks in path:
        room[server] -= blocks


def give_back(path: Path, room: Ints) -> None:
    """Give these slots back."""
    for server, _, blocks in path:
        room[server] += blocks
