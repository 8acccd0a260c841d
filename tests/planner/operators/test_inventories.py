"""Nine inventories that plans were once wrong for, and what operators could not say."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from exports.chains import own_chains
from planner.choice.search import plan
from planner.inventory.reading import inventory_of, read_inventory
from planner.output.start_commands import exports
from planner.study.cautions import better_alternatives, prefill_share
from planner.study.study_plan import study
from system import InfeasibleError
from system.models.presets import preset

FOLDER = Path(__file__).parent


@cache
def inventory(name):
    """Return the inventory of a file in this folder."""
    return read_inventory(FOLDER / f"{name}.yaml")


@cache
def planned(name):
    """Return the plan of a file in this folder."""
    return plan(inventory(name))


@cache
def commands(name):
    """Return the start commands of a plan by engine."""
    return {export.engine: export for export in exports(planned(name))}


def test_a_mixture_counts_with_all_experts_and_does_not_fit():
    model = inventory("mixture").model
    assert model.block_count == 94
    assert model.is_mixture
    parameters = preset("qwen3_235b_a22b").parameters
    assert parameters == pytest.approx(235e9, rel=0.01)  # as its name says
    with pytest.raises(InfeasibleError, match="does not fit"):
        plan(inventory("mixture"))


def test_quantised_weights_of_a_config_fit():
    # 70 billion parameters in 4 bits take 35 GB and more, in 16 bits 141 GB.
    model = inventory("quantised_config").model
    assert 34 < model.block_count * model.block_memory_gb < 42
    assert planned("quantised_config").composition.total_capacity >= 1


def test_one_gpu_is_not_told_that_another_scheme_does_better():
    best = planned("near_load_one")
    assert not list(better_alternatives(best, study(best).alternatives))
    assert prefill_share(best).max() <= 1


def test_no_gpu_is_promised_more_than_it_computes():
    best = planned("one_h100")
    assert prefill_share(best).max() <= 1
    weights_s = best.inventory.model.block_count * best.inventory.model.decode_read_gb / 3350  # of its data sheet
    slots = best.composition.total_capacity
    assert best.prediction.rate_per_s * 255 * weights_s <= slots  # each step of all slots reads the weights once


def test_a_plan_for_llamacpp_starts_whole_and_says_what_that_costs():
    best = planned("own_servers")
    assert own_chains(best.composition) == list(range(len(best.composition)))
    assert commands("own_servers")["llama.cpp"].chains == tuple(range(len(best.composition)))
    assert best.restriction is not None


def test_messages_inside_a_box_cost_nothing():
    best = planned("one_box")
    assert best.composition.system.communication_s.max() == 0
    assert "--nnodes" not in commands("one_box")["vLLM"].script


def test_every_engine_asks_for_the_cache_of_8_bits_or_is_refused():
    scripts = commands("cache_of_8_bits")
    assert "-ctk q8_0" in scripts["llama.cpp"].script
    assert "--kv-cache-dtype fp8" in scripts["vLLM"].script
    assert "run_server" not in scripts["PETALS"].script


def test_embedding_and_head_take_memory_beside_the_blocks():
    one_card = inventory("embedding_beside_blocks")
    model, memory_gb = one_card.model, one_card.servers.memory_gb[0]
    with_one_request_gb = model.block_count * (model.block_memory_gb + model.cache_memory_gb)
    assert with_one_request_gb < memory_gb < with_one_request_gb + model.embedding_gb + model.head_gb
    with pytest.raises(InfeasibleError, match="embedding"):
        plan(one_card)


def test_a_variant_of_a_gpu_has_its_own_memory():
    servers = inventory("variant_of_a_gpu").servers
    assert servers.gpu_memory_gb.tolist() == [*np.full(7, 24.0), 12.0]


SERVER = {"name": "a", "gpu": "rtx_4090", "rtt_ms": 0.3}
BASE = {
    "model": {"preset": "llama3_8b", "weights": "q4_k_m"},
    "cache_tokens": 2048,
    "servers": [SERVER],
    "workload": {"rate_per_s": 0.01, "input_tokens": 500, "output_tokens": 200},
}
MODELS = ["mixtral_8x7b", "qwen3_30b_a3b", "qwen3_235b_a22b", "deepseek_v3", "deepseek_r1", "gpt_oss_20b"]
MODELS += ["gpt_oss_120b", "glm_4_5", "qwen3_14b", "gemma3_27b", "llama3_3_70b", "mistral_small_24b"]
WEIGHTS = ["q4_k_m", "Q5_K_S", "iq1_s", "awq", "gptq", "fp8", "mxfp4", "nf4", "int8", "q8_0", "iq4_xs"]
CACHES = ["f16", "q8_0", "q4_0", "fp8"]
DEVICES = [
    "m1_max",
    "m2_ultra",
    "m3_ultra",
    "m4_pro",
    "m4_max",
    "m5_max",
    "mi50",
    "mi100",
    "mi250",
    "rx_6700_xt",
    "rx_7900_xtx",
    "strix_halo",
    "gb10",
    "jetson_orin",
    "raspberry_pi_5",
    "p40",
    "p100",
    "gtx_1070",
    "gtx_1080_ti",
    "gtx_1660",
    "t1200",
    "rtx_3060",
    "rtx_3070",
    "rtx_4070",
    "rtx_4070_laptop",
    "rtx_8000",
    "a4000",
    "a5000",
    "v100_32gb",
]
LINKS = [{"bandwidth_mbps": 100, "rtt_ms": 1}, {"link": "wifi"}, {"link": "1gbe"}, {"link": "2.5gbe"}]
LINKS += [{"link": "10gbe"}, {"link": "thunderbolt"}]
SERVERS = [
    {"name": "a", "gpu": "rtx_3080", "memory_gb": 12, "rtt_ms": 0.3},
    {"name": "a", "gpu": "rtx_4090", "free_memory_gb": 25.7, "rtt_ms": 0.3},
    {"name": "a", "gpus": ["rtx_3090", "rtx_3060", "rtx_3060"], "rtt_ms": 0.3},
    {"name": "a", "gpus": ["rtx_3090", "rtx_3090"], "tensor_parallel": True, "rtt_ms": 0.3},
    {"name": "a", "gpu": "rtx_3060", "ram_gb": 64, "ram": "ddr5", "rtt_ms": 0.3},
]
SAID = [
    *({"model": {"preset": name, "weights": "q4_k_m"}} for name in MODELS),
    *({"model": {"preset": "llama3_8b", "weights": weights}} for weights in WEIGHTS),
    *({"model": {"preset": "llama3_8b", "weights": "q4_k_m", "cache": cache}} for cache in CACHES),
    {"model": {"preset": "llama3_8b", "file_gb": 4.92}},
    *({"servers": [{"name": "a", "gpu": gpu, "rtt_ms": 0.3}]} for gpu in DEVICES),
    *({"servers": [{"name": "a", "gpu": "rtx_4090", **link}]} for link in LINKS),
    *({"servers": [server]} for server in SERVERS),
    {"workload": {"users": 1, "input_tokens": 500, "output_tokens": 200}},
]


@pytest.mark.parametrize("change", SAID, ids=str)
def test_operators_can_say(change):
    read = inventory_of(BASE | change, FOLDER)
    assert len(read.servers) == 1
