"""The model of an inventory: what can be written, how its costs follow, and what is refused."""

import json
import re
from pathlib import Path

import pytest

from planner.choice.search import plan
from planner.inventory.model_lines import derivation
from planner.inventory.models import MODEL_KEYS, ModelChoice, model_of
from planner.inventory.reading import inventory_of
from planner.inventory.shapes import SHAPE_KEYS
from system import InfeasibleError, InputError
from system.documents.entries import Entry
from system.models.precisions import CACHES, WEIGHTS, weight_precision
from system.models.presets import all_presets, preset
from tests.support.project import ROOT

PAGE = ROOT / "docs/planning_models.md"
GPUS = [{"name": "a", "count": 2, "memory_gb": 24, "prefill_tflops": 71, "bandwidth_gb_per_s": 936, "rtt_ms": 0.3}]
INVENTORY = {
    "cache_tokens": 4096,
    "servers": GPUS,
    "workload": {"rate_per_s": 0.1, "input_tokens": 500, "output_tokens": 200},
}
QWEN3 = {
    "name": "own",
    "family": "qwen3_moe",
    "block_count": 94,
    "hidden_size": 4096,
    "heads": 64,
    "kv_heads": 4,
    "head_size": 128,
    "intermediate_size": 12288,
    "vocabulary_size": 151936,
    "experts": 128,
    "active_experts": 8,
    "expert_size": 1536,
}
LLAMA_70B = {
    "model_type": "llama",
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 28672,
    "vocab_size": 128256,
}
AWQ = {"quantization_config": {"bits": 4, "group_size": 128, "quant_method": "awq", "zero_point": True}}


def inventory(model, folder=Path(), **changes):
    """Return an inventory of two 24 GB cards."""
    return inventory_of({**INVENTORY, "model": model, **changes}, folder)


def choice_of(model, folder=Path()):
    return model_of(Entry("", {"model": model}), folder)


def lines(model, folder=Path()):
    choice = choice_of(model, folder)
    return "\n".join(derivation(choice, choice.served(2048)))


def config(folder, content):
    """Write a config.json and return how an inventory names it."""
    (folder / "config.json").write_text(json.dumps(content))
    return {"config": "config.json"}


def test_the_derivation_shows_the_numbers_that_are_used():
    choice = ModelChoice(preset("bloom_176b"), "nf4", "16 bit")
    text = "\n".join(derivation(choice, choice.served(2048)))
    for shown in (
        "70 blocks",
        "2,466,437,120",
        "4.25 bits",
        "1.323 GB",
        "57,344 B",
        "2,048 tokens: 0.1174 GB",
        "4.933",
        "embedding: 7.19 GB, output head: 7.19 GB, both the same numbers",
    ):
        assert shown in text


def test_the_derivation_of_a_mixture_separates_all_from_active_parameters():
    text = lines("deepseek_r1")
    for shown in (
        "61 blocks of 11,507,286,272 parameters",
        "a token uses 8 of the 256 experts: 585,318,656 parameters of a block",
        "of the whole model 37.55 B of 671 B parameters",
        "the first 3 blocks have no experts and are smaller",
        "4.9% more memory than the model has",
        "weights: the model is published in fp8",
        "(512 + 64) x 2 B = 1,152 B",
        "1.171 GFLOP a token and block",
        "a token reads 0.5853 GB of a block",
    ):
        assert shown in text, shown
    assert "of experts x 4.25 bits (MXFP4) and 26,924,672 x 2 B = 1.746 GB" in lines("gpt-oss-120b")
    assert "blocks that look at the last tokens only are counted in full" in lines("gemma3_27b")


def test_a_mixture_by_preset_or_shape_does_not_fit_on_small_cards():
    by_preset, by_shape = (
        inventory({"preset": "Qwen3 235B A22B", "weights": "nf4"}),
        inventory({"shape": QWEN3, "weights": "nf4"}),
    )
    assert by_preset.model.block_count == 94
    assert by_preset.model.block_memory_gb == pytest.approx(by_shape.model.block_memory_gb)
    assert by_preset.model.decode_read_gb == pytest.approx(by_shape.model.decode_read_gb)
    assert 94 * by_preset.model.block_memory_gb > 2.5 * by_preset.servers.memory_gb.sum()
    assert 94 * by_preset.model.decode_read_gb < 12


@pytest.mark.parametrize("model", [{"preset": "qwen3_235b_a22b"}, {"shape": QWEN3}])
def test_the_plan_of_a_mixture_says_how_much_memory_is_missing(model):
    servers = [{"name": "one", "gpu": "rtx_3080", "rtt_ms": 0.3}, {"name": "two", "gpu": "rtx_2080_ti", "rtt_ms": 0.3}]
    with pytest.raises(InfeasibleError, match=r"_nf4 does not fit: .*13 of its 94 blocks, .*109 GB are missing"):
        plan(inventory(model | {"weights": "nf4"}, servers=servers, cache_tokens=8192))


def test_latent_attention_can_be_described():
    keys = {"kv_lora_rank": 512, "nope_head_size": 128, "rope_head_size": 64, "value_head_size": 128}
    keys |= {"q_lora_rank": 1536, "shared_expert_size": 2048, "dense_blocks": 3, "expert_size": 2048, "experts": 256}
    shape = QWEN3 | {"family": "deepseek_v3", "hidden_size": 7168, "block_count": 61, "heads": 128, "kv_heads": 128}
    shape |= {"intermediate_size": 18432, "vocabulary_size": 129280, "tied_head": False}
    assert choice_of({"shape": shape | keys}).decoder.parameters == preset("deepseek_v3").parameters


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Qwen3-235B-A22B"}, "name of shape = .*: has the name or the numbers of qwen3_235b_a22b, a mixture"),
        (
            {"name": "big"},
            "name of shape = big: has the name or the numbers of qwen3_235b_a22b, .*write preset: ",
        ),
        ({"name": "my-8x7B", "block_count": 9}, "names a mixture of experts, but shape has none; give the family of a"),
        ({"name": "DeepSeek-V3.1", "block_count": 9}, "names a mixture of experts, but shape has none"),
    ],
)
def test_dense_shapes_of_mixtures_are_refused(change, message):
    dense = {key: value for key, value in QWEN3.items() if "expert" not in key} | {"family": "llama"}
    with pytest.raises(InputError, match=message):
        inventory({"shape": dense | change, "weights": "nf4"})


def test_a_dense_model_that_was_distilled_from_a_mixture_can_be_described():
    dense = {key: value for key, value in QWEN3.items() if "expert" not in key} | {"family": "llama"}
    distilled = dense | {"name": "DeepSeek-R1-Distill-Llama-70B", "block_count": 80, "hidden_size": 8192, "kv_heads": 8}
    assert not inventory({"shape": distilled, "weights": "iq1_s"}).model.is_mixture


def test_a_quantised_config_is_planned_in_its_bits(tmp_path):
    model = config(tmp_path, LLAMA_70B | AWQ)
    planned = inventory(model, tmp_path)
    assert planned.weights == "awq"
    assert 80 * planned.model.block_memory_gb == pytest.approx(68.452352e9 * 4.25 / 8 / 1e9, rel=1e-6)
    assert 80 * planned.model.block_memory_gb < planned.servers.memory_gb.sum()
    assert "weights: config.json says awq" in planned.derivation
    given = inventory(model | {"weights": "Q5_K_M"}, tmp_path)
    assert given.weights == "q5_k_m"
    assert "weights: q5_k_m as given; config.json says awq" in given.derivation


def test_a_config_in_an_unknown_precision_needs_weights_or_a_file(tmp_path):
    unknown = {"quantization_config": {"quant_method": "aqlm"}}
    model = config(tmp_path, LLAMA_70B | unknown)
    with pytest.raises(
        InputError, match=r"quantization_config in .*json = aqlm: is not understood; give the precision"
    ):
        inventory(model, tmp_path)
    assert inventory(model | {"weights": "iq2_xs"}, tmp_path).weights == "iq2_xs"
    assert inventory(model | {"file_gb": 21.1}, tmp_path).weights == "iq2_xs"


def test_the_size_of_the_file_decides():
    planned = inventory({"preset": "llama3_70b", "file_gb": 42.5})
    model = planned.model
    assert 80 * model.block_memory_gb + model.embedding_gb + model.head_gb == pytest.approx(42.5)
    assert planned.weights == "q4_k_m"
    assert model.name == "llama3_70b_q4_k_m"
    text = "\n".join(planned.derivation)
    assert "file of 42.5 GB: 4.82 bits a weight on average (q4_k_m, of the named precisions the nearest)" in text
    assert f"memory of a block: its share of the file, {model.block_memory_gb:.4g} GB" in text
    named = inventory({"preset": "llama3_70b", "weights": "q5_k_s", "file_gb": 42.5})
    assert named.weights == "q5_k_s"
    assert named.model.block_memory_gb == pytest.approx(model.block_memory_gb, rel=0.02)
    sizes = {12.1: "mxfp4_moe", 13.8: "mxfp4", 41.8: "16 bit"}
    assert {size: choice_of({"preset": "gpt_oss_20b", "file_gb": size}).weights for size in sizes} == sizes


def test_an_engine_that_reads_gguf_has_its_type_of_a_published_mixture():
    by = {engine: inventory({"preset": "gpt_oss_20b"}, engine=engine) for engine in ("llama.cpp", "vllm", "any")}
    assert {engine: planned.weights for engine, planned in by.items()} == {
        "llama.cpp": "mxfp4_moe",
        "vllm": "mxfp4",
        "any": "mxfp4",
    }
    assert by["llama.cpp"].model.decode_read_gb < 0.8 * by["vllm"].model.decode_read_gb
    named = inventory({"preset": "gpt_oss_20b", "weights": "mxfp4"}, engine="llama.cpp")
    assert named.weights == "mxfp4_moe"
    note = "files of GGUF in mxfp4, mxfp4_moe, keep all but the experts in q8_0"
    assert [note in planned.derivation for planned in (named, *by.values())] == [True, True, False, False]
    of_file = inventory({"preset": "gpt_oss_20b", "file_gb": 13.8}, engine="llama.cpp")
    assert of_file.weights == "mxfp4"  # a file with 16 bits beside the experts


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"preset": "llama3_70b", "file_gb": 42500},
            r"file_gb of model = 42500: is 4.82e\+03 bits for each of the ",
        ),
        (
            {"preset": "llama3_70b", "weights": "q4_k_m", "file_gb": 75},
            "is no file of weights in q4_k_m, which take",
        ),
        ({"preset": "llama3_70b", "weights": "q4"}, "weights of model = q4: names no scheme; write q4_k_m"),
        ({"preset": "llama3_70b", "cache": "q5_0"}, "cache of model = q5_0: unknown; did you mean q8_0 or q4_0"),
        (
            {"shape": {**QWEN3, "family": "qwen3"}},
            "experts of own = .*: qwen3 has no experts; give the",
        ),
        ({"shape": {**QWEN3, "tied_head": "yes"}}, "tied_head of shape of model = yes: must be true or false"),
        ("gpt_oss_240b", r"model = gpt_oss_240b: unknown; did you mean gpt_oss_20b or gpt_oss_120b\?"),
    ],
)
def test_mistakes_are_one_sentence(model, message):
    with pytest.raises(InputError, match=message):
        choice_of(model)


def test_a_file_needs_the_size_of_the_whole_model():
    shape = {key: value for key, value in QWEN3.items() if key != "vocabulary_size"}
    with pytest.raises(InputError, match="file_gb of model = 100: needs the size of the whole model; give vocabulary_"):
        choice_of({"shape": shape, "file_gb": 100})
    assert "embedding and output head: of unknown size" in lines({"shape": shape})


# The page


def table(heading):
    """Return the rows of the table below a heading."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "][
        1:
    ]


def billions(number):
    return f"{number / 1e9:.3g}"


def test_the_page_lists_all_presets_with_their_numbers():
    shown = {name.strip("`"): numbers for name, *numbers in table("Presets")}
    assert shown == {
        name: [
            billions(model.parameters),
            billions(model.active_parameters) if model.experts else "",
            str(model.block_count),
            "" if model.published_weights == "16 bit" else f"`{model.published_weights}`",
        ]
        for name, model in all_presets().items()
        if not name.startswith(("tiny", "small"))
    }


def test_the_page_lists_all_precisions_with_their_bits():
    shown = {name: bits for names, bits, *_ in table("Precisions") for name in re.findall("`(.+?)`", names)}
    assert shown == {name: f"{8 * weight_precision(name).value_bytes:.3g}" for name in WEIGHTS}


def test_the_page_names_all_keys_and_caches():
    text = PAGE.read_text()
    for name in (*MODEL_KEYS, *SHAPE_KEYS, *CACHES):
        assert f"`{name}" in text or f"{name}: " in text, name
