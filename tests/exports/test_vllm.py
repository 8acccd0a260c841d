"""Start commands for vLLM."""

import pytest

from exports.vllm import TESTED_VERSION, vllm_export
from tests.exports import shell
from tests.exports.compositions import composition, description, own, shared
from tests.exports.examples import CACHES, WEIGHTS


def export_of(chains, **fields):
    return vllm_export(chains, description(chains, **fields))


def test_the_stages_of_a_chain_find_each_other():
    chains = composition([(0, 2), (0, 3), (2, 5), (3, 5)], [((0, 2), 3), ((1, 3), 7)])
    commands = shell.words(export_of(chains).script)
    assert len(commands) == 4
    for k, chain in enumerate(chains.chains):
        stages = commands[2 * k : 2 * k + 2]
        addresses = [shell.environment(stage)["VLLM_HOST_IP"] for stage in stages]
        assert addresses == [f"10.0.0.{j + 1}" for j in chain.servers]
        assert {shell.option(stage, "--master-addr") for stage in stages} == {addresses[0]}
        assert [shell.option(stage, "--node-rank") for stage in stages] == ["0", "1"]
        assert ["--headless" in stage for stage in stages] == [False, True]
        for stage in stages:
            assert shell.environment(stage)["VLLM_PP_LAYER_PARTITION"] == ",".join(map(str, chain.blocks))
            assert shell.environment(stage)["NCCL_SOCKET_IFNAME"] == shell.environment(stage)["GLOO_SOCKET_IFNAME"]
            assert shell.option(stage, "--max-num-seqs") == str(chain.capacity)
    masters = [shell.option(command, "--master-port") for command in commands]
    assert masters[0] == masters[1] != masters[2] == masters[3]


def test_a_chain_of_one_server_needs_no_address():
    chains = composition([(0, 5)], [((0,), 3)])
    script = export_of(chains).script
    assert shell.words(script) == [
        ["vllm", "serve", "some/value", *("--max-model-len", "1000", "--max-num-seqs", "3", "--port", "8000")]
    ]
    assert "ADDRESS_1" not in "".join(shell.variables(script))


def test_chains_that_share_servers_are_explained_and_not_started():
    chains = shared()
    export = export_of(chains)
    assert [chains.chain(k).servers for k in export.chains] == [(3,)]
    assert export.reason == "a worker belongs to one engine, but chains share servers"
    assert len(shell.command_lines(export.script)) == 1
    assert export.script.count("other chains also use server 0\n") == 2
    others = chains.only([k for k in range(3) if k not in export.chains])
    assert shell.command_lines(export_of(others).script) == shell.variables(export_of(others).script) == []


OPTIONS = {
    ("16 bit", "16 bit"): [],
    ("16 bit", "8 bit"): ["--kv-cache-dtype", "fp8"],
    ("int8", "16 bit"): ["--quantization", "int8_per_channel_weight_only"],
    ("nf4", "8 bit"): ["--quantization", "bitsandbytes", "--kv-cache-dtype", "fp8"],
    ("float32", "float32"): ["--dtype", "float32"],
}


@pytest.mark.parametrize(("weights", "cache"), OPTIONS)
def test_each_precision_is_an_option(weights, cache):
    chains = composition([(0, 5)], [((0,), 3)])
    script = export_of(chains, weights=weights, cache=cache).script
    assert shell.words(script)[0][7:-2] == OPTIONS[weights, cache]
    assert f"vllm=={TESTED_VERSION}" in script
    assert ("vllm-bnb-plugin" in script) == (weights == "nf4")


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("cache", CACHES)
def test_what_vllm_cannot_keep_is_refused_and_not_changed(weights, cache):
    export = export_of(own(), weights=weights, cache=cache)
    differs = cache != "8 bit" and (weights == "float32") != (cache == "float32")
    assert (export.chains == ()) == differs
    assert export.reason == (f"it keeps no {cache} cache beside {weights} weights" if differs else "")
    assert bool(shell.command_lines(export.script)) != differs


def test_bloom_in_4_bits_is_refused():
    export = export_of(own(), weights="nf4", family="bloom")
    assert export.reason == "its plugin for bitsandbytes cannot load bloom models in 4 bits"
    assert export.chains == ()
    assert export_of(own(), weights="int8", family="bloom").chains == (0, 1)


def test_only_plans_over_the_hub_differ_from_vllm_in_their_hops():
    assert "send to each other directly" in export_of(own()).script
    direct = own(forwarding="direct")
    assert "send to each other directly" not in export_of(direct).script
