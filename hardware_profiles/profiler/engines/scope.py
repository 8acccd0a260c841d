"""What is measured of an engine: chains of several lengths, and the requests that they get."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from system.checks import require, require_count, require_positive
from system.limits import DELAY_S, ROUNDS


class Split(NamedTuple):
    """A chain of so many equal servers with so many blocks in all."""

    blocks: int
    servers: int


@dataclass(frozen=True, kw_only=True)
class EngineScope:
    """The points of an engine's profile.

    - `stacks`: numbers of blocks on one server; the largest number is split among `servers`, too.
    - `batches`: numbers of requests at a time.
    - `prompts`: lengths of prompts in tokens.
    - `rtt_s`: the round trip at which new shapes of batches are timed.
    - `warm_up`, `rounds`: rounds over all points before and during the measurement.
    """

    stacks: Sequence[int] = (4, 8, 16)
    servers: Sequence[int] = (1, 2, 4)
    batches: Sequence[int] = (1, 2, 3, 4, 6, 8)
    prompts: Sequence[int] = (16, 48, 96)
    rtt_s: float = 0.02
    warm_up: int = 1
    rounds: int = 8

    def __post_init__(self) -> None:
        require(len(set(self.stacks)) > 1, "stacks", list(self.stacks), "give two numbers of blocks, to fit a line")
        require(len(set(self.prompts)) > 1, "prompts", list(self.prompts), "give two lengths, to fit a line")
        require(len(set(self.servers)) > 1, "servers", list(self.servers), "give two numbers, to fit a line")
        require(1 in self.batches, "batches", list(self.batches), "must have 1, with which the others are compared")
        require(1 in self.servers, "servers", list(self.servers), "must have 1, with which the others are compared")
        for count in (*self.stacks, *self.batches, *self.prompts, *self.servers):
            require_count(**{"stacks, batches, prompts or servers": count})
        most = max(self.stacks)
        require(max(self.servers) <= most, "servers", max(self.servers), f"must be at most {most}, a block each")
        require_positive(rtt_s=self.rtt_s)
        require(self.rtt_s <= DELAY_S, "rtt_s", self.rtt_s, f"is above {DELAY_S:g} s")
        require_count(ROUNDS, warm_up=self.warm_up, rounds=self.rounds)

    @property
    def splits(self) -> list[Split]:
        """Return the chains to start."""
        alone = [Split(blocks, 1) for blocks in self.stacks]
        return alone + [Split(max(self.stacks), count) for count in self.servers if count > 1]


ENGINE_QUICK = EngineScope(stacks=(2, 4), servers=(1, 2), batches=(1, 2), prompts=(16, 48), rounds=1)
