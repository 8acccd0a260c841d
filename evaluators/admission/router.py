"""Paths over servers by the state in which these are: the scheme's own compiled rules, asked from Python."""

import numpy as np

from algorithms.routing.links import RoutedComposition
from algorithms.routing.shortest_path import shortest_path
from evaluators.admission.decisions import Hop, Path
from evaluators.admission.room import Claim, Room, give_back, take
from system import InputError


class Router:
    """The graph of a routed composition, the slots of its servers, and the jobs that hold or claim them."""

    def __init__(self, composition: RoutedComposition) -> None:
        self.room = Room(composition.slots)
        self._links, self._exit_s = composition.links, composition.exit_s
        self._cost_s = composition.cost_s.copy()
        self._hosted, self._routing = composition.placement.block_count, composition.routing
        self._hops = _hops(composition)
        self._hop_mean_s = composition.mean_service_s
        self._known: dict[tuple[int, ...], Path] = {}
        self._mean_s: dict[Path, float] = {}
        self.leads_to_end = True
        self._found = np.empty(composition.most_hops, np.int64)

    def find(self, now_s: float) -> Path | None:
        """The cheapest path in the state of this moment; None if each has an infinite delay."""
        room = self.room
        room.refresh(now_s, self._routing.refresh_s)
        servers = self._hosted, room.told, room.unreserved, room.present
        present, graph = (now_s, room.end_s, room.held), (tuple(self._links), self._cost_s, self._exit_s)
        hops = shortest_path(self._routing.delay, *graph, servers, present, self._routing.settings, self._found)
        return self._path(tuple(self._found[:hops].tolist())) if hops else None

    def find_some(self, now_s: float) -> Path:
        """As `find`; raises `InputError` if there is none."""
        path = self.find(now_s)
        if path is None:
            name = self._routing.delay.__name__
            raise InputError(f"delay = {name}: leaves a job without a path; it must be finite somewhere")
        return path

    def begin(self, path: Path, now_s: float) -> Claim:
        """A job whose slots are claimed takes them."""
        take(path, self.room.free)
        return self._enlisted(path, now_s)

    def commit(self, path: Path, now_s: float) -> Claim:
        """A job that will wait for this path, the longest of the delays on it, claims its slots."""
        wait_s = max(0.0, *(self._delay_s(hop, now_s) for hop in path))
        take(path, self.room.unreserved)
        return self._enlisted(path, now_s + wait_s)

    def withdraw(self, claim: Claim) -> None:
        """A job no longer claims its slots."""
        give_back(claim.path, self.room.unreserved)
        self.room.strike(claim)

    def leave(self, claim: Claim) -> None:
        """A job in service ends."""
        give_back(claim.path, self.room.free)
        self.withdraw(claim)

    def has_entrance(self, free: np.ndarray) -> bool:
        """Whether a path may begin at a server with so many free slots (J,); where none can, no job fits."""
        source, target, blocks = self._links
        first = source == free.size
        return bool((free[target[first]] >= blocks[first]).any())

    def lose(self, server: int) -> None:
        """No path leads over this server any more."""
        self._cost_s[self._links.target == server] = np.inf
        self.leads_to_end = self._leads_to_end()

    def _leads_to_end(self) -> bool:
        """Whether a path through all blocks is left, whatever the delays."""
        leads = np.append(np.isfinite(self._exit_s), False)
        for source, target, cost_s in zip(self._links.source, self._links.target, self._cost_s, strict=True):
            leads[source] |= leads[target] and np.isfinite(cost_s)
        return bool(leads[-1])

    def _enlisted(self, path: Path, start_s: float) -> Claim:
        claim = Claim(path, start_s + self._mean_s[path])
        self.room.enlist(claim)
        return claim

    def _path(self, links: tuple[int, ...]) -> Path:
        if links not in self._known:
            path = tuple(self._hops[n] for n in links)
            self._known[links] = path
            self._mean_s[path] = float(np.cumsum(self._hop_mean_s[list(links)])[-1])  # in order, as the simulator
        return self._known[links]

    def _delay_s(self, hop: Hop, now_s: float) -> float:
        room, (j, _, blocks) = self.room, hop
        first = j * room.width
        seen = blocks, self._hosted[j], room.told[j], room.unreserved[j], now_s, first, first + room.present[j]
        return self._routing.delay(*seen, room.end_s, room.held, self._routing.settings)


def _hops(composition: RoutedComposition) -> list[Hop]:
    """Each link as a hop."""
    _, target, blocks = composition.links
    first = composition.placement.end_block[target] - blocks
    return [Hop(*numbers) for numbers in zip(target.tolist(), first.tolist(), blocks.tolist(), strict=True)]
