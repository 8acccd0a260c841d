"""Parallax's allocation of layers (GradientHQ/parallax, commit 162354a, `layer_allocation.py`).

Pipelines are formed from the servers in the order in which they join, greedily or by dynamic programming. Within each
pipeline, water filling shares out the blocks in proportion to the servers' TFLOPS. Servers that no pipeline needs join
the blocks with the least memory for caches. The first server of a pipeline also hosts the embedding, the last one the
head.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.petals import GIB_IN_GB
from system import InfeasibleError, NotApplicableError, Placement, System
from system.checks import require_count, require_one_of, require_share

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Pipelines = list[list[int]]

ALLOCATORS = ("greedy", "dp")
ITERATIONS = 40  # of the bisection for the water level
MOST_STATES = 300_000  # of the dynamic programming, some 10 s; 42 servers of seven kinds have more
MOST_SERVERS = 200  # of the dynamic programming, which recurs over the servers


class Room(NamedTuple):
    """The blocks (J,) that each server can host, by its role in a pipeline."""

    middle: Ints
    first: Ints  # beside the embedding
    last: Ints  # beside the head
    alone: Ints  # beside both


@dataclass(frozen=True)
class ParallaxPlacement:
    """Parallax's placement: half of the memory of GPUs for weights, 0.3 for caches.

    The shares are of the whole memory of a server's GPUs, in GiB. `vocabulary` is the number of tokens that the
    embedding and the head know.
    """

    allocator: str = "greedy"
    parameter_share: float = 0.5
    cache_share: float = 0.3
    vocabulary: int = 32000

    def __post_init__(self) -> None:
        require_one_of(ALLOCATORS, allocator=self.allocator)
        require_share(parameter_share=self.parameter_share)
        require_share(cache_share=self.cache_share)
        require_count(vocabulary=self.vocabulary)

    def __call__(self, system: System) -> Placement:
        """Return the placement; raise `InfeasibleError` where Parallax forms or fills no pipeline."""
        gpu_gb, tflops = data_sheets(system)
        room, blocks = self.room(system, gpu_gb), system.model.block_count
        pipelines = (greedy_pipelines if self.allocator == "greedy" else dp_pipelines)(room, blocks)
        if not pipelines:
            raise InfeasibleError(
                f"allocator = {self.allocator}: forms no pipeline of {blocks} blocks from servers that have room for "
                f"{room.middle.sum()} in the share {self.parameter_share:g} of their GPUs' memory; add servers"
            )
        first_block, block_count = np.zeros((2, gpu_gb.size), np.int64)
        for pipeline in pipelines:
            members, lengths = water_filled(room, pipeline, tflops, blocks)
            block_count[members], first_block[members] = lengths, np.cumsum(lengths) - lengths
        placement = Placement(first_block, block_count)
        join_lightest(room, gpu_gb * self.cache_share, placement, blocks)
        return placement

    def room(self, system: System, gpu_gb: Floats) -> Room:
        """Return the blocks that each server can host in each role."""
        model = system.model
        table_gb = self.vocabulary * model.activation_bytes / 1e9  # of the embedding or the head
        budget_gb = gpu_gb * GIB_IN_GB * self.parameter_share
        counts = [np.maximum((budget_gb - tables * table_gb) // model.block_memory_gb, 0) for tables in (0, 1, 1, 2)]
        return Room(*(system.servers.capped(count.astype(np.int64)) for count in counts))


def data_sheets(system: System) -> tuple[Floats, Floats]:
    """Return (J,) the memory and the TFLOPS of each server's GPUs."""
    servers = system.servers
    unknown = np.flatnonzero(np.isnan(servers.gpu_memory_gb) | np.isnan(servers.gpu_tflops))
    if unknown.size:
        raise NotApplicableError(
            f"algorithm = parallax: needs gpu_memory_gb and gpu_tflops of {servers.name(int(unknown[0]))}; "
            "use a cluster whose servers have GPU profiles"
        )
    return servers.gpu_memory_gb, servers.gpu_tflops


def greedy_pipelines(room: Room, blocks: int) -> Pipelines:
    """Return the pipelines that form one after the other.

    Servers are taken in their order. If one server can host the model and the others can still form a pipeline, the
    last such server is one by itself.
    """
    standby, pipelines = list(range(room.middle.size)), []
    while (total := int(room.middle[standby].sum())) >= blocks:
        spare = total - blocks > blocks
        alone = [n for n, j in enumerate(standby) if spare and blocks <= room.last[j] <= total - blocks]
        pipeline: list[int] = []
        missing = blocks
        while missing > 0 and standby:
            j = standby.pop(alone[-1] if alone and not pipeline else 0)
            usual, closing = (room.middle[j], room.last[j]) if pipeline else (room.first[j], room.alone[j])
            missing -= int(usual if missing > usual else closing)
            pipeline.append(j)
        if missing > 0:
            break
        pipelines.append(pipeline)
    return pipelines


def dp_pipelines(room: Room, blocks: int) -> Pipelines:
    """Return the k pipelines with the largest k²/s, for s servers in all."""
    best: Pipelines = []
    best_score = 0.0
    for count in range(1, min(room.middle.size, int(room.middle.sum()) // blocks) + 1):
        pipelines = fewest_servers(room, blocks, count)
        used = sum(map(len, pipelines))
        if used and count**2 / used > best_score:
            best, best_score = pipelines, count**2 / used
    return best


class Choice(NamedTuple):
    """What a server may do: join an open pipeline, open one, or stay out (`joined` -1)."""

    joined: int
    left: int  # blocks that the pipeline then lacks
    lacking: tuple[int, ...]  # of all open pipelines, ascending
    full: int  # pipelines


def fewest_servers(room: Room, blocks: int, count: int) -> Pipelines:
    """Return `count` pipelines of the fewest servers, or none without enough servers.

    The state is the next server, the blocks that each open pipeline lacks, and the number of full pipelines. Raises
    `NotApplicableError` for too many states.
    """
    rest = np.append(np.cumsum(room.middle[::-1])[::-1], 0).tolist()

    @cache
    def needed(j: int, lacking: tuple[int, ...], full: int) -> float:
        if full == count and not lacking:
            return 0.0
        if needed.cache_info().currsize > MOST_STATES or room.middle.size > MOST_SERVERS:
            raise NotApplicableError(
                f"allocator = dp: {count} pipelines of {room.middle.size} servers have too many states; "
                "use allocator=greedy"
            )
        new = count - full - len(lacking)
        if j == room.middle.size or rest[j] < sum(lacking) + new * blocks or room.middle.size - j < new:
            return np.inf
        return min(cost(j, choice) for choice in choices(room, blocks, count, (j, lacking, full)))

    def cost(j: int, choice: Choice) -> float:
        return (choice.joined >= 0) + needed(j + 1, choice.lacking, choice.full)

    if np.isinf(needed(0, (), 0)):
        return []
    open_pipelines: list[tuple[int, list[int]]] = []  # blocks that each lacks, with its servers
    done: Pipelines = []
    for j in range(room.middle.size):
        state = j, tuple(lack for lack, _ in open_pipelines), len(done)
        if len(done) < count:
            choice = min(choices(room, blocks, count, state), key=partial(cost, j))
            _extend(open_pipelines, done, j, choice)
    return done


def choices(room: Room, blocks: int, count: int, state: tuple[int, tuple[int, ...], int]) -> Iterator[Choice]:
    """Yield what server j may do, staying out first."""
    j, lacking, full = state
    yield Choice(-1, 0, lacking, full)
    for n, lack in enumerate(lacking):
        left = lack - int((room.middle if lack > room.middle[j] else room.last)[j])
        yield _choice(n, left, lacking[:n] + lacking[n + 1 :], full)
    if full + len(lacking) < count:
        yield _choice(len(lacking), blocks - int(room.first[j]), lacking, full)


def _choice(joined: int, left: int, others: tuple[int, ...], full: int) -> Choice:
    """Return a choice with the state after it."""
    return Choice(joined, left, others if left <= 0 else tuple(sorted((*others, left))), full + (left <= 0))


def _extend(open_pipelines: list[tuple[int, list[int]]], done: Pipelines, j: int, choice: Choice) -> None:
    """Put server j where its choice says."""
    if choice.joined < 0:
        return
    is_new = choice.joined == len(open_pipelines)
    members = [j] if is_new else [*open_pipelines.pop(choice.joined)[1], j]
    if choice.left <= 0:
        done.append(members)
    else:
        open_pipelines.append((choice.left, members))
        open_pipelines.sort(key=lambda pipeline: pipeline[0])


def water_filled(room: Room, pipeline: list[int], tflops: Floats, blocks: int) -> tuple[Ints, Ints]:
    """Return the servers of a pipeline and the blocks of each.

    Servers with the most room come first. Each gets min(room, level x TFLOPS), rounded down, and the largest remainders
    are rounded up. Raises `InfeasibleError` if the room in this order is less than the model, as Parallax stops then.
    """
    members = np.array(sorted(pipeline, key=lambda j: -room.middle[j]))
    most = room.middle[members]
    most[-1], most[0] = room.last[members[-1]], room.first[members[0]]
    if most.min() <= 0 or most.sum() < blocks:
        raise InfeasibleError(
            f"total capacity {most.sum()} is less than the {blocks} blocks of the model: Parallax formed a pipeline of "
            f"{members.size} servers, which lack room beside embedding and head in the order of their room; "
            "use another allocator or other servers"
        )
    low, high = 0.0, float((most / tflops[members]).max())
    for _ in range(ITERATIONS):
        level = (low + high) / 2
        enough = np.minimum(most, level * tflops[members]).sum() >= blocks
        low, high = (low, level) if enough else (level, high)
    exact = np.minimum(most, high * tflops[members])
    lengths = exact.astype(np.int64)
    for n in np.argsort(lengths - exact, kind="stable"):  # the largest remainders first
        lengths[n] += lengths.sum() < blocks and lengths[n] < most[n]
    return members, lengths


def join_lightest(room: Room, cache_gb: Floats, placement: Placement, blocks: int) -> None:
    """Let the servers without blocks join where caches have the least memory.

    A server counts with the share of its memory for caches over its number of blocks.
    """
    first_block, block_count = placement.first_block, placement.block_count
    for j in np.flatnonzero(block_count == 0):
        load_gb = np.zeros(blocks)
        for i in np.flatnonzero(block_count > 0):
            load_gb[first_block[i] : first_block[i] + block_count[i]] += cache_gb[i] / block_count[i]
        start = int(load_gb.argmin())
        usual, closing = (room.first[j], room.alone[j]) if start == 0 else (room.middle[j], room.last[j])
        length = min(int(usual if start + usual < blocks else closing), blocks - start)
        first_block[j], block_count[j] = (start, length) if length > 0 else (0, 0)
