"""Reading the config.json of Hugging Face repositories for planning; `tests/serving` reads it for serving."""

import json

import pytest

from system import InputError
from system.models.config_json import decoder_from_config
from system.models.presets import preset

LLAMA = {
    "model_type": "llama",
    "_name_or_path": "someone/Llama-2-70b-hf",
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 28672,
    "attention_bias": False,
    "vocab_size": 32000,
}
CONFIGS = {
    "llama2_70b": LLAMA,
    "mistral_7b": LLAMA
    | {
        "model_type": "mistral",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "intermediate_size": 14336,
        "sliding_window": 4096,
        "head_dim": 128,
    },
    "qwen2_5_72b": LLAMA | {"model_type": "qwen2", "intermediate_size": 29568},
    "bloom_176b": {"model_type": "bloom", "n_layer": 70, "n_embed": 14336, "num_attention_heads": 112, "n_inner": None},
    "gpt_neox_20b": {
        "model_type": "gpt_neox",
        "num_hidden_layers": 44,
        "hidden_size": 6144,
        "num_attention_heads": 64,
        "intermediate_size": 24576,
    },
    "falcon_180b": {
        "model_type": "falcon",
        "num_hidden_layers": 80,
        "hidden_size": 14848,
        "num_attention_heads": 232,
        "num_kv_heads": 8,
        "new_decoder_architecture": True,
        "bias": False,
    },
}


def config_file(folder, content):
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_config_gives_the_decoder_of_the_preset(tmp_path, name):
    decoder, expected = decoder_from_config(config_file(tmp_path, CONFIGS[name])), preset(name)
    assert decoder.block_parameters == expected.block_parameters
    assert decoder.cache_values_per_token == expected.cache_values_per_token
    assert (decoder.block_count, decoder.hidden_size) == (expected.block_count, expected.hidden_size)


def test_the_head_size_and_the_name_are_read(tmp_path):
    decoder = decoder_from_config(config_file(tmp_path, LLAMA | {"head_dim": 64}))
    assert decoder.name == "Llama-2-70b-hf"
    assert decoder.attention_parameters == preset("llama2_70b").attention_parameters / 2
    (tmp_path / "own-model").mkdir()
    without = {key: value for key, value in LLAMA.items() if key != "_name_or_path"}
    assert decoder_from_config(config_file(tmp_path / "own-model", without)).name == "own-model"


def test_planning_ignores_what_only_changes_the_computation(tmp_path):
    changes = {"rope_scaling": {"rope_type": "llama3"}, "hidden_act": "gelu", "vocab_size": None, "rms_norm_eps": "?"}
    decoder = decoder_from_config(config_file(tmp_path, LLAMA | changes))
    assert decoder.block_parameters == preset("llama2_70b").block_parameters


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model_type": "mamba"},
            "config.json = mamba: not understood; use a model of llama, mistral, .*falcon.*, or ask",
        ),
        ({"attention_bias": True}, "attention_bias in .*config.json = True: only False is understood; ask"),
        ({"num_hidden_layers": None}, "num_hidden_layers or n_layer in .*config.json = None: must be a whole number"),
        ({"intermediate_size": "wide"}, "intermediate_size .*config.json = wide: must be a whole number"),
        ({"num_key_value_heads": 7}, "kv_head_count of Llama-2-70b-hf = 7: must divide head_count = 64"),
        ({"num_attention_heads": 48}, "head_count of .* = 48: must divide hidden_size = 8192"),
        ({"model_type": "falcon"}, "new_decoder_architecture = None: must be true in "),
    ],
)
def test_other_decoders_are_refused_by_name(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        decoder_from_config(config_file(tmp_path, LLAMA | change), remedy="ask")


def test_files_that_are_no_config_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        decoder_from_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="is not understood as JSON"):
        decoder_from_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match="must hold one JSON object"):
        decoder_from_config(tmp_path / "config.json")
