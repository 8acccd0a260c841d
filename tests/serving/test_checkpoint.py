"""Checkpoints in safetensors: weights are read as they were written, and damage is reported in one sentence."""

import json

import pytest

from serving.blocks.supported import checkpoint_decoder
from system import InputError
from tests.support.project import NEEDS_RUNTIME
from tests.support.small_models import BLOOM, LLAMA, MODELS, name_of, one_thread  # noqa: F401

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
safetensors = pytest.importorskip("safetensors.torch", reason=NEEDS_RUNTIME)
from serving.blocks import checkpoint as module  # noqa: E402
from serving.blocks.checkpoint import Checkpoint, CheckpointError  # noqa: E402
from serving.blocks.reference import generate  # noqa: E402
from serving.blocks.weights import random_block, random_embedding_and_head  # noqa: E402

SEED = 11
ROOTS = {"llama": ("model.", "layers"), "bloom": ("transformer.", "h")}
PARTS = {
    "llama": {"embedding": "model.embed_tokens", "last_norm": "model.norm", "head": "lm_head"},
    "bloom": {
        "embedding": "transformer.word_embeddings",
        "embedding_norm": "transformer.word_embeddings_layernorm",
        "last_norm": "transformer.ln_f",
    },
}
COMMON = {"vocab_size": 96, "hidden_size": 72}
CONFIGS = {
    "llama": COMMON
    | {
        "model_type": "llama",
        "_name_or_path": "someone/small_llama",
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "intermediate_size": 100,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "hidden_act": "silu",
        "tie_word_embeddings": False,
    },
    "bloom": COMMON
    | {
        "model_type": "bloom",
        "_name_or_path": "someone/small_bloom",
        "n_layer": 4,
        "n_head": 6,
        "layer_norm_epsilon": 1e-5,
        "apply_residual_connection_post_layernorm": False,
    },
}


def tensors_of(model, dtype=torch.float32):
    """Return the weights of the whole model under Hugging Face's names."""
    root, blocks = ROOTS[model.family]
    tensors = {}
    for b in range(model.block_count):
        state = random_block(model, b, SEED, dtype, "cpu").layers.state_dict()
        tensors |= {f"{root}{blocks}.{b}.{name}": tensor for name, tensor in state.items()}
    for name, tensor in random_embedding_and_head(model, SEED, dtype, "cpu").state_dict().items():
        part, _, parameter = name.partition(".")
        tensors[f"{PARTS[model.family][part]}.{parameter}"] = tensor
    return tensors


def write(folder, model, tensors, shard_count=None, **changes):
    """Write a checkpoint as one file or in shards, which may split a block."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIGS[model.family] | changes))
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    if shard_count is None:
        safetensors.save_file(tensors, folder / "model.safetensors")
        return folder
    size = -(-len(tensors) // shard_count)
    weight_map = {name: f"model-{number // size:05}.safetensors" for number, name in enumerate(tensors)}
    for shard in sorted(set(weight_map.values())):
        safetensors.save_file({name: tensors[name] for name in tensors if weight_map[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def sharded(folder, model, shard_count=9):
    return write(folder, model, tensors_of(model), shard_count)


@pytest.fixture
def opened(monkeypatch):
    """Record the names of opened files and of tensors that are read."""
    files, tensors = [], []

    class Reader:
        def __init__(self, path, **options):
            files.append(path.name)
            self.reader = module_safe_open(path, **options)

        def __enter__(self):
            self.entered = self.reader.__enter__()
            return self

        def __exit__(self, *error):
            return self.reader.__exit__(*error)

        def get_tensor(self, name):
            tensors.append(name)
            return self.entered.get_tensor(name)

        def __getattr__(self, name):
            return getattr(self.entered, name)

    module_safe_open = module.safe_open
    monkeypatch.setattr(module, "safe_open", Reader)
    return files, tensors


def same(actual, expected):
    state = expected.state_dict()
    return actual.state_dict().keys() == state.keys() and all(
        torch.equal(tensor, state[name]) for name, tensor in actual.state_dict().items()
    )


@pytest.mark.parametrize("shard_count", [None, 1, 9])
@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_weights_are_read_as_they_were_written(tmp_path, model, shard_count):
    checkpoint = Checkpoint(write(tmp_path, model, tensors_of(model), shard_count))
    assert checkpoint.decoder == model
    embedding_and_head, blocks = checkpoint.embedding_and_head(torch.float32, "cpu"), []
    for b in range(model.block_count):
        blocks.append(checkpoint.block(b, torch.float32, "cpu"))
        assert same(blocks[b], random_block(model, b, SEED, torch.float32, "cpu"))
    assert same(embedding_and_head, random_embedding_and_head(model, SEED, torch.float32, "cpu"))
    assert not any(parameter.requires_grad for parameter in (*embedding_and_head.parameters(), *blocks[0].parameters()))
    tokens = generate(model, blocks, embedding_and_head, [1, 2, 3], 5)
    own = [random_block(model, b, SEED, torch.float32, "cpu") for b in range(model.block_count)]
    assert tokens == generate(model, own, random_embedding_and_head(model, SEED, torch.float32, "cpu"), [1, 2, 3], 5)


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_names_without_the_root_are_understood(tmp_path, model):
    # As in BLOOM's own checkpoints, and in models that were saved without their head's class.
    root = ROOTS[model.family][0]
    tensors = {name.removeprefix(root): tensor for name, tensor in tensors_of(model).items()}
    checkpoint = Checkpoint(write(tmp_path, model, tensors, shard_count=3))
    assert same(checkpoint.block(2, torch.float32, "cpu"), random_block(model, 2, SEED, torch.float32, "cpu"))
    assert same(
        checkpoint.embedding_and_head(torch.float32, "cpu"),
        random_embedding_and_head(model, SEED, torch.float32, "cpu"),
    )


def test_a_tied_head_is_the_embedding_and_takes_no_memory(tmp_path):
    tensors = tensors_of(LLAMA)
    del tensors["lm_head.weight"]
    embedding_and_head = Checkpoint(write(tmp_path, LLAMA, tensors, tie_word_embeddings=True)).embedding_and_head(
        torch.float32, "cpu"
    )
    assert torch.equal(embedding_and_head.head.weight, embedding_and_head.embedding.weight)
    assert embedding_and_head.head.weight.data_ptr() == embedding_and_head.embedding.weight.data_ptr()


def test_weights_are_cast_and_copied_out_of_the_file(tmp_path):
    # Mapped files are aligned to 8 bytes only, and the last bits of matrix products depend on the alignment.
    checkpoint = Checkpoint(write(tmp_path, LLAMA, tensors_of(LLAMA, torch.bfloat16) | {"a": torch.ones(3)}, 2))
    block = checkpoint.block(1, torch.float32, "cpu")
    expected = random_block(LLAMA, 1, SEED, torch.bfloat16, "cpu").float()
    assert same(block, expected)
    kept = checkpoint.block(1, torch.bfloat16, "cpu")
    assert all(parameter.data_ptr() % 64 == 0 for parameter in (*kept.parameters(), *block.parameters()))


def test_tensors_that_no_block_has_are_not_read(tmp_path, opened):
    # LLaMA-2's shards hold the frequencies of rotary positions, which blocks compute themselves.
    tensors = tensors_of(LLAMA) | {"model.layers.1.self_attn.rotary_emb.inv_freq": torch.ones(6)}
    assert same(
        Checkpoint(write(tmp_path, LLAMA, tensors, 5)).block(1, torch.float32, "cpu"),
        random_block(LLAMA, 1, SEED, torch.float32, "cpu"),
    )
    assert not any("inv_freq" in name for name in opened[1])


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_only_the_shards_and_tensors_of_a_block_are_read(tmp_path, model, opened):
    folder = sharded(tmp_path, model, shard_count=12)
    weight_map = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    mine = {name: shard for name, shard in weight_map.items() if f"{ROOTS[model.family][1]}.2." in name}
    files, tensors = opened
    Checkpoint(folder).block(2, torch.float32, "cpu")
    assert sorted(tensors) == sorted(mine)
    assert sorted(files) == sorted(set(mine.values()))
    assert len(files) < len(set(weight_map.values())) / 2


def test_a_server_needs_no_shards_but_its_own(tmp_path, opened):
    folder = sharded(tmp_path, LLAMA, shard_count=12)
    Checkpoint(folder).block(2, torch.float32, "cpu")
    for shard in folder.glob("*.safetensors"):
        if shard.name not in opened[0]:
            shard.unlink()
    assert same(Checkpoint(folder).block(2, torch.float32, "cpu"), random_block(LLAMA, 2, SEED, torch.float32, "cpu"))
    with pytest.raises(CheckpointError, match="there is no such shard, although the index names it"):
        Checkpoint(folder).block(0, torch.float32, "cpu")


def test_checkpoints_of_transformers_are_read(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: own checkpoints only")
    config = transformers.LlamaConfig(**{key: value for key, value in CONFIGS["llama"].items() if key != "model_type"})
    theirs = transformers.LlamaForCausalLM(config)
    theirs.save_pretrained(tmp_path, max_shard_size="60KB")
    checkpoint = Checkpoint(tmp_path)
    assert len(set(checkpoint.shard_of.values())) > 4
    actual = checkpoint.block(3, torch.float32, "cpu").layers
    assert same(actual, theirs.model.layers[3])


# Damaged and unsupported checkpoints

LAST = "model.layers.3.mlp.down_proj.weight"


def read_all(folder):
    checkpoint = Checkpoint(folder)
    for b in range(checkpoint.decoder.block_count):
        checkpoint.block(b, torch.float32, "cpu")
    checkpoint.embedding_and_head(torch.float32, "cpu")


def truncate(folder):
    shard = sorted(folder.glob("*.safetensors"))[2]
    shard.write_bytes(shard.read_bytes()[:-100])


def replace_by_text(folder):
    sorted(folder.glob("*.safetensors"))[0].write_text("version https://git-lfs.github.com/spec/v1 and so on")


def zeros(folder):
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.write_bytes(bytes(shard.stat().st_size))


def of_bytes(content):
    """Return damage that replaces the first shard by this content."""
    return lambda folder: sorted(folder.glob("*.safetensors"))[0].write_bytes(content)


def of_header(size, text=b""):
    """Return damage that replaces the first shard by a header of this announced size."""
    return of_bytes(size.to_bytes(8, "little") + text)


def pickled(folder):
    torch.save(tensors_of(LLAMA), sorted(folder.glob("*.safetensors"))[0])


def lose_a_shard(folder):
    sorted(folder.glob("*.safetensors"))[4].unlink()


def lose_the_weights(folder):
    for file in folder.glob("model*"):
        file.unlink()


def lose_the_config(folder):
    (folder / "config.json").unlink()


def spoil_the_index(folder):
    (folder / "model.safetensors.index.json").write_text('{"metadata": {}}')


def forget_a_tensor(folder):
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    del content["weight_map"][LAST]
    index.write_text(json.dumps(content))


def misplace_a_tensor(folder):
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"][LAST] = "model-00000.safetensors"
    index.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, r"checkpoint = .*model-00002.safetensors: truncated or not safetensors \("),
        (replace_by_text, r"checkpoint = .*model-00000.safetensors: truncated or not safetensors \("),
        *(
            (damage, r"checkpoint = .*model-00000.safetensors: truncated or not safetensors \(.*; download it again")
            for damage in (
                zeros,
                pickled,
                of_bytes(b""),
                of_bytes(b"<!DOCTYPE html><html>"),
                *(of_header(size) for size in (0, 1, 10**8, 2**63, 2**64 - 1)),
                *(of_header(len(text), text) for text in (b"[]", b"null", b"\xff" * 8, b"[" * 9_000, b'{"a": 5}')),
            )
        ),
        (lose_a_shard, r"checkpoint = .*model-00004.safetensors: there is no such shard, although the index names it"),
        (lose_the_weights, r"holds neither model.safetensors.index.json nor model.safetensors; convert it"),
        (lose_the_config, r"holds no config.json, which describes the model; download it"),
        (spoil_the_index, r"index.json: is no index with a weight_map; download it again"),
        (forget_a_tensor, rf"holds no tensor {LAST}; download the whole checkpoint"),
        (misplace_a_tensor, rf"model-00000.safetensors: holds no tensor {LAST}, although the index names it"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path, damage, message):
    folder = sharded(tmp_path, LLAMA)
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_all(folder)
    assert "\n" not in str(caught.value)


def test_the_message_about_a_wrong_shape_has_both_shapes(tmp_path):
    tensors = tensors_of(LLAMA)
    tensors[LAST] = tensors[LAST][:, :50].clone()
    message = rf"{LAST} has the shape \(72, 50\), but config.json says \(72, 100\)"
    with pytest.raises(CheckpointError, match=message):
        read_all(write(tmp_path, LLAMA, tensors, 9))


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.float8_e4m3fn], ids=str)
def test_quantised_weights_are_not_taken_as_floats(tmp_path, kind):
    tensors = tensors_of(LLAMA)
    tensors[LAST] = tensors[LAST].to(kind)
    message = rf"{LAST} has numbers of the kind \w+, not F64, F32, F16, BF16; use weights that are not quantised"
    with pytest.raises(CheckpointError, match=message):
        read_all(write(tmp_path, LLAMA, tensors))


def test_no_folder_and_no_block(tmp_path):
    with pytest.raises(CheckpointError, match=r"checkpoint = .*nowhere: there is no such folder"):
        Checkpoint(tmp_path / "nowhere")
    checkpoint = Checkpoint(sharded(tmp_path, BLOOM))
    for b in (-1, 4):
        with pytest.raises(CheckpointError, match=f"small_bloom has no block {b}, only 0 to 3"):
            checkpoint.block(b, torch.float32, "cpu")


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("llama", {"model_type": "mixtral"}, "model_type in .*config.json = mixtral: must be one of llama, bloom"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act in .* = gelu: only silu is understood"),
        ("llama", {"attention_bias": True}, "attention_bias in .* = True: only False is understood"),
        (
            "llama",
            {"head_dim": 24},
            "head_size of small_llama = 24: the torch blocks need .* = 12",
        ),
        ("llama", {"head_dim": 0}, "head_dim in .* = 0: must be a whole number of at least 1"),
        ("llama", {"rope_parameters": 2}, "rope_parameters or rope_scaling in .* = 2: must be a JSON object"),
        ("llama", {"rope_scaling": {"rope_type": "llama3"}, "rope_parameters": None}, "rope_type in .* = llama3: only"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantization_config in .*: only None is understood"),
        ("llama", {"vocab_size": None}, "vocab_size in .* = None: must be a whole number"),
        ("llama", {"rms_norm_eps": -1}, "rms_norm_eps in .* = -1: must be a finite number above 0"),
        ("bloom", {"layer_norm_epsilon": -1}, "layer_norm_epsilon in .* = -1: must be a finite number above 0"),
        ("bloom", {"apply_residual_connection_post_layernorm": True}, "post_layernorm in .* = True: only False is"),
        ("bloom", {"tie_word_embeddings": False}, "tie_word_embeddings in .* = False: only True is understood"),
        ("bloom", {"n_head": 7}, "head_count of small_bloom = 7: must divide hidden_size = 72"),
    ],
)
def test_configs_of_decoders_without_blocks_are_refused(tmp_path, family, change, message):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIGS[family] | change))
    with pytest.raises(InputError, match=message):
        checkpoint_decoder(path)


def test_older_configs_are_read(tmp_path):
    config = CONFIGS["llama"] | {"rope_parameters": None, "rope_theta": 5e5, "rope_scaling": None, "rms_norm_eps": None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    actual = checkpoint_decoder(tmp_path / "config.json")
    assert (actual.rope_theta, actual.norm_epsilon) == (5e5, 1e-6)
    config = {key: value for key, value in CONFIGS["bloom"].items() if key not in ("n_layer", "hidden_size")}
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4, "n_embed": 72}))
    assert checkpoint_decoder(tmp_path / "config.json") == BLOOM
