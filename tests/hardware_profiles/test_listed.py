"""Listed clusters: servers by type, count and region, the table of round trips, and inventories of plan.py."""

import copy

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from hardware_profiles.listed.cluster import ListedCluster, listed_profiles, read_list
from hardware_profiles.profile import GpuProfile, read_profile
from planner.inventory.reading import read_inventory
from system import InputError, RandomStreams, ServedModel
from tests.support.project import ROOT, case_of

MODEL = ServedModel("m", 6, 1.0, 0.5, 100, 4.0, 2.0)
TABLE = {"east": {"east": 2, "west": 60}, "west": {"west": 4, "europe": 140}, "europe": {"east": 85, "europe": 8}}
LIST = {
    "servers": [
        {"gpu": "t4", "count": 2, "region": "west"},
        {"name": "big", "gpu": "l40s", "region": "europe", "free_memory_gb": 10},
        {"gpu": "t4", "region": "east"},
    ],
    "orchestrator": "east",
    "rtt_between_regions_ms": TABLE,
}


def cluster_of(listed):
    """Return the cluster of a list."""
    profiles = instantiate(listed_profiles(listed["servers"]), _convert_="all")
    return ListedCluster(**listed, profiles=profiles, prefill_overhead_s=0.02, token_overhead_s=0.01)


def drawn(listed, draw=0):
    return cluster_of(listed).draw(MODEL, RandomStreams(1, draw))


def test_servers_follow_from_type_count_and_region():
    servers = drawn(LIST)
    t4, l40s = (GpuProfile(**{k: v for k, v in read_profile(n).items() if k != "_target_"}) for n in ("t4", "l40s"))
    assert servers.names == ("t4 in west-1", "t4 in west-2", "big", "t4 in east")
    np.testing.assert_allclose(servers.memory_gb, [t4.memory_gb, t4.memory_gb, 10, t4.memory_gb])
    np.testing.assert_allclose(servers.block_s[[0, 2]], [gpu.block_coefficients_s(MODEL) for gpu in (t4, l40s)])
    np.testing.assert_allclose(servers.orchestrator_rtt_s, [0.06, 0.06, 0.085, 0.002])
    np.testing.assert_allclose(servers.communication_s[2], [0.105, 0, 0.095])


def test_round_trips_between_servers_are_those_of_their_regions():
    servers, regions = drawn(LIST), ["west", "west", "europe", "east"]
    for i, a in enumerate(regions):
        for j, b in enumerate(regions):
            expected = 0 if i == j else TABLE[a].get(b, TABLE[b].get(a)) / 1e3
            assert servers.rtt_s[i, j] == pytest.approx(expected), (a, b)


def test_every_draw_is_the_same():
    first, other = drawn(LIST), drawn(LIST, draw=4)
    assert ListedCluster.deterministic
    for name in ("memory_gb", "communication_s", "block_s", "orchestrator_rtt_s", "rtt_s"):
        np.testing.assert_array_equal(getattr(first, name), getattr(other, name))


@pytest.mark.parametrize("name", ["lab", "volunteers", "datacentre"])
def test_an_inventory_of_plan_py_gives_the_servers_that_it_plans_for(name):
    path = ROOT / "planner/examples" / f"{name}.yaml"
    inventory, listed = read_inventory(path), read_list(str(path))
    profiles = instantiate(listed_profiles(listed["servers"], str(path)), _convert_="all")
    cluster = ListedCluster(**listed, profiles=profiles)
    machines = cluster.machines(inventory.model)
    assert machines.gpus == inventory.gpus
    assert machines.servers.names == inventory.servers.names
    for field in ("memory_gb", "communication_s", "orchestrator_rtt_s", "rtt_s"):
        np.testing.assert_array_equal(getattr(machines.servers, field), getattr(inventory.servers, field))
    # A sweep has the block times of data sheets, plan.py those that measured points tell of.
    assert (machines.servers.block_s[:, 1:] < inventory.servers.block_s[:, 1:]).all()
    by_gpu = {profile.name: profile.block_coefficients_s(inventory.model) for profile in profiles.values()}
    for gpu, block_s in zip(machines.gpus, machines.servers.block_s, strict=True):
        if gpu in by_gpu:  # the others state their own numbers
            np.testing.assert_allclose(block_s, by_gpu[gpu])


def test_a_profile_of_ones_own_beside_the_list_is_part_of_the_configuration(tmp_path):
    content = read_profile("t4") | {"memory_gb": 20.0}
    del content["_target_"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    path = tmp_path / "list.yaml"
    path.write_text(yaml.safe_dump({"servers": [{"name": "a", "gpu": "mine.yaml", "count": 6, "rtt_ms": 1}]}))
    case = case_of("cluster=inventory", f"cluster.file={path}")
    assert case["cluster"]["profiles"]["mine.yaml"]["memory_gb"] == 20
    servers = instantiate(case["cluster"], _convert_="all").draw(MODEL, RandomStreams(1))
    np.testing.assert_array_equal(servers.memory_gb, [20] * 6)
    np.testing.assert_allclose(servers.communication_s[0], [0.019, 0, 0.019])  # 18 ms by default, as in the paper


def test_the_configured_cluster_has_seven_types_in_three_regions():
    cluster = instantiate(case_of("cluster=typed")["cluster"], _convert_="all")
    machines = cluster.machines(MODEL)
    assert len(set(machines.gpus)) == 7
    assert len({name.split(" in ")[1].split("-")[0] for name in machines.servers.names}) == 3
    assert cluster.prefill_overhead_s == 0.018
    assert case_of("cluster=typed", "constants=simulator")["cluster"]["prefill_overhead_s"] == 0.05


def changed(path, value):
    """Return the list with a key replaced, or removed for None."""
    content = copy.deepcopy(LIST)
    *parents, last = (int(key) if key.isdecimal() else key for key in path.split("."))
    node = content
    for key in parents:
        node = node[key]
    node[last] = value
    if value is None:
        del node[last]
    return content


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("servers.0.region", "north", r"region of server number 1 = north: unknown; .* east, europe, west"),
        ("servers.0.region", None, r"name of server number 1 is missing"),
        ("servers.1.region", None, r"rtt_ms of server big is missing: give the round-trip time"),
        ("servers.1.count", 0, r"count of server big = 0: must be a whole number of at least 1"),
        ("servers.1.gpus", ["t4"], r"gpu beside gpus of server big = l40s: give one of the two"),
        ("servers.1.gups", 1, r"key of server big = gups: unknown; did you mean gpus"),
        ("servers", [], r"servers = \[\]: must be a list of at least one server"),
        ("orchestrator", None, r"orchestrator is missing: give a region of rtt_between_regions_ms"),
        ("orchestrator", "Paris", r"orchestrator = Paris: unknown; choose one of east, europe, west"),
        ("rtt_between_regions_ms.europe.east", None, r"no round trip between east and europe: give one in ms"),
        ("rtt_between_regions_ms.west.west", None, r"no round trip within west: give one in ms"),
        ("rtt_between_regions_ms.west.east", 61, r"west.east = 61: must be 60 as in the other direction"),
        ("rtt_between_regions_ms.west.west", -1, r"west.west = -1: must be a finite number, 0 or above"),
        ("rtt_between_regions_ms.west", 5, r"rtt_between_regions_ms.west = 5: must be a mapping"),
        ("rtt_between_servers_ms", 3, r"rtt_between_servers_ms = 3: the regions set it already; remove it"),
    ],
)
def test_errors_name_the_key_and_the_remedy(path, value, message):
    with pytest.raises(InputError, match=message):
        drawn(changed(path, value))


def test_servers_of_one_type_and_region_need_names():
    with pytest.raises(InputError, match=r"name = t4 in west: two servers have it"):
        drawn(LIST | {"servers": [{"gpu": "t4", "region": "west"}] * 2})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("servers: [", "is not YAML"),
        ("[1]", "must be a mapping"),
        ("server: [{gpu: t4}]", "= server: unknown; write servers"),
        ("rtt_between_region_ms: {}\nservers: [{gpu: t4}]", "= rtt_between_region_ms: unknown; write rtt_between_"),
        ("goal: {minimise: p95}", "servers is missing: give a list of servers"),
    ],
)
def test_errors_of_files(tmp_path, content, message):
    (tmp_path / "list.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        read_list(str(tmp_path / "list.yaml"))


def test_a_file_must_be_named():
    with pytest.raises(InputError, match=r"cluster.file = None: name a list of servers"):
        read_list(None)
