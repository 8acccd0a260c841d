"""Layouts of chains with servers of their own, and small model files for them."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from serving.engines.llamacpp.binaries import find_binaries
from serving.engines.llamacpp.gguf_model import write_random_model
from system import Composition, InputError, Placement, Servers, System
from system.models.decoder import Decoder, served_model

SMALL = Decoder("small", "llama", 16, 64, 4, 2, 96, vocabulary_size=300)
needs_gguf = pytest.mark.skipif(
    importlib.util.find_spec("gguf") is None, reason='needs the extra engines: pip install -e ".[engines]"'
)


def why_no_engine():
    """Return why llama.cpp cannot be run here, or None."""
    try:
        find_binaries()
    except InputError as error:
        return str(error)
    return None


NO_ENGINE = why_no_engine()
needs_llamacpp = pytest.mark.skipif(NO_ENGINE is not None, reason=str(NO_ENGINE))


def layout_of(*chains, slots=2, decoder=SMALL, cache_tokens=100, rtt_s=None, forwarding="hub"):
    """Return chains of so many blocks with their own servers.

    Chains of more servers come later, as they are slower.
    """
    blocks = [count for chain in chains for count in chain]
    first = [sum(chain[:i]) for chain in chains for i in range(len(chain))]
    servers = Servers(
        np.full(len(blocks), 10_000.0),
        np.full(len(blocks), 0.001),
        np.full(len(blocks), 0.001),
        names=tuple(f"machine {j}" for j in range(len(blocks))),
        orchestrator_rtt_s=None if rtt_s is None else np.array(rtt_s),
        rtt_s=np.zeros((len(blocks), len(blocks))),
    )
    model = served_model(replace(decoder, block_count=sum(chains[0])), cache_tokens)
    system = System(model=model, servers=servers, arrival_rate_per_s=1.0, forwarding=forwarding)
    start = np.concatenate([[0], np.cumsum([len(chain) for chain in chains])])
    placement = Placement(np.array(first), np.array(blocks))
    capacity = np.broadcast_to(slots, len(chains))
    return Composition.of_hops(system, placement, np.arange(len(blocks)), np.array(blocks), start, capacity)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """Return a small model of 16 blocks."""
    file = tmp_path_factory.mktemp("model") / "small.gguf"
    write_random_model(file, SMALL)
    return str(file)
