"""The servers of an inventory: from entries of a file to arrays of memory and time coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import profile
from hardware_profiles.networks.cities import CITIES
from hardware_profiles.networks.european import LARGEST_MATRIX, European
from hardware_profiles.networks.great_circle import great_circle_km
from hardware_profiles.profile import GpuProfile
from planner.inventory.entries import Entry
from system import InputError, ServedModel, Servers
from system.checks import is_finite_number, require, require_known

GPU_KEYS = ("memory_gb", "prefill_tflops", "bandwidth_gb_per_s", "overhead_ms")
SERVER_KEYS = ("name", "count", "gpu", *GPU_KEYS, "free_memory_gb", "rtt_ms", "region", "cost_per_hour")
OVERHEAD_KEYS = ("prefill_ms", "token_ms")
OWN_NUMBERS = "own numbers"

BLOCK_OVERHEAD_MS = 1.0  # once per block and job (paper footnote 2)
HOP_OVERHEAD_MS = 18.0  # to serialize a message, for the prefill and for each further token (paper Sec. 4)
# PETALS reserves 2 GiB for BLOOM's hidden size; for other hidden sizes it is in proportion.
WORKSPACE_GB_PER_WIDTH = 2 * 2**30 / 1e9 / 14336

POSITIONS = {city: (latitude_deg, longitude_deg) for city, latitude_deg, longitude_deg in CITIES}
NETWORK = European()  # gives the mean access latency and the time per km


@dataclass(frozen=True)
class Group:
    """The servers of one entry: identical except for their names."""

    names: tuple[str, ...]
    gpu: GpuProfile
    free_memory_gb: float
    rtt_s: float
    position_deg: tuple[float, float] | None
    cost_per_hour: float | None


@dataclass(frozen=True)
class Machines:
    """The servers of all groups, in the order of the groups."""

    servers: Servers
    gpus: tuple[str, ...]  # (J,)
    groups: NDArray[np.int64]  # (J,)
    cost_per_hour: NDArray[np.float64] | None  # (J,)


def machines_of(top: Entry, model: ServedModel, folder: Path) -> Machines:
    """Return the servers that a file lists under `servers`.

    Raises `InputError` with the name of the first server that is wrong.
    """
    groups = [_group(entry, top, model, folder) for entry in server_entries(top)]
    counts = [len(group.names) for group in groups]
    names = tuple(name for group in groups for name in group.names)
    _require_distinct(names)
    rtt_s = np.repeat([group.rtt_s for group in groups], counts)
    block_s = np.array([group.gpu.block_coefficients_s(model) for group in groups])
    servers = Servers(
        memory_gb=np.repeat([group.free_memory_gb for group in groups], counts),
        communication_s=_communication_s(top, rtt_s),
        block_s=np.repeat(block_s, counts, axis=0),
        names=names,
        orchestrator_rtt_s=rtt_s,
        rtt_s=_between_servers_s(top, groups, counts),
    )
    gpus = tuple(group.gpu.name for group in groups for _ in group.names)
    return Machines(servers, gpus, np.repeat(np.arange(len(groups)), counts), _costs(groups, counts))


def server_entries(top: Entry, keys: Sequence[str] = SERVER_KEYS) -> list[Entry]:
    """Return the entries under `servers`, each labelled with its name."""
    listed = top.value("servers", "a list of servers, each with a name, a gpu and an rtt_ms")
    require(isinstance(listed, list) and listed != [], "servers", repr(listed), "must be a list of at least one server")
    return [Entry.of(_label(n, content), content, keys) for n, content in enumerate(listed, 1)]


def reserve_gb(model: ServedModel) -> float:
    """Return the memory of a server that is reserved for workspace.

    It is reserved where the inventory does not give `free_memory_gb`.
    """
    return WORKSPACE_GB_PER_WIDTH * (model.hidden_size or 0)


def _label(n: int, content: Any) -> str:
    named = isinstance(content, dict) and content.get("name") is not None
    return f"server {content['name']}" if named else f"server number {n}"


def _group(entry: Entry, top: Entry, model: ServedModel, folder: Path) -> Group:
    name = entry.text("name", "a name of its own")
    count = entry.count("count", "a number of servers") if "count" in entry else 1
    names = (name,) if count == 1 else tuple(f"{name}-{n}" for n in range(1, count + 1))
    gpu = _gpu(entry, folder)
    return Group(names, gpu, _free_memory_gb(entry, gpu, model), *_rtt_s(entry, top), _cost_per_hour(entry, gpu))


def _cost_per_hour(entry: Entry, gpu: GpuProfile) -> float | None:
    """Return the cost in an entry or its profile; None if neither states one."""
    if "cost_per_hour" in entry:
        return entry.not_negative("cost_per_hour", "a cost")
    return None if np.isnan(gpu.cost_per_hour) else gpu.cost_per_hour


def _gpu(entry: Entry, folder: Path) -> GpuProfile:
    if "gpu" not in entry:
        return _own_gpu(entry)
    for key in GPU_KEYS:
        remedy = (
            f"gpu = {entry.content['gpu']} sets it already; give one of the two (free_memory_gb is the free memory)"
        )
        require(key not in entry, entry.where(key), entry.content.get(key), remedy)
    name = entry.text("gpu", "the name of a profile")
    try:
        fields = _profile(name, folder)
    except InputError as error:
        raise InputError(f"{entry.where('gpu')}: {error}") from error
    return GpuProfile(**{key: value for key, value in fields.items() if key != "_target_"})


def _profile(name: str, folder: Path) -> dict[str, Any]:
    """Return the fields of a hardware profile.

    It is one of `hardware_profiles/`, whose name may be written as "RTX 4090", or a file in the folder of the
    inventory, such as "measured.yaml".
    """
    if name.endswith(".yaml"):
        path = folder / name
        return profile.read_profile(path.stem, path.parent)
    return profile.read_profile("_".join(name.lower().replace("-", " ").split()))


def _own_gpu(entry: Entry) -> GpuProfile:
    if not any(key in entry for key in GPU_KEYS):
        entry.value("gpu", "a profile's name, such as rtx_4090, or memory_gb, prefill_tflops and bandwidth_gb_per_s")
    overhead_ms = entry.not_negative("overhead_ms", "ms") if "overhead_ms" in entry else BLOCK_OVERHEAD_MS
    return GpuProfile(
        name=OWN_NUMBERS,
        description=OWN_NUMBERS,
        source="the inventory",
        memory_gb=entry.positive("memory_gb", "the memory of its GPU in GB, or the name of a profile as gpu"),
        prefill_tflops=entry.positive("prefill_tflops", "its TFLOP/s in 16 bit, or the name of a profile as gpu"),
        bandwidth_gb_per_s=entry.positive(
            "bandwidth_gb_per_s", "its memory bandwidth in GB/s, or the name of a profile as gpu"
        ),
        overhead_s=overhead_ms / 1e3,
    )


def _free_memory_gb(entry: Entry, gpu: GpuProfile, model: ServedModel) -> float:
    if "free_memory_gb" in entry:
        free_gb = entry.positive("free_memory_gb", "GB")
        remedy = f"is more than the {gpu.memory_gb:g} GB of its GPU; a server is one GPU, use count for several"
        require(free_gb <= gpu.memory_gb, entry.where("free_memory_gb"), free_gb, remedy)
        return free_gb
    reserve = reserve_gb(model)
    remedy = f"is not more than the {reserve:.3g} GB reserved for workspace; remove the server or give free_memory_gb"
    require(gpu.memory_gb > reserve, f"memory of {entry.label}", f"{gpu.memory_gb:g} GB", remedy)
    return gpu.memory_gb - reserve


def _rtt_s(entry: Entry, top: Entry) -> tuple[float, tuple[float, float] | None]:
    """Return the round trip to the orchestrator, and the server's position or None.

    The round trip is given, or it follows from the distance of the regions.
    """
    require(
        not ("rtt_ms" in entry and "region" in entry),
        entry.where("rtt_ms"),
        entry.content.get("rtt_ms"),
        "region sets it already; give one of the two",
    )
    if "region" not in entry:
        hint = (
            "the round-trip time to the orchestrator in ms, or a region (and the orchestrator's region as orchestrator)"
        )
        return entry.not_negative("rtt_ms", hint) / 1e3, None
    position_deg = _position_deg(entry, "region")
    return float(_distance_s(np.array(position_deg), np.array(_position_deg(top, "orchestrator")))), position_deg


def _position_deg(entry: Entry, key: str) -> tuple[float, float]:
    """Return a position that is given as a city or as [latitude, longitude]."""
    value = entry.value(key, "a city, such as Paris, or [latitude, longitude]")
    if isinstance(value, list):
        degrees = len(value) == 2 and all(map(is_finite_number, value)) and abs(value[0]) <= 90 and abs(value[1]) <= 180
        require(degrees, entry.where(key), value, "must be [latitude, longitude] in degrees")
        return float(value[0]), float(value[1])
    require_known(entry.where(key), str(value), POSITIONS)
    return POSITIONS[str(value)]


def _distance_s(position_deg: NDArray[np.float64], other_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the round trip between positions.

    It is the access latency at both ends and a time per km of great circle, as in
    `hardware_profiles.networks.european`.
    """
    km = great_circle_km(position_deg[..., 0], position_deg[..., 1], other_deg[..., 0], other_deg[..., 1])
    return (NETWORK.access_min_ms + NETWORK.access_max_ms + NETWORK.path_ms_per_km * km) / 1e3


def _between_servers_s(top: Entry, groups: list[Group], counts: list[int]) -> NDArray[np.float64] | None:
    """Return the round trips (J, J) between servers, or None if unknown.

    They follow from the regions if every server has one, and are otherwise the one number that the file gives.
    """
    count, key = sum(counts), "rtt_between_servers_ms"
    positions_deg = np.array([group.position_deg for group in groups if group.position_deg is not None])
    if len(positions_deg) == len(groups):
        require(key not in top, key, top.content.get(key), "the regions set it already; remove it")
        rtt_s = _distance_s(positions_deg[:, None], positions_deg).repeat(counts, axis=0).repeat(counts, axis=1)
    elif key in top:
        rtt_s = np.full((count, count), top.not_negative(key, "ms") / 1e3)
    else:
        return None
    if count > LARGEST_MATRIX:
        return None
    np.fill_diagonal(rtt_s, 0.0)
    return rtt_s


def _communication_s(top: Entry, rtt_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the communication times (J, 3).

    They are a round trip for the prefill, nothing for each input token, and a round trip for each further token. Each
    round trip has its overhead.
    """
    overheads = top.part("overheads", "a mapping", OVERHEAD_KEYS) if "overheads" in top else Entry("overheads", {})
    once_s, token_s = (
        (overheads.not_negative(key, "ms") if key in overheads else HOP_OVERHEAD_MS) / 1e3 for key in OVERHEAD_KEYS
    )
    return np.column_stack([rtt_s + once_s, np.zeros(rtt_s.size), rtt_s + token_s])


def overheads_line(top: Entry) -> str:
    """Return a line about the assumed cost of a message."""
    if "overheads" in top:
        return "a message takes its round trip and the given overheads"
    return (
        f"a message takes its round trip and {HOP_OVERHEAD_MS:g} ms, as measured over the Internet (paper Sec. 4), "
        "because overheads are not given; on a local network they are smaller"
    )


def _costs(groups: list[Group], counts: list[int]) -> NDArray[np.float64] | None:
    """Return the costs per hour (J,), or None if no server has one."""
    costs = [group.cost_per_hour for group in groups]
    if all(cost is None for cost in costs):
        return None
    without = [group.names[0] for group in groups if group.cost_per_hour is None]
    if without:
        raise InputError(f"cost_per_hour of server {without[0]} is missing: give it for every server or for none")
    return np.repeat(np.array(costs, dtype=np.float64), counts)


def _require_distinct(names: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"name = {name}: two servers have it; give each its own name (and equal servers a count)")
        seen.add(name)
