"""Listed servers as arrays of memory and time coefficients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.clusters import link_times
from hardware_profiles.listed.gpus import GPU_KEYS, Profiles, free_memory_gb, gpu_of
from hardware_profiles.listed.hosting import hosting_of
from hardware_profiles.listed.links import LINK_KEYS, OWN_KEYS, links_of
from hardware_profiles.profile import PEAK, GpuProfile
from hardware_profiles.quantities import plausible
from system import InputError, ServedModel, Servers
from system.checks import echo, require, require_at_most
from system.documents.entries import Entry
from system.limits import NAME, SERVERS

SERVER_KEYS = ("name", "count", "gpu", *GPU_KEYS, "free_memory_gb", "most_blocks", *OWN_KEYS, "cost_per_hour")
LIST_KEYS = ("servers", "hosting", *LINK_KEYS)
OVERHEAD_KEYS = ("prefill_ms", "token_ms")
HOP_OVERHEAD_MS = 18.0  # to serialize a message, for the prefill and for each further token (paper Sec. 4)

Shares = Callable[[GpuProfile, ServedModel], tuple[float, float]]  # of peak arithmetic and of peak bandwidth


@dataclass(frozen=True)
class Group:
    """The servers of one entry: identical except for their names."""

    names: tuple[str, ...]
    gpu: GpuProfile
    free_memory_gb: float
    cost_per_hour: float  # NaN if neither the entry nor the profile states one


@dataclass(frozen=True)
class Machines:
    """The servers of all groups, in the order of the groups."""

    servers: Servers
    gpus: tuple[str, ...]  # (J,)
    groups: NDArray[np.int64]  # (J,)

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
    groups = [_group(entry, model, profiles) for entry in entries]
    counts = [len(group.names) for group in groups]
    names = [group.names for group in groups]
    _require_distinct([name for group in names for name in group])
    nodes = links_of(top, entries, names)
    block_s = np.array([group.gpu.block_coefficients_s(model, shares(group.gpu, model)) for group in groups])
    curves = [group.gpu.batch_curve(model) for group in groups]
    servers = Servers(
        memory_gb=np.repeat([group.free_memory_gb for group in groups], counts),
        block_s=np.repeat(block_s, counts, axis=0),
        names=nodes.names,
        batch_curves=tuple(curve for curve, count in zip(curves, counts, strict=True) for _ in range(count)),
        cost_per_hour=np.repeat([group.cost_per_hour for group in groups], counts),
        idle_w=np.repeat([group.gpu.idle_w for group in groups], counts),
        busy_w=np.repeat([group.gpu.busy_w for group in groups], counts),
        **link_times(nodes, model, *overheads_s),
        gpu_memory_gb=np.repeat([group.gpu.memory_gb for group in groups], counts),
        gpu_tflops=np.repeat([group.gpu.prefill_tflops for group in groups], counts),
    )
    gpus = tuple(group.gpu.name for group in groups for _ in group.names)
    servers = hosting_of(top, entries, [group.gpu for group in groups], counts, model, servers)
    return Machines(servers, gpus, np.repeat(np.arange(len(groups)), counts))


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


def _label(n: int, content: Any) -> str:
    named = isinstance(content, dict) and content.get("name") is not None
    return f"server {echo(content['name'])}" if named else f"server number {n}"


def _group(entry: Entry, model: ServedModel, profiles: Profiles) -> Group:
    name, count = _name(entry), _count(entry)
    names = (name,) if count == 1 else tuple(f"{name}-{n}" for n in range(1, count + 1))
    gpu = gpu_of(entry, profiles)
    cost = plausible(entry, "cost_per_hour", "a cost") if "cost_per_hour" in entry else gpu.cost_per_hour
    return Group(names, gpu, free_memory_gb(entry, gpu, model), cost)


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
