"""vLLM's own parser reads all exported commands: `make vllm`."""

import re

import pytest

from exports.families import VLLM
from exports.vllm import TESTED_VERSION, vllm_export
from tests.exports import shell
from tests.exports.parsers import answer_of

pytestmark = pytest.mark.vllm
NUMBERS = ("max_model_len", "max_num_seqs", "node_rank", "nnodes", "master_port", "pipeline_parallel_size")
NUMBERS += ("tensor_parallel_size",)


def options(command):
    """Return the words after `vllm serve`."""
    return command[command.index("serve") + 1 :]


@pytest.fixture(scope="module")
def read():
    """Return all commands and vLLM's answer; two wrong commands come last."""
    return answer_of("vllm", vllm_export, options, [["m", "--bogus", "1"], ["m", "--kv-cache-dtype", "float32"]])


def test_every_command_is_read_as_it_was_meant(read):
    commands, answer = read
    assert answer["version"] == TESTED_VERSION
    assert len(commands) > 20
    for command, args in zip(commands, answer["answers"], strict=False):
        assert isinstance(args, dict), (command, args)
        for field in NUMBERS:
            word = f"--{field.replace('_', '-')}"
            if word in command:
                assert args[field] == int(shell.option(command, word))
        assert args["headless"] == ("--headless" in command)
        if args["pipeline_parallel_size"] > 1:
            split = shell.environment(command)["VLLM_PP_LAYER_PARTITION"].split(",")
            assert len(split) == args["pipeline_parallel_size"]
        assert args["pipeline_parallel_size"] * args["tensor_parallel_size"] % args["nnodes"] == 0
        known = [None, "bitsandbytes", *answer["quantization"]]  # the plugin adds bitsandbytes
        assert args["quantization"] in known


def test_wrong_options_are_refused(read):
    _, answer = read
    bogus, cache = answer["answers"][-2:]
    assert "unrecognized arguments: --bogus" in bogus
    assert re.search("--kv-cache-dtype: invalid choice: 'float32'", cache)


def test_vllm_lists_every_architecture_that_is_exported(read):
    assert set(VLLM.values()) <= set(read[1]["architectures"])


def test_bitsandbytes_is_no_method_of_vllm_itself(read):
    assert "bitsandbytes" not in read[1]["quantization"]
    assert {"int8_per_channel_weight_only", "fp8_per_tensor"} <= set(read[1]["quantization"])
