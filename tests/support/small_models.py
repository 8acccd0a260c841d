"""Small models of both families; heads are grouped, or no power of two."""

import pytest

from serving.blocks.architecture import Architecture
from tests.support.project import NEEDS_RUNTIME

LLAMA = Architecture("small_llama", "llama", 4, 72, 6, 2, 100, 96)
BLOOM = Architecture("small_bloom", "bloom", 4, 72, 6, 6, 288, 96)
MODELS = (LLAMA, BLOOM)


def name_of(architecture):
    return architecture.name


@pytest.fixture(autouse=True)
def one_thread():
    """Small products lose more to threads than they gain, above all where tests run side by side."""
    torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
