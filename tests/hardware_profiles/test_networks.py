"""Networks: times of small files computed by hand, errors with line numbers, and the generated network's statistics."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hardware_profiles.networks.european import European
from hardware_profiles.networks.great_circle import great_circle_km
from hardware_profiles.networks.ripe import RipeMeasured, RipeSynthetic
from hardware_profiles.networks.topology_zoo import TopologyZoo
from system import InputError

EARTH_QUARTER_KM = np.pi * 6371 / 2


@dataclass(frozen=True)
class File:
    """A data set in an existing file."""

    file: Path

    def path(self) -> Path:
        return self.file


def written(folder: Path, text: str) -> File:
    file = folder / "example"
    file.write_text(text)
    return File(file)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


RIPE_HEADER = "measure_id,anchor_id,dst_ip,init_time,latency_m1,latency_m2,latency_m3,latency_m4,latitude,longitude"
# On the equator, 0, 1 and 2 degrees east. Anchor 30 has three rows, so that medians over time matter.
RIPE_ROWS = [
    "a,10,1.1.1.1,2024-07-19,10,20,30,40,0,0",
    "b,20,1.1.1.2,2024-07-19,11,21,31,41,0,1",
    "c,30,1.1.1.3,2024-07-19,1,2,3,4,0,2",
    "d,30,1.1.1.3,2024-07-20,3,4,90,6,0,2",
    "e,30,1.1.1.3,2024-07-21,2,80,5,8,0,2",
]
VANTAGE_MS = {"anchor 10": (10, 20, 30, 40), "anchor 20": (11, 21, 31, 41), "anchor 30": (2, 4, 5, 6)}
# Median of 1 2 2 3 3 4 4 5 6 8 80 90 is 4, not the median of the four medians above.
POOLED_MS = {"anchor 10": 25, "anchor 20": 26, "anchor 30": 4}


def ripe(folder: Path, rows: list[str] = RIPE_ROWS, header: str = RIPE_HEADER) -> File:
    return written(folder, "\n".join([header, *rows]))


def test_measured_times_are_medians_over_time_from_one_vantage_point(tmp_path):
    network = RipeMeasured(ripe(tmp_path))
    vantages = set()
    for seed in range(30):
        draw = network.draw(3, rng(seed))
        columns = [v for v in range(4) if np.allclose(draw.rtt_s * 1e3, [VANTAGE_MS[name][v] for name in draw.names])]
        assert len(columns) == 1
        assert sorted(draw.names) == sorted(VANTAGE_MS)
        assert draw.server_rtt_s is None
        vantages.add(columns[0])
    assert vantages == {0, 1, 2, 3}


def synthetic_ms(a: str, b: str) -> float:
    degrees_apart = abs(int(a[-2:]) - int(b[-2:])) / 10
    return 0.3 * (POOLED_MS[a] + POOLED_MS[b]) + 0.01 * degrees_apart * EARTH_QUARTER_KM / 90


def test_synthetic_times_are_those_of_the_published_code(tmp_path):
    draw = RipeSynthetic(ripe(tmp_path), orchestrator="central").draw(2, rng(1))
    assert set(draw.names) == {"anchor 10", "anchor 20"}
    assert draw.rtt_s * 1e3 == pytest.approx([synthetic_ms("anchor 30", name) for name in draw.names])
    between_ms = synthetic_ms(*draw.names)
    assert draw.server_rtt_s is not None
    assert draw.server_rtt_s * 1e3 == pytest.approx(np.array([[0, between_ms], [between_ms, 0]]))


@pytest.mark.parametrize("seed", range(5))
def test_servers_are_numbered_by_distance_after_a_draw_in_order_of_medians(tmp_path, seed):
    others = [f"a,{n},1.1.1.{n},2024-07-19,{9 + n},{9 + n},{9 + n},{9 + n},0,{n % 4}" for n in (60, 40, 70, 50)]
    draw = RipeSynthetic(ripe(tmp_path, [*RIPE_ROWS[2:], *others]), "central", "nearest_first").draw(3, rng(seed))
    chosen = {f"anchor {40 + 10 * n}" for n in rng(seed).permutation(4)[:3]}
    assert set(draw.names) == chosen
    assert (np.diff(draw.rtt_s) >= 0).all()
    assert draw.rtt_s * 1e3 == pytest.approx(
        [0.3 * (4 + 9 + n) + 0.01 * abs(n % 4 - 2) * EARTH_QUARTER_KM / 90 for n in (int(x[-2:]) for x in draw.names)]
    )


def test_the_published_numbering_needs_the_published_orchestrator(tmp_path):
    with pytest.raises(InputError, match=r"numbering = nearest_first: .*use orchestrator=central"):
        RipeSynthetic(ripe(tmp_path), numbering="nearest_first")
    with pytest.raises(InputError, match=r"numbering = by_name: must be one of random, nearest_first"):
        RipeSynthetic(ripe(tmp_path), numbering="by_name")


def test_every_node_can_be_the_random_orchestrator(tmp_path):
    network = RipeSynthetic(ripe(tmp_path))
    left_out = [set(POOLED_MS) - set(network.draw(2, rng(seed)).names) for seed in range(30)]
    assert {name for names in left_out for name in names} == set(POOLED_MS)
    draw = network.draw(2, rng(0))
    (orchestrator,) = left_out[0]
    assert draw.rtt_s * 1e3 == pytest.approx([synthetic_ms(orchestrator, name) for name in draw.names])


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (RIPE_ROWS, RIPE_HEADER.replace("latency_m3", "m3"), "example has no column latency_m3"),
        ([], RIPE_HEADER, "example has no measurements"),
        ([], "", "example has no column anchor_id, latency_m1"),
        ([*RIPE_ROWS, "f,40,1.1.1.4,2024-07-19,1,2"], RIPE_HEADER, "example, line 7: must have as many fields"),
        ([RIPE_ROWS[0] + ",9"], RIPE_HEADER, "example, line 2: must have as many fields"),
        (["a,10,1.1.1.1,now,10,fast,30,40,0,0"], RIPE_HEADER, "example, line 2: latency_m2 = fast: must be"),
        (
            ["a,10,1.1.1.1,now,10,0,30,40,0,0"],
            RIPE_HEADER,
            "example, line 2: latency_m2 = 0: must be a number between 0",
        ),
        (["a,10,1.1.1.1,now,10,nan,30,40,0,0"], RIPE_HEADER, "example, line 2: latency_m2 = nan: must be"),
    ],
)
def test_a_wrong_ripe_file_is_refused_in_one_sentence(tmp_path, rows, header, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        RipeMeasured(ripe(tmp_path, rows, header)).draw(1, rng(0))
    assert "\n" not in str(caught.value)


# A square 0-1-2-3 whose sides take 1, 2, 3 and 10 ms, a slow parallel link from 0 to 1, and node 4 on 1 only.
NODES = ["NODES 5", "label x y", "a 0 0", "b 1 0", "c 1 1", "d 0 1", "e 2 2"]
LINKS = [(0, 1, 1000), (1, 2, 2000), (2, 3, 3000), (3, 0, 10000), (0, 1, 7000), (1, 4, 500)]
BOTH_WAYS = [link for start, end, delay in LINKS for link in ((start, end, delay), (end, start, delay))]
EDGES = [f"EDGES {len(BOTH_WAYS)}", "label src dest weight bw delay"]
EDGES += [f"edge_{n} {start} {end} 1 1000000 {delay}" for n, (start, end, delay) in enumerate(BOTH_WAYS)]
GRAPH = "\n".join([*NODES, "", *EDGES, ""])
# From b: 1 ms to a, 2 to c, 5 to d over c (11 over a), 0.5 to e; there and back.
FROM_B_MS = {"a": 2.0, "c": 4.0, "d": 10.0, "e": 1.0}


def test_topology_times_are_shortest_paths_there_and_back(tmp_path):
    draw = TopologyZoo(written(tmp_path, GRAPH), orchestrator="central").draw(4, rng(3))
    assert sorted(draw.names) == list("acde")
    assert draw.rtt_s * 1e3 == pytest.approx([FROM_B_MS[name] for name in draw.names])
    assert draw.server_rtt_s is not None
    a, c, d, e = (draw.names.index(name) for name in "acde")
    assert draw.server_rtt_s[a, d] * 1e3 == pytest.approx(12.0)  # over b and c, not the direct 20
    assert draw.server_rtt_s[e, c] * 1e3 == pytest.approx(5.0)
    assert (np.diag(draw.server_rtt_s) == 0).all()


def test_the_path_back_may_differ(tmp_path):
    lines = ["NODES 2", "label x y", "a 0 0", "b 1 0", "EDGES 2", "label src dest weight bw delay"]
    graph = "\n".join([*lines, "edge_0 0 1 1 1 1000", "edge_1 1 0 1 1 4000"])
    assert TopologyZoo(written(tmp_path, graph)).draw(1, rng(0)).rtt_s * 1e3 == pytest.approx([5.0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NODES 5", "NODES five", "example, line 1: NODES five: must be NODES and the number of rows"),
        ("NODES 5", "NODES 0", "example, line 1: NODES 0: must be above 0"),
        ("NODES 5", "NODES 6", "example, line 9: 2 fields: a row of NODES has 3; correct it or count 6"),
        ("NODES 5", "NODES 4", "example, line 7: e 2 2: must be EDGES and the number of rows"),
        ("EDGES 12", "EDGES 13", "example, line 9: EDGES 13: must be above 0 and the number of rows, here 12"),
        ("EDGES 12", "EDGES 11", "example, line 22: nothing may follow"),
        ("\n".join(EDGES), "", "example has no EDGES section"),
        ("e 2 2", "e 2", "example, line 7: 2 fields: a row of NODES has 3"),
        ("edge_0 0 1 1", "edge_0 0 1", "example, line 11: 5 fields: a row of EDGES has 6"),
        ("edge_0 0 1", "edge_0 0 5", "example, line 11: node 5: must be a number from 0 to 4"),
        ("edge_0 0 1", "edge_0 -1 1", "example, line 11: node -1: must be a number from 0 to 4"),
        ("edge_0 0 1 1 1000000 1000", "edge_0 0 1 1 1000000 0", "example, line 11: delay 0: must be"),
        ("edge_0 0 1 1 1000000 1000", "edge_0 0 1 1 1000000 x", "example, line 11: delay x: must be"),
        ("edge_11 4 1", "edge_11 3 1", "example: no path leads from e to a; the network must be connected"),
    ],
)
def test_a_wrong_topology_file_is_refused_in_one_sentence(tmp_path, old, new, message):
    assert old in GRAPH
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        TopologyZoo(written(tmp_path, GRAPH.replace(old, new, 1))).draw(2, rng(0))
    assert "\n" not in str(caught.value)


def test_too_many_servers_are_refused_with_the_limit_and_a_remedy(tmp_path):
    (tmp_path / "zoo").mkdir()
    file, graph = ripe(tmp_path), written(tmp_path / "zoo", GRAPH)
    for network, most in ((RipeMeasured(file), 3), (RipeSynthetic(file), 2), (TopologyZoo(graph), 4)):
        assert len(network.draw(most, rng(0)).names) == most
        message = rf"server_count = {most + 1}: must be at most {most}, the number of nodes .* network=european"
        with pytest.raises(InputError, match=message):
            network.draw(most + 1, rng(0))


@pytest.mark.parametrize("network", [RipeSynthetic, TopologyZoo])
def test_an_unknown_orchestrator_is_refused(tmp_path, network):
    with pytest.raises(InputError, match="orchestrator = best: must be random or central"):
        network(ripe(tmp_path), orchestrator="best")


def test_a_draw_depends_on_its_seed_and_a_larger_one_contains_a_smaller_one(tmp_path):
    for network in (RipeSynthetic(ripe(tmp_path)), RipeMeasured(ripe(tmp_path)), European()):
        small, again, large = (network.draw(count, rng(7)) for count in (1, 1, 2))
        assert small.names == again.names == large.names[:1]
        assert small.rtt_s == again.rtt_s == large.rtt_s[:1]
    assert European().draw(5, rng(1)).names != European().draw(5, rng(2)).names


def test_the_generated_network_has_the_published_statistics():
    # All times of a draw share its orchestrator, so draws are the independent samples. Medians and means vary by some
    # 5 ms between draws, and 400 draws leave a standard error of a tenth of the 10 % band.
    draws_ms = np.array([European().draw(100, rng(seed)).rtt_s * 1e3 for seed in range(400)])
    standard_error_ms = draws_ms.mean(axis=1).std() / np.sqrt(len(draws_ms))
    assert 3 * standard_error_ms < 0.05 * 27.4
    assert np.median(draws_ms) == pytest.approx(27.6, rel=0.1)
    assert draws_ms.mean() == pytest.approx(27.4, rel=0.1)
    assert np.quantile(draws_ms, [0.001, 0.999]) == pytest.approx([1.2, 62.7], abs=5)


def test_generated_times_between_servers_agree_with_those_to_the_orchestrator():
    network = European(access_min_ms=2, access_max_ms=2, path_ms_per_km=0, scatter_km=30)
    draw = network.draw(3, rng(0))
    assert draw.rtt_s * 1e3 == pytest.approx([4, 4, 4])
    assert draw.server_rtt_s is not None
    assert draw.server_rtt_s * 1e3 == pytest.approx(4 * (1 - np.eye(3)))
    between = European().draw(200, rng(0)).server_rtt_s
    assert between is not None
    assert (between == between.T).all()


def test_generated_nodes_lie_near_their_cities():
    network = European(access_min_ms=0, access_max_ms=0, path_ms_per_km=1, scatter_km=30)
    draw = network.draw(400, rng(0))
    assert draw.server_rtt_s is not None
    city = np.array([name.rsplit(" ", 1)[0] for name in draw.names])
    within_km = draw.server_rtt_s[city[:, None] == city] * 1e3
    # The distance of two uniform points of a disc: at most twice the radius, 128 / (45 pi) of it on average.
    distinct_km = within_km[within_km > 0]
    assert distinct_km.max() < 60 * 1.01
    assert distinct_km.mean() == pytest.approx(30 * 128 / (45 * np.pi), rel=0.1)


def test_a_hundred_thousand_servers_are_drawn_in_well_under_a_second():
    begin = time.perf_counter()
    draw = European().draw(100_000, rng(0))
    assert time.perf_counter() - begin < 1
    assert draw.rtt_s.size == len(draw.names) == 100_000
    assert draw.server_rtt_s is None


def test_great_circle_distances():
    assert great_circle_km(0, 0, 0, 90) == pytest.approx(EARTH_QUARTER_KM)
    assert great_circle_km(90, 0, -90, 0) == pytest.approx(2 * EARTH_QUARTER_KM)
    assert great_circle_km(60, 0, 60, 180) == pytest.approx(EARTH_QUARTER_KM * 60 / 90)  # over the pole
    assert great_circle_km(52.5, 13.4, 52.5, 13.4) == 0
