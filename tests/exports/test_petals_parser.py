"""PETALS' own parser reads all exported commands: `make petals`."""

import pytest

from exports.petals import TESTED_VERSION, petals_export
from tests.exports import shell
from tests.exports.parsers import answer_of

pytestmark = pytest.mark.petals


def options(command):
    """Return the words after `python -m petals.cli.run_server`."""
    return command[command.index("petals.cli.run_server") + 1 :]


@pytest.fixture(scope="module")
def read():
    """Return all commands and PETALS' answer; two wrong commands come last."""
    return answer_of("petals", petals_export, options, [["m", "--bogus", "1"], ["m", "--quant_type", "int3"]])


def test_every_command_is_read_as_it_was_meant(read):
    commands, answer = read
    assert answer["version"] == TESTED_VERSION
    assert len(commands) > 20
    for command, args in zip(commands, answer["answers"], strict=False):
        assert isinstance(args, dict), (command, args)
        assert args["converted_model_name_or_path"] == "some/value"
        for field in ("attn_cache_tokens", "inference_max_length"):
            assert args[field] == int(shell.option(command, f"--{field}"))
        for field in ("block_indices", "dht_prefix", "identity_path", "quant_type", "torch_dtype"):
            assert args[field] == shell.option(command, f"--{field}")
        assert args["host_maddrs"][0].endswith(f"/tcp/{shell.option(command, '--port')}")
        assert args["initial_peers"] == ([] if "--new_swarm" in command else ["some/value"])


def test_wrong_options_are_refused(read):
    bogus, precision = read[1]["answers"][-2:]
    assert "unrecognized arguments: --bogus" in bogus
    assert "--quant_type: invalid choice: 'int3'" in precision


def test_the_client_of_the_script_is_there(read):
    assert read[1]["client"]
