"""Listed servers as a cluster of an experiment (`conf/cluster/typed.yaml`), perhaps read from a file of one's own."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hardware_profiles.clusters import require_overheads
from hardware_profiles.listed.boxes import gpu_names
from hardware_profiles.listed.gpus import profile_fields
from hardware_profiles.listed.link_rows import linked
from hardware_profiles.listed.machines import LIST_KEYS, Machines, machines_of, overheads_of
from hardware_profiles.profile import GpuProfile
from system import InputError, RandomStreams, ServedModel, Servers
from system.checks import require, require_known, require_path
from system.documents.entries import Entry
from system.documents.yaml_files import read_yaml

FILE_KEYS = (*LIST_KEYS, "overheads")
SIMILAR = 0.8  # from this likeness on an unknown key of a file is taken for a mistyped one


@dataclass(frozen=True, kw_only=True)
class ListedCluster:
    """Servers that are the same in every draw, with the keys of an inventory of `plan.py`.

    `profiles` has the profile of each GPU that an entry names. Memory for blocks and caches is `free_memory_gb` of the
    entry, or that of the GPU without the workspace that PETALS reserves. `file` names the file of the list, for people.
    """

    deterministic: ClassVar[bool] = True

    servers: Sequence[Mapping[str, Any]]
    profiles: Mapping[str, GpuProfile]
    orchestrator: Any = None
    rtt_between_servers_ms: float | None = None
    rtt_between_regions_ms: Mapping[str, Mapping[str, float]] | None = None
    bandwidth_between_servers_mbytes_per_s: float | None = None
    bandwidth_between_regions_mbytes_per_s: Mapping[str, Mapping[str, float]] | None = None
    link: str | None = None  # the kind of all servers' links, a name of `named_links.yaml`
    bandwidth_mbps: float | None = None  # of all servers' links
    links: Sequence[Sequence[Any]] | None = None  # rows of `listed.link_rows`, instead of all of the above
    prefill_overhead_s: float  # once per visit
    token_overhead_s: float  # per further output token
    hosting: str | None = None  # stated by the profiles (default), or by memory alone
    file: str | None = None

    def __post_init__(self) -> None:
        require_overheads(self.prefill_overhead_s, self.token_overhead_s)

    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """Return the servers, which are the same in every draw."""
        return self.machines(model).servers

    def machines(self, model: ServedModel) -> Machines:
        """Return the servers with the names of their GPUs."""
        content = {key: getattr(self, key) for key in LIST_KEYS if getattr(self, key) is not None}
        overheads_s = self.prefill_overhead_s, self.token_overhead_s
        return machines_of(Entry.of("", content, LIST_KEYS), model, self._profile, overheads_s)

    def _profile(self, name: str) -> GpuProfile:
        require_known("cluster.profiles", name, self.profiles)
        return self.profiles[name]


def read_list(file: str | None) -> dict[str, Any]:
    """Return the fields of a `ListedCluster` that a file gives.

    The file may be an inventory of `plan.py`, whose other keys are left out. Raises `InputError` for a key that looks
    like a mistyped one.
    """
    if file is None:
        raise InputError("cluster.file = None: name a list of servers, such as cluster.file=mine.yaml")
    require_path(**{"cluster.file": file})
    content = read_yaml(Path(file))
    top = Entry.of("", content, content if isinstance(content, dict) else FILE_KEYS)
    for key in top.content:
        near = difflib.get_close_matches(str(key), FILE_KEYS, n=1, cutoff=SIMILAR)
        if key not in FILE_KEYS and near:
            raise InputError(f"key of {file} = {key}: unknown; write {near[0]}")
    once_s, token_s = overheads_of(top)
    top.value("servers", "a list of servers, each with a gpu and a region or an rtt_ms")
    fields = {key: content.get(key) for key in LIST_KEYS} | linked(content, Path(file).parent)
    return {**fields, "prefill_overhead_s": once_s, "token_overhead_s": token_s}


def gpus_of(servers: Any) -> tuple[str, ...]:
    """Return the names of the GPUs of listed servers, each once."""
    is_list = isinstance(servers, Sequence) and not isinstance(servers, str)
    require(is_list, "cluster.servers", servers, "must be a list of servers, each with a gpu and an rtt_ms")
    named = (name for server in servers if isinstance(server, Mapping) for name in gpu_names(server))
    return tuple(dict.fromkeys(named))


def listed_profiles(servers: Any, file: str | None = None) -> dict[str, Any]:
    """Return the profile of each GPU that servers name.

    They are mappings for `instantiate`. A name such as "measured.yaml" is that of a file in the folder of the list.
    """
    folder = Path(file).parent if file else Path()
    return {name: profile_fields(name, folder) for name in gpus_of(servers)}
