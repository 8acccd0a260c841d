"""Listed servers as arrays of memory and time coefficients."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.clusters import link_times
from hardware_profiles.listed.boxes import BOX_KEYS, Hardware, hardware_of
from hardware_profiles.listed.devices import Device, Shares
from hardware_profiles.listed.gpus import GPU_KEYS, Profiles
from hardware_profiles.listed.hosting import hosting_of
from hardware_profiles.listed.links import LINK_KEYS, OWN_KEYS, links_of
from hardware_profiles.listed.memory import FREE_KEYS
from hardware_profiles.profile import PEAK
from hardware_profiles.quantities import plausible
from system import InputError, ServedModel, Servers
from system.checks import echo, require, require_at_most
from system.documents.entries import Entry
from system.limits import NAME, SERVERS

SERVER_KEYS = (
    *("name", "count", "gpu", *GPU_KEYS, *FREE_KEYS, *BOX_KEYS),
    *("most_blocks", *OWN_KEYS, "cost_per_hour"),
)
LIST_KEYS = ("servers", "hosting", *LINK_KEYS)
OVERHEAD_KEYS = ("prefill_ms", "token_ms")
HOP_OVERHEAD_MS = 18.0  # to serialize a message, for the prefill and for each further token (paper Sec. 4)


@dataclass(frozen=True)
class Group:
    """The servers of one entry: identical except for their names."""

    names: tuple[str, ...]
    hardware: Hardware
    cost_per_hour: float  # NaN if neither the entry nor the profile states one


@dataclass(frozen=True)
class Machines:
    """The servers of all groups, in the order of the groups."""

    servers: Servers
    gpus: tuple[str, ...]  # (J,)
    groups: NDArray[np.int64]  # (J,)
    devices: tuple[tuple[Device, ...], ...] = ()  # (J,), those of each server, or () for one GPU
    notes: tuple[str, ...] = ()  # what is assumed about the servers, lines for people

    @property
    def cost_per_hour(self) -> NDArray[np.float64] | None:
        """Return (J,) costs, or None if no server has one.

        Raises `InputError` if only some have one.
        """
        costs = self.servers.cost_per_hour
        unknown = np.flatnonzero(np.isnan(costs)).tolist()
        if len(unknown) == costs.size:
            return None
        if unknown:
            name = echo(self.servers.name(unknown[0]))
            raise InputError(f"cost_per_hour of server {name} is missing: give it for every server or for none")
        return costs


def machines_of(
    top: Entry,
    model: ServedModel,
    profiles: Profiles,
    overheads_s: tuple[float, float],
    shares: Shares = lambda _gpu, _model: PEAK,
) -> Machines:
    """Return the servers of a list, an entry with `LIST_KEYS`.

    A round trip has the first overhead for the prefill and the second for each further token. `shares` tells which
    shares of its peak arithmetic and bandwidth a GPU reaches with a model. Raises `InputError` with
    the name of the first server that is wrong.
    """
    entries = server_entries(top)
    require_at_most(SERVERS, **{"count of all servers": sum(map(_count, entries))})
    groups = [_group(entry, model, profiles, shares) for entry in entries]
    counts = [len(group.names) for group in groups]
    names = [group.names for group in groups]
    _require_distinct([name for group in names for name in group])
    nodes = links_of(top, entries, names)
    boxes = [group.hardware for group in groups]
    gpus = [box.gpu for box in boxes]
    curves = [gpu.batch_curve(model) for gpu in gpus]
    servers = Servers(
        memory_gb=np.repeat([box.free_memory_gb for box in boxes], counts),
        block_s=np.repeat(np.array([box.block_s for box in boxes]), counts, axis=0),
        names=nodes.names,
        batch_curves=tuple(curve for curve, count in zip(curves, counts, strict=True) for _ in range(count)),
        cost_per_hour=np.repeat([group.cost_per_hour for group in groups], counts),
        idle_w=np.repeat([gpu.idle_w for gpu in gpus], counts),
        busy_w=np.repeat([gpu.busy_w for gpu in gpus], counts),
        **link_times(nodes, model, *overheads_s),
        gpu_memory_gb=np.repeat([gpu.memory_gb for gpu in gpus], counts),
        gpu_tflops=np.repeat([gpu.prefill_tflops for gpu in gpus], counts),
    )
    servers = hosting_of(top, entries, gpus, counts, model, servers)
    return Machines(
        _capped(servers, boxes, counts, model),
        tuple(group.hardware.gpu.name for group in groups for _ in group.names),
        np.repeat(np.arange(len(groups)), counts),
        tuple(group.hardware.devices for group in groups for _ in group.names),
        tuple(dict.fromkeys(note for box in boxes for note in box.notes)) + tuple(_one_box_notes(entries)),
    )


def server_entries(top: Entry, keys: Sequence[str] = SERVER_KEYS) -> list[Entry]:
    """Return the entries under `servers`, each labelled with its name."""
    listed = top.value("servers", "a list of servers, each with a name, a gpu and an rtt_ms")
    require(isinstance(listed, list) and listed != [], "servers", listed, "must be a list of at least one server")
    return [Entry.of(_label(n, content), content, keys) for n, content in enumerate(listed, 1)]


def overheads_of(top: Entry) -> tuple[float, float]:
    """Return overheads (s) of prefill and of each further token."""
    overheads = top.part("overheads", "a mapping", OVERHEAD_KEYS) if "overheads" in top else Entry("overheads", {})
    once_s, token_s = (
        (plausible(overheads, key, "ms") if key in overheads else HOP_OVERHEAD_MS) / 1e3 for key in OVERHEAD_KEYS
    )
    return once_s, token_s


def _capped(servers: Servers, boxes: Sequence[Hardware], counts: Sequence[int], model: ServedModel) -> Servers:
    """Return servers of which none hosts more blocks than its devices can hold."""
    if all(box.most_blocks is None for box in boxes):
        return servers
    limits = np.repeat([model.block_count if box.most_blocks is None else box.most_blocks for box in boxes], counts)
    return replace(servers, most_blocks=servers.capped(limits))


def _one_box_notes(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield a line for each entry that is probably one machine with several GPUs."""
    for entry in entries:
        count = _count(entry)
        if entry.content.get("rtt_ms") == 0 and count > 1 and "gpu" in entry:
            yield (
                f"{entry.label}: {count} servers with a round trip of 0 ms are planned one by one, in the "
                f"orchestrator's own machine; as one server, its GPUs are gpus: [{count} x {entry.content['gpu']}]"
            )


def _label(n: int, content: Any) -> str:
    named = isinstance(content, dict) and content.get("name") is not None
    return f"server {echo(content['name'])}" if named else f"server number {n}"


def _group(entry: Entry, model: ServedModel, profiles: Profiles, shares: Shares) -> Group:
    name, count = _name(entry), _count(entry)
    names = (name,) if count == 1 else tuple(f"{name}-{n}" for n in range(1, count + 1))
    hardware = hardware_of(entry, profiles, model, shares)
    cost = plausible(entry, "cost_per_hour", "a cost") if "cost_per_hour" in entry else hardware.gpu.cost_per_hour
    return Group(names, hardware, cost)


def _count(entry: Entry) -> int:
    return entry.count("count", "a number of servers", SERVERS) if "count" in entry else 1


def _name(entry: Entry) -> str:
    """Return an entry's name, by default its GPU and region."""
    if "name" not in entry and "gpu" in entry and "region" in entry:
        return f"{entry.text('gpu', 'a GPU')} in {echo(entry.content['region'])}"
    return entry.text("name", "a name of its own", NAME)


def _require_distinct(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                f"name = {echo(name)}: two servers have it; give each its own name (and equal servers a count)"
            )
        seen.add(name)
