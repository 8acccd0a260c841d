"""Links by name and by 10^6 bits/s: what a list takes of them, and what it refuses."""

import re

import numpy as np
import pytest

from hardware_profiles.listed.cluster import ListedCluster
from hardware_profiles.listed.machines import server_entries
from hardware_profiles.listed.named_links import FILE, kind_of, kinds, link_lines
from hardware_profiles.profile import GpuProfile
from system import InputError, RandomStreams, ServedModel
from system.documents.entries import Entry
from tests.support.project import ROOT, case_of

MODEL = ServedModel("m", 6, 1.0, 0.5, 100, 4.0, 2.0, hidden_size=250_000)  # 0.5 MB a token
GPU = GpuProfile("gpu", "gpu", "nobody", 24, 60, 900, 0.001)
LINE_GBITS = {"100mbe": 0.1, "1gbe": 1, "2.5gbe": 2.5, "10gbe": 10, "25gbe": 25, "100gbe": 100}


def list_of(**fields):
    """Return a list of servers a, b and c with fields."""
    servers = [{"name": name, "gpu": "t4", "free_memory_gb": 20} | fields.pop(name, {}) for name in "abc"]
    return {"servers": servers, **fields}


def drawn(**fields):
    cluster = ListedCluster(**list_of(**fields), profiles={"t4": GPU}, prefill_overhead_s=0, token_overhead_s=0)
    return cluster.draw(MODEL, RandomStreams(1))


def lines(**fields):
    top = Entry("", list_of(**fields))
    return "\n".join(link_lines(top, server_entries(top)))


def test_ethernet_carries_its_frames_without_what_is_around_the_payload():
    for name, gbits in LINE_GBITS.items():
        assert kinds()[name].mbps == pytest.approx(gbits * 1e3 * 1448 / 1538, abs=0.6), name
    assert set(kinds()) - set(LINE_GBITS) == {
        "wifi",
        "infiniband",
        *(f"thunderbolt{version}" for version in ("", 3, 4, 5)),
    }


def test_every_kind_has_a_source_for_both_numbers():
    for kind in kinds().values():
        assert re.search(r"\.(com|html)\b|as (of |for )?(1gbe|10gbe|thunderbolt4)", kind.source), kind.name
        assert 0 < kind.rtt_ms <= 5
        assert 10 <= kind.mbps <= 1e6


def test_the_page_shows_the_kinds_as_they_are():
    page = (ROOT / "docs/planning_links.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| ([\d,]+) \| ([\d.]+) \|", page, flags=re.MULTILINE)
    assert {name: (float(mbps.replace(",", "")), float(rtt)) for name, mbps, rtt in rows} == {
        kind.name: (kind.mbps, kind.rtt_ms) for kind in kinds().values()
    }
    assert FILE.name in page


@pytest.mark.parametrize(
    ("written", "name"),
    [("Wi-Fi", "wifi"), ("10 GbE", "10gbe"), ("2.5GbE", "2.5gbe"), ("Thunderbolt 5", "thunderbolt5")],
)
def test_kinds_are_understood_as_people_write_them(written, name):
    assert kind_of(Entry("", {"link": written})).name == name


def test_a_kind_sets_round_trip_and_bandwidth_to_the_orchestrator_and_between_servers():
    servers = drawn(link="1gbe", b={"link": "wifi"}, c={"link": "10gbe", "rtt_ms": 0.2})
    wire, air, fibre = (kinds()[name] for name in ("1gbe", "wifi", "10gbe"))
    np.testing.assert_allclose(servers.orchestrator_rtt_s * 1e3, [wire.rtt_ms, air.rtt_ms, 0.2])
    token_s = [0.5e6 * 8 / (kind.mbps * 1e6) for kind in (wire, air, fibre)]
    np.testing.assert_allclose(servers.communication_s[:, 1], 2 * np.array(token_s))  # there and back
    np.testing.assert_allclose(servers.rtt_s * 1e3, [[0, 3, 0.3], [3, 0, 3], [0.3, 3, 0]])
    np.testing.assert_allclose(
        servers.activation_s,
        [[0, token_s[1], token_s[0]], [token_s[1], 0, token_s[1]], [token_s[0], token_s[1], 0]],
    )


def test_bits_and_bytes_say_the_same_of_a_server():
    bits = drawn(a={"rtt_ms": 1, "bandwidth_mbps": 800}, b={"rtt_ms": 1}, c={"rtt_ms": 1})
    by_bytes = drawn(a={"rtt_ms": 1, "link_mbytes_per_s": 100}, b={"rtt_ms": 1}, c={"rtt_ms": 1})
    np.testing.assert_array_equal(bits.communication_s, by_bytes.communication_s)
    assert by_bytes.activation_s is None
    assert by_bytes.rtt_s is None
    assert bits.rtt_s is None  # no kind says that they are on one switch


def test_a_number_of_ones_own_wins_over_that_of_the_kind_and_of_all():
    servers = drawn(link="wifi", bandwidth_mbps=400, a={"bandwidth_mbps": 80}, b={"link": "100mbe"})
    np.testing.assert_allclose(servers.communication_s[:, 1], 2 * 4e6 / np.array([80e6, 94e6, 400e6]))


def test_a_server_in_the_orchestrators_machine_has_no_link():
    servers = drawn(link="1gbe", a={"rtt_ms": 0}, b={"rtt_ms": 0})
    np.testing.assert_allclose(servers.communication_s[:2], 0)
    np.testing.assert_allclose(servers.rtt_s * 1e3, [[0, 0, 0.3], [0, 0, 0.3], [0.3, 0.3, 0]])
    assert servers.activation_s[0, 1] == 0
    assert servers.activation_s[0, 2] > 0


def test_servers_of_several_regions_take_only_the_bandwidth():
    regions = dict(zip("abc", ("Berlin", "Paris", "Berlin"), strict=True))
    servers = drawn(orchestrator="Berlin", link="1gbe", **{name: {"region": city} for name, city in regions.items()})
    assert servers.rtt_s[0, 1] > 0.005
    np.testing.assert_allclose(servers.communication_s[:, 1], 2 * 4e6 / 941e6)


def test_the_lines_say_what_was_taken_and_its_source():
    text = lines(link="1gbe", a={"link": "wifi"}, b={"bandwidth_mbps": 500})
    assert "link wifi of a: 360 x 10^6 bits/s = 45 MB/s and a round trip of 3 ms" in text
    assert "link 1gbe of b, c: 941 x 10^6 bits/s" in text
    assert "bandwidth of server b: 500 x 10^6 bits/s = 62.5 MB/s, as given" in text
    assert all(kinds()[name].source in text for name in ("wifi", "1gbe"))
    assert "between two servers: the longer round trip" in text
    assert lines(a={"rtt_ms": 1}, b={"rtt_ms": 1}, c={"rtt_ms": 1}) == ""


def test_links_of_a_file_are_part_of_the_configuration(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("link: 1gbe\nbandwidth_mbps: 500\nservers: [{name: a, gpu: t4}, {name: b, gpu: t4}]\n")
    cluster = case_of("cluster=inventory", f"cluster.file={path}")["cluster"]
    assert (cluster["link"], cluster["bandwidth_mbps"]) == ("1gbe", 500)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, r"^rtt_ms of server a is missing: give the round-trip time .* link: 1gbe, or a region"),
        ({"link": "gigabit"}, r"^link = gigabit: unknown; "),
        ({"link": "internet"}, r"^link = internet: says nothing about the distance; give a region or rtt_ms"),
        ({"link": "1gbe", "bandwidth_mbps": 0}, r"^bandwidth_mbps = 0: must be"),
        (
            {"link": "1gbe", "bandwidth_mbps": 1e9},
            r"^bandwidth_mbps = 1000000000.0: is above .* in kbit/s\? Give 1e\+06",
        ),
        (
            {"a": {"rtt_ms": 1, "bandwidth_mbps": 1, "link_mbytes_per_s": 1}},
            r"^bandwidth_mbps of server a = 1: link_mb",
        ),
        ({"links": [["*", "*", 1, None]], "link": "1gbe"}, r"^link = 1gbe: links set it already; remove it"),
        ({"links": [["*", "*", 1, None]], "a": {"link": "1gbe"}}, r"^link of server a = 1gbe: links set it already"),
        (
            {
                "rtt_between_regions_ms": {"x": {"x": 1}},
                "bandwidth_between_regions_mbytes_per_s": {"x": {"x": 1}},
                "orchestrator": "x",
                "a": {"region": "x", "link": "1gbe"},
            },
            r"^link of server a = 1gbe: bandwidth_between_regions_mbytes_per_s sets the bandwidth already",
        ),
    ],
)
def test_links_that_say_too_little_or_too_much_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        drawn(**fields)
