"""Precisions of weights and caches: each engine has a command for them, or says why not."""

import pytest

from exports.llamacpp_script import llamacpp_export
from exports.petals import petals_export
from exports.vllm import vllm_export
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
    assert llamacpp_export(chains, about).chains == (0,)


def test_files_of_llamacpp_are_named_and_started_by_llamacpp_only():
    chains = composition([(0, 5)], [((0,), 3)])
    about = description(chains, weights="q4_k_m", cache="q8_0")
    script = llamacpp_export(chains, about).script
    assert "a GGUF file with weights of Q4_K_M," in script
    assert "-ctk q8_0 -ctv q8_0 -fa on" in script
    assert vllm_export(chains, about).reason == "it reads no weights in q4_k_m, which are for other engines"
    assert "8.5 are planned" in petals_export(chains, about).reason
