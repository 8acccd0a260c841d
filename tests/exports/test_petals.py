"""Start commands for PETALS."""

import ast
import re

import pytest

from exports.families import PETALS
from exports.petals import TESTED_VERSION, petals_export
from system.models.families import FAMILIES as ALL_FAMILIES
from tests.exports import shell
from tests.exports.compositions import composition, description, own, shared
from tests.exports.examples import CACHES, WEIGHTS


def export_of(chains, **fields):
    return petals_export(chains, description(chains, **fields))


@pytest.mark.parametrize("chains", [own(), shared()])
def test_each_server_serves_its_blocks_with_room_for_all_that_it_reserves(chains):
    commands = shell.words(export_of(chains).script)
    placement, system = chains.placement, chains.system
    assert len(commands) == 4
    for j, command in enumerate(commands):
        assert shell.option(command, "--block_indices") == f"{placement.first_block[j]}:{placement.end_block[j]}"
        tokens = int(shell.option(command, "--attn_cache_tokens"))
        cache_gb = tokens / system.model.cache_tokens * system.model.cache_memory_gb * placement.block_count[j]
        free_gb = system.servers.memory_gb[j] - placement.block_count[j] * system.model.block_memory_gb
        assert free_gb - system.model.cache_memory_gb < cache_gb <= free_gb


def test_the_first_server_begins_the_swarm_and_alone_needs_no_peers():
    script = export_of(own()).script
    commands = shell.words(script, PEERS="/ip4/10.0.0.1/tcp/31330/p2p/Qm")
    assert ["--new_swarm" in command for command in commands] == [True, False, False, False]
    assert {shell.option(command, "--initial_peers") for command in commands[1:]} == {"/ip4/10.0.0.1/tcp/31330/p2p/Qm"}
    identities = [shell.option(command, "--identity_path") for command in commands]
    assert len(set(identities)) == 4
    above = script[: script.index("--initial_peers")].partition("--new_swarm")[0]
    assert "PEERS=" not in above
    assert "PEERS=" not in "".join(shell.variables(export_of(composition([(0, 5)], [((0,), 1)])).script))


def test_the_prefix_has_only_letters_that_petals_takes():
    commands = shell.words(export_of(own(), model="Meta Llama 3.1").script)
    assert {shell.option(command, "--dht_prefix") for command in commands} == {"Meta-Llama-3-1"}


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_families_that_petals_does_not_serve_are_refused(family):
    export = export_of(own(), family=family)
    assert bool(shell.command_lines(export.script)) == (family in PETALS)
    assert (f"and no {family} models" in export.reason) == (family not in PETALS)
    assert export.chains == ()


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("cache", CACHES)
def test_the_type_of_the_cache_is_that_of_the_weights_unless_they_are_quantised(weights, cache):
    export = export_of(own(), weights=weights, cache=cache)
    commands = shell.words(export.script)
    kept = cache != "8 bit" and (weights in {"int8", "nf4"} or weights == cache)
    assert bool(commands) == kept
    assert ("cannot" in export.reason or "would not fit" in export.reason or "one type" in export.reason) != kept
    for command in commands:
        assert shell.option(command, "--quant_type") == (weights if weights in {"int8", "nf4"} else "none")
        assert shell.option(command, "--torch_dtype") == ("float32" if cache == "float32" else "bfloat16")


def test_the_client_is_python_that_reads_the_same_prefix_and_type():
    script = export_of(own()).script
    client = re.sub(r"^# {1,3}", "", script.partition("# A client:\n")[2], flags=re.MULTILINE)
    calls = [node for node in ast.walk(ast.parse(client)) if isinstance(node, ast.Call)]
    arguments = {word.arg: ast.unparse(word.value) for call in calls for word in call.keywords}
    assert arguments["dht_prefix"] == "PREFIX"
    assert arguments["torch_dtype"] == "torch.bfloat16"
    assert f"PETALS {TESTED_VERSION}" in script
