"""Chains for the page's picture: those along the same rows and blocks are drawn as one line."""

from collections.abc import Sequence
from typing import NamedTuple

from exports.chains import hop_words
from planner.output.rows import Row
from planner.results import Plan
from planner.words import digits
from system.words import counted, shortened

NAMED = 4  # numbers of chains in a title


class Stretch(NamedTuple):
    """Blocks that a chain runs on the servers of a row."""

    row: int
    first: int
    end: int


class Bundle(NamedTuple):
    """Chains with the same stretches, the fastest first."""

    chains: tuple[int, ...]
    stretches: tuple[Stretch, ...]
    capacity: int  # of all its chains together
    title: str
    hops: str


def bundles_of(plan: Plan, rows: Sequence[Row]) -> list[Bundle]:
    """Return the bundles of a plan's chains, ordered by their fastest chain."""
    row_of = {j: n for n, row in enumerate(rows) for j in row.servers}
    alike: dict[tuple[Stretch, ...], list[int]] = {}
    for k in range(len(plan.composition)):
        alike.setdefault(_stretches(plan, k, row_of), []).append(k)
    return [_bundle(plan, stretches, chains) for stretches, chains in alike.items()]


def _stretches(plan: Plan, k: int, row_of: dict[int, int]) -> tuple[Stretch, ...]:
    chain, first, stretches = plan.composition.chain(k), 0, []
    for server, blocks in zip(chain.servers, chain.blocks, strict=True):
        stretches.append(Stretch(row_of[server], first, first + blocks))
        first += blocks
    return tuple(stretches)


def _bundle(plan: Plan, stretches: tuple[Stretch, ...], chains: list[int]) -> Bundle:
    composition = plan.composition
    first = composition.chain(chains[0])
    numbers = shortened([str(k + 1) for k in chains], NAMED)
    capacity = sum(composition.chain(k).capacity for k in chains)
    title = f"chain{'s' * (len(chains) > 1)} {numbers}: {counted(capacity, 'request')} at once, service "
    title += digits(first.mean_service_s, "s")
    return Bundle(tuple(chains), stretches, capacity, title, " > ".join(hop_words(composition, chains[0])))
