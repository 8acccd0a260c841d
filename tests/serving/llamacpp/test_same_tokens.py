"""llama.cpp computes the same tokens as this project's blocks, over several servers."""

import numpy as np
import pytest

from serving.engines.llamacpp.fleet import LlamaCpp, start
from serving.engines.llamacpp.gguf_model import FIRST_WORD, write_model
from system.models.decoder import Decoder
from tests.serving.llamacpp.completions import complete, words
from tests.serving.llamacpp.layouts import layout_of, needs_gguf, needs_llamacpp
from tests.support.project import NEEDS_RUNTIME
from tests.support.small_models import one_thread  # noqa: F401

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)

from serving.blocks.reference import generate  # noqa: E402
from serving.blocks.weights import random_block, random_embedding_and_head  # noqa: E402

pytestmark = [needs_gguf, needs_llamacpp]
DECODER = Decoder("grouped", "llama", 5, 96, 6, 2, 128, vocabulary_size=400)  # three heads of queries share keys
NEW_TOKENS = 24
# As exact as the blocks, so that no rounding turns the second most likely token into the first.
EXACT = ("-ctk", "f32", "-ctv", "f32", "--flash-attn", "off")


def tensors_of(blocks, ends):
    """Yield the tensors of the runtime's modules under Hugging Face's names."""
    for b, block in enumerate(blocks):
        for name, tensor in block.layers.state_dict().items():
            yield f"model.layers.{b}.{name}", tensor.numpy()
    names = {"embedding": "model.embed_tokens", "last_norm": "model.norm", "head": "lm_head"}
    for name, tensor in ends.state_dict().items():
        yield f"{names[name.removesuffix('.weight')]}.weight", tensor.numpy()


def test_llamacpp_answers_with_the_tokens_of_the_whole_model(tmp_path):
    blocks = [random_block(DECODER, b, 3, torch.float32, "cpu") for b in range(DECODER.block_count)]
    ends = random_embedding_and_head(DECODER, 3, torch.float32, "cpu")
    ends.head.weight[:FIRST_WORD] = 0  # as in the file
    file = tmp_path / "model.gguf"
    write_model(file, DECODER, tensors_of(blocks, ends), "float32")
    rng = np.random.default_rng(0)
    with start(layout_of((1, 3, 1), decoder=DECODER), LlamaCpp(model_file=str(file), options=EXACT)) as chains:
        for length in (1, 2, 7, 40):
            prompt = rng.integers(0, DECODER.vocabulary_size, length).tolist()
            answer = complete(chains.endpoints[0], prompt, NEW_TOKENS)
            assert words(answer) == generate(DECODER, blocks, ends, prompt, NEW_TOKENS)
