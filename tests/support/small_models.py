"""Small models of both families; heads are grouped, or no power of two."""

import pytest

from system.models.decoder import Decoder
from tests.support.project import NEEDS_RUNTIME

LLAMA = Decoder("small_llama", "llama", 4, 72, 6, 2, 100, vocabulary_size=96)
BLOOM = Decoder("small_bloom", "bloom", 4, 72, 6, 6, 288, vocabulary_size=96)
MODELS = (LLAMA, BLOOM)


def name_of(decoder):
    """Return the name as the id of a test."""
    return decoder.name


@pytest.fixture(autouse=True)
def one_thread():
    """Compute on one thread.

    Small products lose more to threads than they gain, above all where tests run side by side.
    """
    torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
