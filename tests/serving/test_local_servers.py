"""Clusters and models for real runs: servers on one machine, and small models with the sizes of their blocks."""

import numpy as np
import pytest
from hydra.utils import instantiate

from evaluators.points.case import Draw
from hardware_profiles.clusters import EqualServers
from hardware_profiles.networks.local import Local
from hardware_profiles.profile import GpuProfile
from system import InputError, RandomStreams, ServedModel
from system.models.presets import preset
from tests.support.project import case_of

MODEL = ServedModel("example", 7, 0.5, 0.25, 128, prefill_gflop=3, decode_read_gb=0.5)
PROFILE = GpuProfile("cpu", "", "", memory_gb=1, prefill_tflops=0.1, bandwidth_gb_per_s=10, overhead_s=0.001)
BYTES = 4  # of a float32


def equal(**changes):
    settings = {"network": Local(0.01), "profile": PROFILE, "server_count": 2, "capacity": 3}
    return EqualServers(**(settings | {"prefill_overhead_s": 0.002, "token_overhead_s": 0.001} | changes))


def draw_of(*overrides):
    """Return draw 0 of the case with these overrides."""
    return Draw(instantiate(case_of(*overrides), _convert_="all"), 0)


def test_round_trips_are_the_same_everywhere_and_between_servers():
    network = Local(0.01).draw(3, np.random.default_rng(1))
    assert network.rtt_s.tolist() == [0.01] * 3
    assert network.server_rtt_s.tolist() == [[0, 0.01, 0.01], [0.01, 0, 0.01], [0.01, 0.01, 0]]
    assert len(set(network.names)) == 3
    assert not Local().draw(2, np.random.default_rng(1)).rtt_s.any()
    with pytest.raises(InputError, match=r"rtt_s = -0.1"):
        Local(-0.1)


def test_equal_servers_have_memory_for_their_blocks_and_jobs():
    servers = equal().draw(MODEL, RandomStreams(1))
    assert servers.memory_gb.tolist() == [4 * (0.5 + 3 * 0.25)] * 2  # 4 of 7 blocks each
    assert servers.block_s[0].tolist() == list(PROFILE.block_coefficients_s(MODEL))
    output_tokens = 5
    assert servers.communication_s[1] @ (1, 100, output_tokens - 1) == pytest.approx(5 * 0.01 + 0.002 + 4 * 0.001)


@pytest.mark.parametrize("capacity", [1, 3, 6, 8])
def test_the_chain_has_the_configured_capacity(capacity):
    composition = draw_of("experiment=real_vs_predicted", f"tuning.capacity={capacity}").layout.composition()
    assert [(set(chain.servers), chain.capacity) for chain in composition.chains] == [({0, 1}, capacity)]
    assert composition.chains[0].blocks == (3, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capacity": 0}, "capacity = 0"),
        ({"server_count": 1.5}, "server_count = 1.5"),
        ({"token_overhead_s": -1}, "token_overhead_s = -1"),
    ],
)
def test_impossible_servers_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        equal(**changes)


@pytest.mark.parametrize("name", ["tiny_llama", "tiny_bloom"])
def test_small_models_have_the_sizes_of_their_blocks(name):
    model, shape = draw_of(f"model={name}", "network=european").case.model, preset(name)
    assert (model.name, model.block_count, model.hidden_size) == (name, shape.block_count, shape.hidden_size)
    parameters, cache_values = shape.block_parameters, shape.cache_values_per_token * model.cache_tokens
    assert model.block_memory_gb == model.decode_read_gb == pytest.approx(BYTES * parameters / 1e9, rel=1e-12)
    assert model.cache_memory_gb == pytest.approx(BYTES * cache_values / 1e9, rel=1e-12)
    assert model.prefill_gflop == pytest.approx(2 * parameters / 1e9, rel=1e-12)


@pytest.mark.parametrize("experiment", ["real_vs_predicted_trace", "real_vs_predicted_h200"])
def test_cache_memory_grows_with_the_length_of_a_cache_slot(experiment):
    model = draw_of(f"experiment={experiment}", "data=embedded").case.model
    cache_values = preset(model.name).cache_values_per_token * model.cache_tokens
    assert model.cache_memory_gb == pytest.approx(BYTES * cache_values / 1e9, rel=1e-12)


def test_both_clusters_of_nine_servers_have_the_same_shape():
    """Check that only 3 servers have room for the whole model."""
    for overrides in (
        ("experiment=real_vs_predicted_h200", "workload=synthetic_code"),
        ("experiment=real_vs_predicted_h200", "data=embedded"),
    ):
        system = draw_of(*overrides).system
        model, memory_gb = system.model, system.servers.memory_gb
        whole_gb = model.block_count * (model.block_memory_gb + model.cache_memory_gb)
        assert np.sum(memory_gb > whole_gb) == 3
        assert np.sum(memory_gb > whole_gb / 2) == 9
        assert memory_gb.max() / memory_gb.min() == pytest.approx(2)
