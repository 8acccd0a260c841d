"""Mixtures of experts: what a step reads, what the cache takes, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from system import InputError, ServedModel
from system.models.decoder import Decoder, served_model
from system.models.parts import Experts
from system.models.presets import preset

NAMES = ("mixtral_8x7b", "qwen3_235b_a22b", "deepseek_v3", "gpt_oss_120b", "glm_4_5")


@pytest.mark.parametrize("name", NAMES)
def test_a_step_reads_the_experts_that_random_tokens_take(name):
    """Compare with tokens that draw their experts."""
    decoder, jobs, runs = preset(name), 6, 400
    model = served_model(decoder, 1000, decoder.published_weights)
    rng, experts = np.random.default_rng(1), decoder.experts
    taken = [
        len(set(np.concatenate([rng.permutation(experts.count)[: experts.active] for _ in range(jobs)])))
        for _ in range(runs)
    ]
    others_gb = model.block_memory_gb - experts.count * model.expert_gb
    error = 4 * np.std(taken) / np.sqrt(runs) * model.expert_gb
    assert model.active_gb(jobs) == pytest.approx(others_gb + np.mean(taken) * model.expert_gb, abs=error)


@pytest.mark.parametrize("name", NAMES)
def test_steps_read_from_the_active_experts_up_to_the_block(name):
    model = served_model(preset(name), 1000)
    assert model.is_mixture
    assert model.active_gb(1) == model.decode_read_gb
    sizes = [model.active_gb(jobs) for jobs in (1, 2, 8, 64, 10_000)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == pytest.approx(model.block_memory_gb)
    assert model.decode_read_gb == pytest.approx(2 * preset(name).active_block_parameters / 1e9)
    assert model.prefill_gflop == pytest.approx(2 * preset(name).active_block_parameters / 1e9)


def test_a_dense_block_is_read_once_for_any_number_of_jobs():
    model = served_model(preset("llama3_8b"), 1000, "q4_k_m")
    assert not model.is_mixture
    assert {model.active_gb(jobs) for jobs in (1, 5, 1000)} == {model.decode_read_gb}


@pytest.mark.parametrize(
    ("name", "bytes_per_token"), [("deepseek_v3", 70_272), ("qwen2_5_72b", 327_680), ("llama3_1_405b", 516_096)]
)
def test_caches_take_the_published_bytes_a_token(name, bytes_per_token):
    """Compare with Table 1 of arXiv 2505.09343, caches in BF16."""
    decoder = preset(name)
    assert decoder.block_count * decoder.cache_bytes(1, "16 bit") == bytes_per_token


def test_the_first_dense_blocks_count_as_the_others_for_memory_only():
    decoder = preset("deepseek_v3")
    equal = replace(decoder, experts=replace(decoder.experts, dense_blocks=0))
    assert served_model(equal, 1000) == served_model(decoder, 1000)
    dense_mlp, all_experts = 3 * 7168 * 18432, 257 * 3 * 7168 * 2048 + 7168 * 256 + 256
    assert equal.parameters - decoder.parameters == 3 * (all_experts - dense_mlp)


def test_parameters_of_a_deepseek_block_are_those_of_its_tensors():
    """Count the tensors of DeepSeek-V3's block 3 by their shapes."""
    attention = 1536 * 7168 + 1536 + 24576 * 1536 + 576 * 7168 + 512 + 32768 * 512 + 7168 * 16384
    experts = 257 * 3 * 2048 * 7168 + 256 * 7168 + 256
    assert preset("deepseek_v3").block_parameters == attention + experts + 2 * 7168


@pytest.mark.parametrize(
    ("family", "experts", "message"),
    [
        ("llama", Experts(8, 2, 16), "experts of m = .*: llama has no experts; give the family of a mixture"),
        ("mixtral", None, "experts of m = None: mixtral is a mixture of experts; give their number"),
        ("mixtral", Experts(8, 2, 16, dense_blocks=2), "dense blocks of m = 2: must be at most 1"),
    ],
)
def test_experts_and_family_belong_together(family, experts, message):
    with pytest.raises(InputError, match=message):
        Decoder("m", family, 2, 32, 4, 2, 64, experts=experts)


def test_impossible_experts_are_refused():
    with pytest.raises(InputError, match="active experts = 9: must be at most the 8 experts"):
        Experts(8, 9, 16)
    with pytest.raises(InputError, match="active_experts = 3: must be at most expert_count = 2"):
        ServedModel("m", 2, 1.0, 0.1, 100, 1.0, 1.0, expert_count=2, active_experts=3)
