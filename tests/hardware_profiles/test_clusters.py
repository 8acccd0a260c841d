"""Clusters: the number and choice of fast servers, the cost of visits, and draws that depend only on the seed."""

import re
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate

from hardware_profiles.clusters import Cluster
from hardware_profiles.networks.draw import NetworkDraw
from hardware_profiles.networks.european import European
from hardware_profiles.profile import GpuProfile
from system import InputError, RandomStreams, ServedModel
from tests.support.project import case_of

MODEL = ServedModel("example", 4, 1.0, 0.1, 128, prefill_gflop=3, decode_read_gb=0.5)
FAST = GpuProfile("fast", "", "", memory_gb=40, prefill_tflops=120, bandwidth_gb_per_s=1020, overhead_s=0.001)
SLOW = GpuProfile("slow", "", "", memory_gb=20, prefill_tflops=80, bandwidth_gb_per_s=510, overhead_s=0.002)


@dataclass(frozen=True)
class Line:
    """A network with servers 1, 2, 3, ... ms away, in a random order."""

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        rtt_ms = np.arange(1, server_count + 1, dtype=np.float64)[rng.permutation(server_count)]
        between_s = np.abs(np.subtract.outer(rtt_ms, rtt_ms)) * 1e-3
        return NetworkDraw(np.multiply(rtt_ms, 1e-3), tuple(f"node {ms:g}" for ms in rtt_ms), between_s)


def cluster(**changes: Any) -> Cluster:
    settings: dict[str, Any] = {"network": Line(), "fast": FAST, "slow": SLOW, "server_count": 20, "fast_share": 0.2}
    return Cluster(**(settings | {"prefill_overhead_s": 0.018, "token_overhead_s": 0.018} | changes))


@pytest.mark.parametrize(
    ("server_count", "fast_share", "fast_count"),
    [(20, 0.2, 4), (10, 0.3, 3), (100, 0.29, 29), (9, 0.33, 2), (10, 0.0, 0), (10, 1.0, 10), (1, 0.99, 0)],
)
def test_the_number_of_fast_servers_is_the_floor_of_their_share(server_count, fast_share, fast_count):
    servers = cluster(server_count=server_count, fast_share=fast_share).draw(MODEL, RandomStreams(1))
    assert np.count_nonzero(servers.memory_gb == 40) == fast_count
    assert len(servers) == server_count


def test_a_fast_server_has_the_fast_profile_in_every_array():
    servers = cluster(server_count=9, fast_share=None, fast_count=3).draw(MODEL, RandomStreams(1))
    is_fast = servers.memory_gb == 40
    assert is_fast.sum() == 3
    for j, fast in enumerate(is_fast):
        assert tuple(servers.block_s[j]) == (FAST if fast else SLOW).block_coefficients_s(MODEL)
        assert servers.names[j].endswith("(fast)" if fast else "(slow)")


def test_communication_is_a_round_trip_and_an_overhead_per_output_token():
    servers = cluster().draw(MODEL, RandomStreams(1))
    rtt_s = np.array([int(name.split()[1]) for name in servers.names]) * 1e-3
    output_tokens = 20
    assert servers.communication_s @ (1, 2000, output_tokens - 1) == pytest.approx(20 * (rtt_s + 0.018))
    # The published code: 50 ms with the prefill and nothing with the tokens.
    published = cluster(prefill_overhead_s=0.05, token_overhead_s=0.0).draw(MODEL, RandomStreams(1))
    assert published.communication_s @ (1, 2000, output_tokens - 1) == pytest.approx(20 * rtt_s + 0.05)
    assert published.communication_s @ (1, 2000, 0) == pytest.approx(rtt_s + 0.05)  # up to the first token


def test_the_nearest_servers_are_the_fast_ones():
    for draw in range(5):
        servers = cluster(fast_servers="nearest").draw(MODEL, RandomStreams(1, draw))
        fast = {name for name in servers.names if name.endswith("(fast)")}
        assert fast == {f"node {ms} (fast)" for ms in (1, 2, 3, 4)}


def test_the_first_servers_are_the_fast_ones():
    for draw in range(3):
        servers = cluster(fast_servers="first").draw(MODEL, RandomStreams(1, draw))
        assert [name.endswith("(fast)") for name in servers.names] == [True] * 4 + [False] * 16


def test_random_types_do_not_depend_on_the_distance():
    draws = [cluster().draw(MODEL, RandomStreams(1, draw)) for draw in range(400)]
    rtt_ms = np.array([servers.communication_s[servers.memory_gb == 40, 0] - 0.018 for servers in draws]) * 1e3
    # Four of 1..20 without replacement: mean 10.5, variance of their mean (399 / 12) / 4 * (16 / 19).
    standard_error_ms = np.sqrt(399 / 12 / 4 * 16 / 19 / len(draws))
    assert rtt_ms.mean() == pytest.approx(10.5, abs=4 * standard_error_ms)


def test_a_cluster_depends_only_on_the_seed_and_the_draw():
    first, replicated = (cluster().draw(MODEL, RandomStreams(1, 2, replication)) for replication in (0, 5))
    assert first.names == replicated.names
    assert (first.block_s == replicated.block_s).all()
    assert (first.communication_s == replicated.communication_s).all()
    assert cluster().draw(MODEL, RandomStreams(1, 3)).names != first.names
    assert cluster().draw(MODEL, RandomStreams(2, 2)).names != first.names


def test_the_network_does_not_depend_on_the_share_of_fast_servers():
    shares = [cluster(fast_share=share).draw(MODEL, RandomStreams(1)) for share in (0.1, 0.4)]
    assert (shares[0].communication_s == shares[1].communication_s).all()
    assert set(np.flatnonzero(shares[0].memory_gb == 40)) < set(np.flatnonzero(shares[1].memory_gb == 40))


def test_times_between_servers_come_from_the_network():
    servers = cluster(server_count=3).draw(MODEL, RandomStreams(1))
    assert servers.rtt_s is not None
    assert servers.rtt_s.shape == (3, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fast_count": 3}, "fast_share = 0.2 and fast_count = 3: give exactly one of them"),
        ({"fast_share": None}, "fast_share = None and fast_count = None: give exactly one of them"),
        ({"fast_share": 1.2}, "fast_share = 1.2: must lie between 0 and 1"),
        ({"fast_share": None, "fast_count": 21}, "fast_count = 21: must be a whole number from 0 to 20"),
        ({"fast_share": None, "fast_count": 2.5}, "fast_count = 2.5: must be a whole number from 0 to 20"),
        ({"fast_servers": "best"}, "fast_servers = best: must be one of random, nearest, first"),
        ({"server_count": 0}, "server_count = 0: must be a whole number of at least 1"),
        ({"token_overhead_s": -1}, "token_overhead_s = -1: must be a finite number, 0 or above"),
    ],
)
def test_impossible_clusters_are_refused(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        cluster(**changes)


@pytest.mark.parametrize(
    ("rtt_s", "names", "between", "message"),
    [
        ([0.01, -0.01], ("a", "b"), None, "rtt_s[1] = -0.01"),
        ([0.01, 0.01], ("a",), None, "names = 1 names: give one for each of 2 servers"),
        ([0.01, 0.01], ("a", "b"), np.zeros((2, 3)), "server_rtt_s = array of shape (2, 3): must be 2 by 2"),
    ],
)
def test_the_draw_of_a_custom_network_is_checked(rtt_s, names, between, message):
    with pytest.raises(InputError, match=re.escape(message)):
        NetworkDraw(np.array(rtt_s), names, between)


def test_a_cluster_of_a_hundred_thousand_servers_takes_well_under_a_second():
    large = cluster(network=European(), server_count=100_000)
    begin = time.perf_counter()
    servers = large.draw(MODEL, RandomStreams(1))
    assert time.perf_counter() - begin < 1
    assert np.count_nonzero(servers.memory_gb == 40) == 20_000
    assert servers.rtt_s is None


def test_varied_clusters_have_random_sizes_and_distances():
    case = instantiate(case_of("network=european", "cluster=varied"), _convert_="all")
    drawn = [case.cluster.draw(case.model, RandomStreams(1, number)) for number in range(200)]
    counts = np.array([len(servers) for servers in drawn])
    assert counts.min() >= 12
    assert counts.max() <= 40
    # The logarithm is uniform, so half of the clusters are smaller than the geometric mean of the ends.
    assert np.mean(counts < np.sqrt(12 * 40)) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(counts.size))
    sized = [replace(case.cluster.cluster, server_count=count) for count in counts.tolist()]
    plain = [cluster.draw(case.model, RandomStreams(1, number)) for number, cluster in enumerate(sized)]
    factors = np.array([(a.communication_s / b.communication_s)[0, 0] for a, b in zip(drawn, plain, strict=True)])
    assert factors.min() >= 0.02
    assert factors.max() <= 1
    assert np.mean(factors < np.sqrt(0.02)) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(counts.size))


@pytest.mark.parametrize(
    ("field", "ends", "sentence"),
    [
        ("server_count", [40, 12], r"^server_count = .*: give the least and the most, in this order$"),
        ("server_count", [0, 12], r"^server_count = 0: must be a whole number of at least 1"),
        ("communication_factor", [0, 1], r"^communication_factor = 0: must be a finite number above 0$"),
        ("communication_factor", [0.1, 2], r"^communication_factor = 2"),
    ],
)
def test_wrong_ends_of_varied_clusters_are_refused(field, ends, sentence):
    case = instantiate(case_of("network=european", "cluster=varied"), _convert_="all")
    with pytest.raises(InputError, match=sentence):
        replace(case.cluster, **{field: ends})
