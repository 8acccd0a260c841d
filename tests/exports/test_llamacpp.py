"""The commands of llama.cpp: exact splits, slots of whole contexts, and lists that fit together."""

from itertools import accumulate

import numpy as np
import pytest

from exports.llamacpp import MOST_DEVICES, context_tokens, host_command, rpc_server_command, tensor_split
from system import InputError


def placed(split):
    """Return the layers, head included, that llama.cpp's rule gives each device."""
    ends = [end / sum(split) for end in accumulate(split)]
    layers = sum(split)  # of a model with so many blocks and the head
    device = [next(j for j, end in enumerate(ends) if end > i / layers) for i in range(layers)]
    return [device.count(j) for j in range(len(split))]


def test_the_split_gives_each_server_its_blocks_and_the_last_one_the_head():
    rng = np.random.default_rng(0)
    for _ in range(200):
        blocks = rng.integers(1, 20, rng.integers(1, MOST_DEVICES + 1)).tolist()
        split = [int(word) for word in tensor_split(blocks).split(",")]
        assert placed(split) == [*blocks[:-1], blocks[-1] + 1]


def test_commands_of_a_chain_of_two_servers():
    server = rpc_server_command("rpc-server", "0.0.0.0", 50052, 4, "CUDA0")
    assert " ".join(server) == "rpc-server --host 0.0.0.0 --port 50052 --threads 4 --device CUDA0"
    host = host_command("llama-server", "model.gguf", ["a:1", "b:2"], [3, 13], 4, 300, "127.0.0.1", 8080)
    assert " ".join(host) == (
        "llama-server --model model.gguf --rpc a:1,b:2 --tensor-split 3,14 -ngl 999 --fit off -np 4 -c 2048 "
        "--no-cache-prompt --cache-ram 0 --slot-prompt-similarity 0 --offline --no-ui --host 127.0.0.1 --port 8080"
    )


@pytest.mark.parametrize(
    ("slots", "tokens", "context"), [(1, 1, 256), (3, 256, 768), (3, 257, 1536), (256, 1000, 262144)]
)
def test_each_slot_gets_a_whole_context(slots, tokens, context):
    assert context_tokens(slots, tokens) == context


@pytest.mark.parametrize(
    ("addresses", "blocks", "words"),
    [
        ([], [], "devices of a chain = 0"),
        (["a:1"] * 16, [1] * 16, "devices of a chain = 16: must be at most 15"),
        (["a:1", "b:2"], [1], "must be 2 numbers or more, one for each device"),
        (["a:1", "b:2"], [1, 0], "blocks of a device = 0"),
    ],
)
def test_lists_that_do_not_fit_together_are_refused(addresses, blocks, words):
    with pytest.raises(InputError, match=words):
        host_command("llama-server", "model.gguf", addresses, blocks, 1, 1, "127.0.0.1", 8080)
