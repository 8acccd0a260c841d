"""A small real run that tests can disturb.

It has three servers of a small model. The last two host the same blocks, and a chain runs over each of these.

`python -m tests.support.small_run NAME` serves requests on the first two servers, whose names begin with NAME, and
prints `serving` once a request has ended.
"""

import sys
from contextlib import contextmanager

import numpy as np
import torch

from algorithms.dispatch.jffc import JFFC
from evaluators.admission.requests import RequestAdmission
from serving.blocks.reference import generate
from serving.blocks.weights import random_block, random_embedding_and_head
from serving.launch import fleet
from serving.orchestrator.attempt import Delays, random_prompts
from serving.orchestrator.orchestrator import Orchestrator
from serving.server.spec import Pace, ServerSpec
from system import Composition, Placement, Servers, System
from system.service.independent import INDEPENDENT
from tests.support.oracles.instances import served_model
from tests.support.small_models import LLAMA
from workloads.jobs import Jobs

CACHE_TOKENS = 512
CAPACITY = 2  # of each chain
ENDS = random_embedding_and_head(LLAMA, 0, torch.float32, torch.device("cpu"))
HOSTED = ((0, 2 * CAPACITY), (2, CAPACITY), (2, CAPACITY))  # first of two blocks, and capacity, of each server


def specs(name="server", **settings):
    """Return the specifications of the three servers."""
    return [
        ServerSpec(
            name=f"{name}_{j}",
            decoder=LLAMA,
            first_block=first,
            block_count=2,
            cache_slot_count=2 * capacity,
            cache_tokens=CACHE_TOKENS,
            **settings,
        )
        for j, (first, capacity) in enumerate(HOSTED)
    ]


def composition(chains):
    """Return a composition of one or two chains.

    They run over the servers 0-1 and 0-2. The second chain is slower in the model.
    """
    block_s = np.outer([0.001, 0.001, 0.002], np.ones(3))[: chains + 1]
    servers = Servers(memory_gb=[4.0] * (chains + 1), communication_s=np.zeros_like(block_s), block_s=block_s)
    placement = Placement([first for first, _ in HOSTED[: chains + 1]], [2] * (chains + 1))
    system = System(served_model(4), servers, 1.0, (1.0, 10.0, 10.0))
    hops = np.array([0, 1, 0, 2])[: 2 * chains], np.full(2 * chains, 2), np.arange(0, 2 * chains + 1, 2)
    return Composition.of_hops(system, placement, *hops, [CAPACITY] * chains)


def pace(*block_s):
    """Return a server's pace with these times per block."""
    return Pace.of(INDEPENDENT, np.array(block_s), np.zeros(0))


def requests(count, output_tokens, seed=0):
    """Return requests with different prompts."""
    rng = np.random.default_rng(seed)
    lengths = np.column_stack([rng.integers(3, 9, count), np.full(count, output_tokens - 1)])
    return random_prompts(LLAMA.vocabulary_size, lengths, rng)


NO_DELAYS = Delays(np.zeros((3, 3)))


def admission_of(connections, dispatch=JFFC, most=1000):
    """Return the admission of jobs to the chains over these servers."""
    layout = composition(len(connections) - 1).under(dispatch)
    return RequestAdmission(layout, Jobs(np.zeros(most), np.ones(most), np.ones((1, 2)), np.zeros(most)))


def orchestrator(connections, timeout_s=30.0, dispatch=JFFC, delays=NO_DELAYS, admission=None, **settings):
    """Return an orchestrator of the chains over these servers."""
    admission = admission or admission_of(connections, dispatch)
    return Orchestrator(admission, dict(enumerate(connections)), ENDS, delays, timeout_s, **settings)


class Dying:
    """A connection that breaks when more than `most` messages of a kind are sent, of any kind by default."""

    def __init__(self, connection, most, is_counted=lambda message: True):
        self._connection, self._remaining, self._is_counted = connection, most, is_counted

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send(self, *messages):
        self._remaining -= sum(map(self._is_counted, messages))
        if self._remaining < 0:
            raise fleet.ConnectionClosedError("it has died")
        self._connection.send(*messages)


@contextmanager
def started(engine, server_specs, addresses=()):
    """Start a fleet and yield it once it is ready."""
    with fleet.start(engine, server_specs, addresses) as servers:
        servers.wait_until_ready(server_specs, 60.0)
        yield servers


def whole_model_tokens(request):
    """Return a request's tokens from the whole model.

    All blocks run in this process.
    """
    blocks = [random_block(LLAMA, b, 0, torch.float32, torch.device("cpu")) for b in range(LLAMA.block_count)]
    return generate(LLAMA, blocks, ENDS, request.prompt.tolist(), request.output_tokens)


def report_once():
    """Print `serving` once.

    Another process waits for this line.
    """
    if not getattr(report_once, "done", False):
        report_once.done = True
        sys.stdout.write("serving\n")
        sys.stdout.flush()


def main():
    """Serve requests on the first two servers."""
    torch.set_num_threads(1)
    with started("pipe", specs(sys.argv[1])[:2]) as servers:
        orchestrator(servers.connections).run(np.zeros(1000), requests(1000, 20), report_once)


if __name__ == "__main__":
    main()
