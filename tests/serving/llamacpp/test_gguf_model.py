"""Model files: weights follow from a seed, answers are words of ASCII, and other models are refused."""

from dataclasses import replace

import numpy as np
import pytest

from serving.engines.llamacpp.gguf_model import (
    FIRST_WORD,
    ModelFacts,
    model_facts,
    random_tensors,
    write_model,
    write_random_model,
)
from system import InputError
from system.models.presets import preset
from tests.serving.llamacpp.layouts import SMALL, needs_gguf

pytestmark = needs_gguf
SHORT = replace(SMALL, block_count=2)


def tensors_in(file):
    from gguf import GGUFReader

    return {tensor.name: np.array(tensor.data) for tensor in GGUFReader(file).tensors}


def test_equal_seeds_write_equal_files_and_others_do_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_model(tmp_path / name, SHORT, seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_a_block_has_the_same_weights_in_a_longer_model():
    long = dict(random_tensors(SMALL, 5))
    for name, tensor in random_tensors(SHORT, 5):
        np.testing.assert_array_equal(tensor, long[name])


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_facts_shapes_and_precision_are_those_of_the_decoder(tmp_path, precision):
    file = tmp_path / "model.gguf"
    write_random_model(file, SHORT, 0, precision)
    assert model_facts(file) == ModelFacts("llama", 2, 2**17, SMALL.vocabulary_size)
    matrices = [tensor for name, tensor in tensors_in(file).items() if name.startswith("blk") and tensor.ndim == 2]
    assert {str(matrix.dtype) for matrix in matrices} == {precision}
    parameters = sum(tensor.size for name, tensor in tensors_in(file).items() if name.startswith("blk"))
    assert parameters == 2 * SMALL.block_parameters


def test_only_words_have_rows_in_the_head(tmp_path):
    file = tmp_path / "model.gguf"
    write_random_model(file, SHORT)
    used = tensors_in(file)["output.weight"].any(axis=1)
    assert used.tolist() == [token >= FIRST_WORD for token in range(SMALL.vocabulary_size)]


def test_rows_of_a_head_are_paired_as_llamacpp_rotates_them(tmp_path):
    tensors = dict(random_tensors(SHORT, 0))
    write_model(tmp_path / "model.gguf", SHORT, tensors.items(), "float32")
    stored, half = tensors_in(tmp_path / "model.gguf"), SMALL.head_size // 2
    for name, heads in (("q", SMALL.head_count), ("k", SMALL.kv_head_count)):
        ours = tensors[f"model.layers.1.self_attn.{name}_proj.weight"]
        for head in range(heads):
            for i in range(half):
                first = head * SMALL.head_size
                pair = stored[f"blk.1.attn_{name}.weight"][first + 2 * i : first + 2 * i + 2]
                np.testing.assert_array_equal(pair, ours[[first + i, first + half + i]])


@pytest.mark.parametrize(
    ("decoder", "words"),
    [
        (preset("tiny_bloom"), "family of tiny_bloom = bloom"),
        (replace(SMALL, vocabulary_size=None), "vocabulary_size of small = None"),
        (preset("llama3_1_8b"), "has_scaled_rope or has_tied_head of llama3_1_8b = True: only plain rotary"),
        (replace(SMALL, vocabulary_size=200), "vocabulary_size of small = 200: must be at least 260"),
    ],
)
def test_models_that_cannot_be_written_are_refused_in_one_sentence(tmp_path, decoder, words):
    with pytest.raises(InputError, match=words):
        write_random_model(tmp_path / "model.gguf", decoder)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"no model at all" * 10, b"GGUF" + bytes(200)])
def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path, content):
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"model_file = .*: is no GGUF file of a model"):
        model_facts(file)
