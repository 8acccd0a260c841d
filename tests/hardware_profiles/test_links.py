"""Bandwidths of links: of networks, of regions, and of listed links whose directions differ."""

import numpy as np
import pytest

from hardware_profiles.clusters import EqualServers
from hardware_profiles.listed.cluster import ListedCluster, read_list
from hardware_profiles.listed.link_rows import read_links
from hardware_profiles.networks.european import European
from hardware_profiles.networks.local import Local
from hardware_profiles.networks.log_uniform import LogUniform
from hardware_profiles.profile import GpuProfile
from system import InputError, RandomStreams, ServedModel
from tests.support.project import case_of

MODEL = ServedModel("m", 6, 1.0, 0.5, 100, 4.0, 2.0, hidden_size=250_000)  # 0.5 MB a token
GPU = GpuProfile("gpu", "gpu", "nobody", 24, 60, 900, 0.001)
HEADER = "from,to,latency_ms,mbytes_per_s\n"
FILE = """# A network of two servers.
from,to,latency_ms,mbytes_per_s
*,*,1,1000
orchestrator,*,2,
*,orchestrator,3,
b,a,5,12.5
orchestrator,b,7,10
"""


def listed(**fields):
    """Return the servers a and b of a list with fields."""
    servers = [{"name": name, "gpu": "t4", "free_memory_gb": 20} | fields.pop(name, {}) for name in ("a", "b")]
    profiles = {"t4": GPU}
    return ListedCluster(
        servers=servers, profiles=profiles, prefill_overhead_s=0.02, token_overhead_s=0.01, **fields
    ).draw(MODEL, RandomStreams(1))


def rows_of(text, tmp_path):
    (tmp_path / "links.csv").write_text(text)
    return read_links("links.csv", tmp_path)


def test_a_file_gives_each_direction_of_each_link(tmp_path):
    servers = listed(links=rows_of(FILE, tmp_path))
    np.testing.assert_allclose(servers.orchestrator_rtt_s, [0.005, 0.010])
    np.testing.assert_allclose(servers.rtt_s, [[0, 0.006], [0.006, 0]])
    np.testing.assert_allclose(servers.activation_s, [[0, 0.5 / 1000], [0.5 / 12.5, 0]])
    # The link to b takes bytes only on the way there, so a visit takes 0.5 MB / 10 MB/s for each token.
    np.testing.assert_allclose(servers.communication_s, [[0.025, 0, 0.015], [0.03, 0.05, 0.02 + 0.05]])
    np.testing.assert_allclose(servers.overhead_s, [[0.02, 0, 0.01]] * 2)


def test_rows_of_a_cluster_are_part_of_the_configuration(tmp_path):
    rows_of(FILE, tmp_path)
    (tmp_path / "list.yaml").write_text("links: links.csv\nservers: [{name: a, gpu: t4}, {name: b, gpu: t4}]\n")
    assert read_list(str(tmp_path / "list.yaml"))["links"] == rows_of(FILE, tmp_path)
    case = case_of("cluster=inventory", f"cluster.file={tmp_path / 'list.yaml'}")
    assert case["cluster"]["links"][3] == ["b", "a", 5.0, 12.5]
    by_resolver = case_of("cluster=typed", f"cluster.links=${{links:{tmp_path / 'links.csv'}}}")
    assert by_resolver["cluster"]["links"] == case["cluster"]["links"]


def test_tables_of_regions_give_bandwidths_to_servers_and_to_the_orchestrator():
    table = {"x": {"x": 1, "y": 50}, "y": {"y": 2}}
    speeds = {"x": {"x": 1000, "y": 12.5}, "y": {"y": 500}}
    servers = listed(
        a={"region": "x"},
        b={"region": "y"},
        orchestrator="y",
        rtt_between_regions_ms=table,
        bandwidth_between_regions_mbytes_per_s=speeds,
    )
    np.testing.assert_allclose(servers.activation_s, [[0, 0.04], [0.04, 0]])
    np.testing.assert_allclose(servers.communication_s[:, 1], [2 * 0.5 / 12.5, 2 * 0.5 / 500])


def test_entries_and_the_list_give_single_bandwidths():
    servers = listed(
        a={"rtt_ms": 1, "link_mbytes_per_s": 10},
        b={"rtt_ms": 2},
        rtt_between_servers_ms=3,
        bandwidth_between_servers_mbytes_per_s=5,
    )
    np.testing.assert_allclose(servers.communication_s[:, 1], [0.1, 0])
    np.testing.assert_allclose(servers.activation_s, [[0, 0.1], [0.1, 0]])


@pytest.mark.parametrize("network", [Local, European, LogUniform])
def test_without_bandwidth_the_times_are_those_of_round_trips_to_the_last_bit(network):
    def drawn(**bandwidth):
        cluster = EqualServers(
            network=network(**bandwidth),
            profile=GPU,
            server_count=5,
            capacity=2,
            prefill_overhead_s=0.018,
            token_overhead_s=0.007,
        )
        return cluster.draw(MODEL, RandomStreams(3))

    plain, slow = drawn(), drawn(bandwidth_mbytes_per_s=20.0)
    rtt_s = plain.orchestrator_rtt_s
    np.testing.assert_array_equal(plain.communication_s, np.stack([rtt_s + 0.018, 0 * rtt_s, rtt_s + 0.007], axis=1))
    assert plain.activation_s is None
    token_s = 2 * 0.5 / 20
    np.testing.assert_allclose(slow.communication_s - plain.communication_s, [[0, token_s, token_s]] * 5, rtol=1e-9)
    if network is not LogUniform:
        np.testing.assert_allclose(slow.activation_s, token_s / 2 * (1 - np.eye(5)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from,to,ms\n", r"^first line of .*links.csv = from,to,ms: must be from,to,latency_ms,mbytes_per_s$"),
        ("", r"^first line of .*: must be from,to,"),
        (HEADER + "a,b,1\n", r"row 1 = a,b,1: must have the 4 columns"),
        (HEADER + "a,b,x,1\n", r"row 1 = a,b,x,1: latency_ms and mbytes_per_s must be numbers$"),
        (HEADER + "a,c,1,1\n", r"^to of row 1 of links = c: unknown"),
        (HEADER + "a,a,1,1\n", r"^row 1 of links = from a to a: must be a link between two different ends$"),
        (HEADER + "a,*,1,1\n", r"^row 1 of links = from a to \*: \* stands for all servers; name two servers"),
        (HEADER + "a,b,-1,1\n", r"^latency_ms of row 1 of links = -1"),
        (HEADER + "a,b,1,0\n", r"^mbytes_per_s of row 1 of links = 0"),
        (HEADER + "a,b,1,14200000\n", r"is it in bytes/s\? Give 14.2$"),
        (HEADER + "*,*,1,1\n*,*,2,1\n", r"^links = from \* to \*: is listed twice; remove one row$"),
        (HEADER + "*,*,1,1\n", r"^links = none from a to orchestrator: list it, or add a row of defaults"),
    ],
)
def test_a_wrong_file_of_links_is_refused_in_one_sentence(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        listed(links=rows_of(text, tmp_path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"a": {"rtt_ms": 1}}, r"^rtt_ms of server a = 1: links set it already; remove it$"),
        ({"orchestrator": "x"}, r"^orchestrator = x: links set it already; remove it$"),
        ({"links": []}, r"^links = \[\]: must be a file, or a list of rows$"),
        ({"links": [["a", "b"]]}, r"^row 1 of links = .*: must have from, to, latency_ms, mbytes_per_s$"),
        ({"a": {"name": "orchestrator"}}, r"^name of a server = orchestrator: is that of an end of links"),
    ],
)
def test_links_refuse_what_they_set_themselves(fields, message, tmp_path):
    with pytest.raises(InputError, match=message):
        listed(**{"links": rows_of(FILE, tmp_path)} | fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bandwidth_between_servers_mbytes_per_s": 0}, r"^bandwidth_between_servers_mbytes_per_s = 0: must be"),
        ({"a": {"rtt_ms": 1, "link_mbytes_per_s": -1}}, r"^link_mbytes_per_s of server a = -1: must be"),
        ({"bandwidth_between_regions_mbytes_per_s": {"x": {"x": 1}}}, r"needs the regions of rtt_between_regions_ms"),
    ],
)
def test_wrong_bandwidths_are_refused_in_one_sentence(fields, message):
    with pytest.raises(InputError, match=message):
        listed(**{"a": {"rtt_ms": 1}, "b": {"rtt_ms": 1}} | fields)


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match=r"^links = mars: there is no such file of links"):
        read_links("mars")


def test_a_bandwidth_needs_the_hidden_size():
    narrow = ServedModel("m", 6, 1.0, 0.5, 100, 4.0, 2.0)
    cluster = EqualServers(
        network=Local(bandwidth_mbytes_per_s=1),
        profile=GPU,
        server_count=2,
        capacity=2,
        prefill_overhead_s=0,
        token_overhead_s=0,
    )
    with pytest.raises(InputError, match="hidden_size of m is missing"):
        cluster.draw(narrow, RandomStreams(1))
