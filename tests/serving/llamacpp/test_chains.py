"""Chains of the real llama.cpp: layers lie where the composition says, and each server takes one round trip a token."""

from dataclasses import replace

import pytest

from serving.engines.llamacpp.fleet import LlamaCpp, start
from serving.engines.llamacpp.gguf_model import FIRST_WORD, write_random_model
from system.models.presets import preset
from tests.serving.llamacpp.completions import complete, words
from tests.serving.llamacpp.layouts import SMALL, layout_of, model_file, needs_gguf, needs_llamacpp  # noqa: F401

pytestmark = [needs_gguf, needs_llamacpp]


def test_two_chains_with_unequal_splits_hold_the_planned_layers(model_file):  # noqa: F811
    layout = layout_of((3, 13), (9, 1, 6), slots=[4, 3])
    with start(layout, LlamaCpp(model_file=model_file)) as chains:
        assert chains.failed() is None
        assert chains.vocabulary_size == SMALL.vocabulary_size
        for chain, placement in zip(layout.chains, chains.placement, strict=True):
            names = [layout.system.servers.name(j) for j in chain.servers]
            assert list(placement) == names
            assert [len(layers) for layers in placement.values()] == list(chain.blocks)
            assert [layer for layers in placement.values() for layer in layers] == list(range(16))
        answers = [complete(endpoint, [260, 299], 12) for endpoint in chains.endpoints]
        assert words(answers[0]) == words(answers[1])  # both chains are the same model
        assert len(words(answers[0])) == 12
        assert min(words(answers[0])) >= FIRST_WORD
        for processes, slots in zip(chains.processes, (4, 3), strict=True):
            assert f"n_slots = {slots}, n_ctx_slot = 256" in processes[-1].text


@pytest.mark.parametrize("blocks", [(1,), (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2), (15, 1), (1, 15)], ids=str)
def test_chains_of_one_to_fifteen_servers_hold_the_planned_layers(tmp_path, blocks):
    decoder = replace(SMALL, block_count=sum(blocks))
    write_random_model(tmp_path / "model.gguf", decoder)
    with start(layout_of(blocks), LlamaCpp(model_file=str(tmp_path / "model.gguf"))) as chains:
        assert [len(layers) for layers in chains.placement[0].values()] == list(blocks)


def test_each_server_takes_one_round_trip_a_token(tmp_path):
    write_random_model(tmp_path / "model.gguf", replace(SMALL, block_count=2))
    rtt_s = [0.01, 0.03]
    settings = LlamaCpp(model_file=str(tmp_path / "model.gguf"), emulate="rtt")
    with start(layout_of((1, 1), rtt_s=rtt_s), settings) as chains:
        timings = complete(chains.endpoints[0], [260], 8)["timings"]
    assert sum(rtt_s) <= timings["predicted_per_token_ms"] / 1000 * 8 / 7 < 2 * sum(rtt_s)


def test_a_preset_of_any_number_of_blocks_is_written_and_served(tmp_path):
    settings = LlamaCpp(logs=str(tmp_path / "logs"))
    with start(layout_of((1, 2), decoder=preset("tiny_llama")), settings) as chains:
        assert chains.vocabulary_size == 1000
        assert complete(chains.endpoints[0], [500], 2)["usage"]["completion_tokens"] == 2
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        "chain_0.log",
        "chain_0_placement.log",
        "chain_0_server_0.log",
        "chain_0_server_1.log",
    }
