"""Mixed clusters: kinds and round trips are drawn as stated, from the seed and the draw alone."""

import re

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from hardware_profiles.mixed import MixedCluster
from hardware_profiles.networks.log_uniform import LogUniform
from hardware_profiles.profile import GpuProfile
from sweep.instantiate import instantiated
from system import InputError, RandomStreams, ServedModel
from tests.support.project import case_of

MODEL = ServedModel("example", 4, 1.0, 0.1, 128, prefill_gflop=3, decode_read_gb=0.5)
KINDS = [GpuProfile(f"{gb} GB", "", "", gb, 5.0 * gb, 20.0 * gb, 0.001) for gb in (8, 16, 48)]


def cluster(server_count, **changes):
    settings = {"network": LogUniform(), "profiles": KINDS, "prefill_overhead_s": 0.018, "token_overhead_s": 0.01}
    return MixedCluster(server_count=server_count, **(settings | changes))


def test_every_array_has_the_numbers_of_the_servers_kind():
    servers = cluster(50).draw(MODEL, RandomStreams(1))
    by_name = {kind.name: kind for kind in KINDS}
    for j, name in enumerate(servers.names):
        kind = by_name[re.fullmatch(rf"server {j} \((.*)\)", name)[1]]
        assert servers.memory_gb[j] == kind.memory_gb
        assert tuple(servers.block_s[j]) == kind.block_coefficients_s(MODEL)
    assert servers.communication_s @ (1, 9, 4) == pytest.approx(5 * servers.orchestrator_rtt_s + 0.018 + 4 * 0.01)


def test_kinds_are_equally_likely_and_logarithms_of_round_trips_uniform():
    servers = cluster(3000).draw(MODEL, RandomStreams(5))
    assert chisquare(np.unique(servers.memory_gb, return_counts=True)[1]).pvalue > 0.001
    share = np.log(1e3 * servers.orchestrator_rtt_s) / np.log(100)
    assert kstest(share, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(servers.memory_gb, share)[0, 1]) < 4 / np.sqrt(3000)


def test_a_cluster_depends_on_seed_and_draw_and_begins_as_a_larger_one():
    small, large = (cluster(count).draw(MODEL, RandomStreams(1, 2)) for count in (24, 40))
    assert small.names == large.names[:24]
    assert (small.orchestrator_rtt_s == large.orchestrator_rtt_s[:24]).all()
    assert cluster(24).draw(MODEL, RandomStreams(1, 2, 3)).names == small.names  # of another replication
    assert cluster(24).draw(MODEL, RandomStreams(1, 3)).names != small.names


def test_the_configuration_lists_a_gpu_for_each_size_of_memory():
    case = instantiated(case_of("cluster=mixed", "network=ripe_measured"))  # its own network needs no data
    assert [kind.memory_gb for kind in case.cluster.profiles] == [8, 12, 16, 24, 40, 48, 80]
    assert case.cluster.network == LogUniform(1, 100)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cluster(0), "server_count = 0: must be a whole number of at least 1"),
        (lambda: cluster(3, profiles=[]), "profiles = []: name at least one kind of server"),
        (lambda: LogUniform(0, 1), "least_ms = 0: must be a finite number above 0"),
        (lambda: LogUniform(5, 1), "most_ms = 1: must reach least_ms"),
    ],
)
def test_impossible_clusters_are_refused(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()
