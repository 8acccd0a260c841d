"""The parts of the card on the machines: chains, servers, and those that are not used."""

import textwrap

import numpy as np

from exports.chains import hop_words
from planner.output.devices import device_lines
from planner.output.rows import servers_in_use
from planner.output.summary import at_once
from planner.results import Plan, Prediction, Study
from planner.words import aligned, digits, percent, some_names
from system import Composition
from system.words import counted

HEADER = ["chain", "servers with layers first:end", "at once", "time alone", "requests", "in use"]
LEGEND = (
    "Chain: servers that run all layers one after the other, 0:40 is layers 0 to 39. At once: requests that it serves "
    "together. Time alone: of a mean request that no other slows."
)
LEGEND_AT_RATE = "Requests: share that it serves. In use: mean share of its room."


def chain_lines(plan: Plan, longest: int) -> list[str]:
    """Return a table of the fastest chains, and what its words mean."""
    composition, prediction = plan.composition, plan.prediction
    rows = []
    for k in range(min(len(composition), longest)):
        first, *others = _folded(hop_words(composition, k))
        chain = composition.chain(k)
        numbers = [str(chain.capacity), digits(chain.mean_service_s, "s")]
        shares = [percent(prediction.chain_shares[k]), percent(prediction.chain_utilisation[k])]
        rows.append([str(k + 1), first, *numbers, *shares])
        rows += [["", other, "", "", "", ""] for other in others]
    header, legend = HEADER, f"{LEGEND} {LEGEND_AT_RATE}"
    if plan.inventory.users is not None:
        header, rows, legend = header[:4], [row[:4] for row in rows], LEGEND
    return [*aligned(header, rows), *_further_chains(composition, prediction, longest), legend]


def _folded(words: list[str]) -> list[str]:
    """Return hops in lines that fit beside the numbers, without breaks inside a hop."""
    joined = " > ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(joined, 50, break_long_words=False)]


def _further_chains(composition: Composition, prediction: Prediction, longest: int) -> list[str]:
    if len(composition) <= longest:
        return []
    rest = slice(longest, None)
    fastest_s, slowest_s = composition.mean_service_s[rest][[0, -1]]
    share = prediction.chain_shares[rest].sum()
    return [
        f"{counted(len(composition) - longest, 'more chain')} for {at_once(int(composition.capacity[rest].sum()))}, "
        f"with times alone from {digits(fastest_s)} to {digits(slowest_s)} s and {percent(share)} of the requests"
    ]


def server_lines(plan: Plan, longest: int) -> list[str]:
    """Return a table of the servers by first block.

    Servers of the same kind with the same blocks share a row.
    """
    composition, utilisation = plan.composition, servers_in_use(plan)
    placement, slots = composition.placement, composition.placement.cache_slots(composition.system)
    hosting = np.flatnonzero(placement.block_count > 0)
    keys = np.stack([plan.inventory.groups[plan.members], placement.first_block, placement.block_count, slots])[
        :, hosting
    ]
    _, kind = np.unique(keys, axis=1, return_inverse=True)
    kinds = [hosting[kind.ravel() == number] for number in range(kind.max() + 1)]
    kinds.sort(key=lambda members: (placement.first_block[members[0]], members[0]))
    rows = [
        [
            some_names(plan.inventory, plan.members[members].tolist(), 2),
            plan.inventory.gpus[plan.members[members[0]]],
            f"{placement.first_block[members[0]]}:{placement.end_block[members[0]]}",
            str(slots[members[0]] // placement.block_count[members[0]]),
            percent(float(utilisation[members].mean())),
        ]
        for members in kinds[:longest]
    ]
    header = ["server", "GPU", "layers", "requests that fit", "in use"]
    lines = [*aligned(header, rows), *device_lines(plan)]
    hidden = sum(members.size for members in kinds[longest:])
    return lines + ([f"{counted(hidden, 'more server')} with other layers; plan.json lists all"] if hidden else [])


def unused_lines(study: Study) -> list[str]:
    """Return the unused servers, grouped by the reason."""
    reasons: dict[str, list[int]] = {}
    for unused in study.unused:
        reasons.setdefault(unused.reason, []).append(unused.server)
    return [f"{some_names(study.plan.inventory, servers)}: {reason}" for reason, servers in reasons.items()]
