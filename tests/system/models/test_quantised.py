"""The precision of quantised weights, as configs of published models state it."""

import json

import pytest

from system.models.config_json import weights_from_config

COMPRESSED = {
    "format": "pack-quantized",
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": {}}},
}


def compressed(**weights):
    return COMPRESSED | {"config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


STATED = {
    "awq": {"bits": 4, "group_size": 128, "quant_method": "awq", "version": "gemm", "zero_point": True},
    "awq_4bit_g64": {"bits": 4, "group_size": 64, "quant_method": "awq"},
    "gptq": {"bits": 4, "group_size": 128, "quant_method": "gptq", "desc_act": False, "sym": True},
    "gptq_8bit_g32": {"bits": 8, "group_size": 32, "quant_method": "gptq"},
    "fp8": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]},
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "quant_method": "bitsandbytes"},
    "int8": {"load_in_8bit": True, "quant_method": "bitsandbytes"},
    "mxfp4": {"modules_to_not_convert": ["model.layers.*.self_attn"], "quant_method": "mxfp4"},
    "w4a16": compressed(num_bits=4, type="int", group_size=128, strategy="group"),
    "w8a8": compressed(num_bits=8, type="int", group_size=None, strategy="channel"),
    "nvfp4": compressed(num_bits=4, type="float", group_size=16),
}


def weights_of(folder, content):
    """Return the precision that a config.json with this content states."""
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return weights_from_config(path)


@pytest.mark.parametrize("weights", STATED)
def test_the_precision_follows_from_the_config(tmp_path, weights):
    assert weights_of(tmp_path, {"model_type": "llama", "quantization_config": STATED[weights]}) == weights


def test_mlx_states_it_under_a_key_of_its_own(tmp_path):
    assert weights_of(tmp_path, {"quantization": {"group_size": 64, "bits": 4}}) == "mlx_4bit"
    assert weights_of(tmp_path, {"quantization": {"group_size": 32, "bits": 8}}) == "mlx_8bit_g32"


def test_fp8_of_compressed_tensors_is_fp8(tmp_path):
    assert weights_of(tmp_path, {"quantization_config": compressed(num_bits=8, type="float")}) == "fp8"


def test_weights_that_are_not_quantised_have_16_bits(tmp_path):
    assert weights_of(tmp_path, {"torch_dtype": "bfloat16"}) == "16 bit"
    assert weights_of(tmp_path, {"quantization_config": None}) == "16 bit"


def test_a_text_part_states_it_for_the_whole_model(tmp_path):
    part = {"text_config": {"quantization_config": STATED["gptq"]}, "model_type": "gemma3"}
    assert weights_of(tmp_path, part) == "gptq"
    assert weights_of(tmp_path, part | {"text_config": {}, "quantization_config": STATED["awq"]}) == "awq"


def test_what_is_not_understood_is_unknown_where_that_is_allowed(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"quantization_config": {"quant_method": "aqlm"}}))
    assert weights_from_config(path, must_be_known=False) is None
