"""Bad config.json of models: other structures, other precisions, and numbers that no model has."""

import json
from functools import partial

from planner.inventory.reading import read_inventory
from serving.blocks.supported import checkpoint_decoder
from system.models.config_json import decoder_from_config, has_tied_head, weights_from_config
from tests.robustness.bad_input import BadInput

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 28672,
    "vocab_size": 32000,
}
INVENTORY = """
model: {config: config.json, cache: 8 bit}
cache_tokens: 4096
servers: [{name: a, count: 8, gpu: rtx_3090, rtt_ms: 0.3}]
workload: {rate_per_s: 0.1, input_tokens: 500, output_tokens: 200}
"""


def read(reader, content, folder):
    """Return what the reader makes of a config.json with this content."""
    path = folder / "config.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return reader(path)


def read_for_plan(content, folder):
    """Return the inventory of servers that names a config.json with this content."""
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "lab.yaml").write_text(INVENTORY)
    return read_inventory(folder / "lab.yaml")


def row(kind, name, field, value, remedy, content, reader=decoder_from_config):
    return BadInput(kind, f"config.json: {name}", partial(read, reader, content), field, value, remedy)


# Keys of mixtures of experts, at the depth and with the value that published models have, in models without experts.
EXPERTS = {
    "dbrx": {"model_type": "dbrx", "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16}},
    "llama of experts": {"num_local_experts": 16},
    "mistral of experts": {"model_type": "mistral", "n_routed_experts": 64},
    "a width only": {"moe_intermediate_size": 1408},
    "as text": {"num_experts": "8"},
    "in a list": {"layers": [{"num_experts": 8}]},
}
QWEN = {"model_type": "qwen3_moe", "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 1536}
DEEPSEEK = {
    "model_type": "deepseek_v3",
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 2048,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}
MIXTURES = {  # part of the sentence, remedy, change
    "no experts": ("num_experts in ", "must be a whole number", QWEN | {"num_experts": None}),
    "experts as text": ("num_experts in ", "must be a whole number", QWEN | {"num_experts": "128"}),
    "experts without end": ("experts", "must be at most 10,000,000", QWEN | {"num_experts": 10**12}),
    "0 active experts": ("num_experts_per_tok", "must be a whole number", QWEN | {"num_experts_per_tok": 0}),
    "more active than all": ("active experts", "must be at most the 128", QWEN | {"num_experts_per_tok": 129}),
    "width as a list": ("moe_intermediate_size", "must be a whole number", QWEN | {"moe_intermediate_size": [1]}),
    "every other block": ("decoder_sparse_step", "only 1 is understood", QWEN | {"decoder_sparse_step": 2}),
    "dense blocks anywhere": ("mlp_only_layers", "only [] is understood", QWEN | {"mlp_only_layers": [3]}),
    "only dense blocks": ("dense blocks of ", "must be at most 79", DEEPSEEK | {"first_k_dense_replace": 80}),
    "dense blocks below 0": ("first_k_dense_replace", "at least 1", DEEPSEEK | {"first_k_dense_replace": -1}),
    "shared experts as text": ("n_shared_experts", "must be a whole number", DEEPSEEK | {"n_shared_experts": "1"}),
    "no rank": ("kv_lora_rank", "must be a whole number", DEEPSEEK | {"kv_lora_rank": None}),
    "rank of queries true": ("q_lora_rank", "must be a whole number", DEEPSEEK | {"q_lora_rank": True}),
    "head size 0": ("v_head_dim", "must be a whole number", DEEPSEEK | {"v_head_dim": 0}),
}
QUANTISED = {
    "AQLM": {"quantization_config": {"quant_method": "aqlm", "in_group_size": 8}},
    "GPTQ without bits": {"quantization_config": {"quant_method": "gptq"}},
    "GPTQ, bits as text": {"quantization_config": {"quant_method": "gptq", "bits": "4"}},
    "AWQ of 99 bits": {"quantization_config": {"quant_method": "awq", "bits": 99}},
    "bitsandbytes in no precision": {"quantization_config": {"quant_method": "bitsandbytes"}},
    "MLX without bits": {"quantization": {"group_size": 64}},
    "compressed tensors": {"compression_config": {"format": "int-quantized"}},
    "no method": {"quantization_config": {"version": 1}},
    "a method as list": {"quantization_config": {"quant_method": ["awq"]}},
    "as text": {"quantization_config": "awq"},
}
TEXT_PARTS = {
    "text_config": {"text_config": LLAMA, "vision_config": {}},
    "llm_config": {"model_type": "internvl", "llm_config": LLAMA},
    "language_config": {"model_type": "deepseek_vl", "language_config": LLAMA},
}
COUNTS = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size")
NO_COUNTS = ("80", -1, 0, 32.0, True, [80], {"_target_": "os.getcwd"}, float("1e300"))
CHANGES = {  # part of the sentence, remedy, change
    "layers without end": ("block_count of ", "must be at most 1,000", {"num_hidden_layers": 10**9}),
    "layers of 300 digits": ("block_count of ", "must be at most 1,000", {"num_hidden_layers": 10**299}),
    "width without end": ("hidden_size of ", "must be at most 10,000,000", {"hidden_size": 10**12}),
    "wide MLP": ("intermediate_size of ", "must be at most 10,000,000", {"intermediate_size": 10**12}),
    "heads that do not divide": ("head_count of ", "must divide hidden_size", {"num_attention_heads": 48}),
    "more key heads than heads": ("kv_head_count of ", "must divide head_count", {"num_key_value_heads": 128}),
    "two numbers of layers": ("num_hidden_layers and n_layer", "must be equal", {"n_layer": 70}),
    "two MLP widths": ("intermediate_size and n_inner", "must be equal", {"n_inner": 1}),
    "head size 0": ("head_dim", "must be a whole number", {"head_dim": 0}),
    "head size as text": ("head_dim", "must be a whole number", {"head_dim": "128"}),
    "no type": ("model_type", "use a model of llama", {"model_type": None}),
    "type as list": ("model_type", "use a model of llama", {"model_type": ["llama"]}),
    "type as number": ("model_type", "use a model of llama", {"model_type": 5}),
    "long type": ("model_type", "use a model of llama", {"model_type": "x" * 10**6}),
    "encoder": ("model_type", "use a model of llama", {"model_type": "bert"}),
    "name as list": ("_name_or_path", "must be a text", {"_name_or_path": ["a"]}),
    "name for a terminal": ("_name_or_path", "has a line break or control character", {"_name_or_path": "\x1b[2J"}),
    "long name": ("_name_or_path", "must be a text of at most", {"_name_or_path": "x" * 10**6}),
    "bias as text": ("attention_bias", "only False is understood", {"attention_bias": "no"}),
    "bias as a list": ("attention_bias", "only False is understood", {"attention_bias": [0]}),
}
DOCUMENTS = {
    "null": (b"null", "must hold one JSON object"),
    "a list": (b"[]", "must hold one JSON object"),
    "a number": (b"5", "must hold one JSON object"),
    "a text": (b'"llama"', "must hold one JSON object"),
    "nothing": (b"", "is not understood as JSON"),
    "cut off": (json.dumps(LLAMA).encode()[:-3], "is not understood as JSON"),
    "a key twice": (b'{"num_hidden_layers": 1, "num_hidden_layers": 2}', "appears twice"),
    "NaN": (b'{"hidden_size": NaN}', "NaN is no number"),
    "endless digits": (b'{"hidden_size": ' + b"9" * 5000 + b"}", "digits"),
    "deep nesting": (b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "is nested"),
    "deep but correct": (b'{"a": ' * 100 + b"1" + b"}" * 100, "nesting is above"),
    "UTF-16": (json.dumps(LLAMA).encode("utf-16"), "save it in UTF-8"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "save it in UTF-8"),
    "a web page": (b"<!DOCTYPE html>", "is not understood as JSON"),
    "a pickle": (b"\x80\x04\x95\x00\x00", "is not"),
    "20 MB": (b" " * 20_000_000, "give a smaller file"),
}
TO_COMPUTE = {
    "no vocabulary": ("vocab_size", "must be a whole number", {"vocab_size": None}),
    "vocabulary as text": ("vocab_size", "must be a whole number", {"vocab_size": "32000"}),
    "endless vocabulary": ("vocabulary_size", "must be at most 10,000,000", {"vocab_size": 10**12}),
    "experts": ("num_experts", "use a dense model", {"num_experts": 8}),
    "quantised": ("quantization_config", "use another model", {"quantization_config": {"bits": 4}}),
    "epsilon below 0": ("rms_norm_eps", "must be a finite number", {"rms_norm_eps": -1e-5}),
    "rotary base as list": ("rope_theta", "must be a finite number", {"rope_theta": [1]}),
    "rotary base true": ("rope_theta", "must be a finite number", {"rope_theta": True}),
    "rotary type as list": ("rope_type", "only plain rotary", {"rope_scaling": {"rope_type": ["default"]}}),
    "rotary scaling as text": ("rope_parameters or rope_scaling", "must be a JSON object", {"rope_scaling": "yarn"}),
    "type as object": ("model_type", "must be one of llama, bloom", {"model_type": {"a": "llama"}}),
    "activation as list": ("hidden_act", "only silu is understood", {"hidden_act": ["silu"]}),
}

BAD = (
    *(
        row("boolean or unit", f"experts, {name}", "config.json = ", "", "describe the model by shape", LLAMA | change)
        for name, change in EXPERTS.items()
    ),
    *(
        row("boolean or unit", f"mixture, {name}", field, "", remedy, LLAMA | change)
        for name, (field, remedy, change) in MIXTURES.items()
    ),
    *(
        row(
            "boolean or unit",
            f"quantised, {name}",
            next(iter(change)),
            "",
            "give the precision of the weights as weights",
            LLAMA | change,
            weights_from_config,
        )
        for name, change in QUANTISED.items()
    ),
    BadInput(
        "boolean or unit",
        "config.json: quantised, in an inventory",
        partial(read_for_plan, LLAMA | QUANTISED["AQLM"]),
        "quantization_config",
        "aqlm",
        "give the precision of the weights as weights, such as q4_k_m or awq, beside config",
    ),
    *(
        row("null or wrong type", f"part {name}", name, "'llama'", "a config.json of its own", LLAMA | change)
        for name, change in TEXT_PARTS.items()
    ),
    *(
        row("null or wrong type", f"{key} = {str(value)[:20]}", key, "", "must be", LLAMA | {key: value})
        for key in COUNTS
        for value in NO_COUNTS
    ),
    *(
        row("null or wrong type", f"no {key}", key, "None", "must be", {k: v for k, v in LLAMA.items() if k != key})
        for key in COUNTS
        if key != "num_key_value_heads"
    ),
    *(
        row("no upper bound", name, field, "", remedy, LLAMA | change)
        for name, (field, remedy, change) in CHANGES.items()
    ),
    *(
        row("null or wrong type", f"document, {name}", "config = ", "config.json", remedy, content)
        for name, (content, remedy) in DOCUMENTS.items()
    ),
    *(
        row("null or wrong type", f"to compute, {name}", field, "", remedy, LLAMA | change, checkpoint_decoder)
        for name, (field, remedy, change) in TO_COMPUTE.items()
    ),
    *(
        BadInput(
            "boolean or unit",
            f"config.json: tied head {value}",
            lambda folder, value=value: has_tied_head({"tie_word_embeddings": value}),
            "tie_word_embeddings = ",
            str(value),
            "must be true or false",
        )
        for value in ("false", 1, [], "yes")
    ),
)
