"""Servers of one process on a device that computes by itself, and the split of its SMs, with stand-ins for both."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from system import InputError
from tests.support.project import NEEDS_RUNTIME
from tests.support.small_models import one_thread  # noqa: F401

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
pytest.importorskip("zmq", reason=NEEDS_RUNTIME)

from serving.launch.in_process import LocalConnection  # noqa: E402
from serving.server import device, green_contexts  # noqa: E402
from serving.server.executor import StepExecutor  # noqa: E402
from serving.transport.messages import Kind, Message, ReceivedMessage  # noqa: E402
from tests.support import small_run  # noqa: E402


def test_memory_of_cached_files_counts_as_free(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "MEMORY", tmp_path / "meminfo")
    device.MEMORY.write_text("MemTotal:  9000 kB\nMemFree:    10 kB\nMemAvailable:    7000 kB\nCached: 6990 kB\n")
    assert device.free_bytes(torch.device("cpu")) == 7000 * 1024


class Device:
    """A stream whose computations go on until the test ends them, the first one first."""

    def __init__(self):
        self.running = []
        self.count = 0

    def launch(self, compute, inputs):
        self.count += 1
        launched = Launched(self)
        self.running.append(launched)
        return compute(), launched

    def end_one(self):
        self.running.pop(0)


class Launched:
    def __init__(self, device):
        self._device = device

    def done(self):
        return self not in self._device.running

    def wait(self):
        while not self.done():
            self._device.end_one()

    def compute_s(self):
        return 0.125


@pytest.fixture
def pair():
    """Return connections to two servers, and their streams.

    The warm-up has ended, and four jobs are open on each server.
    """
    connections, devices = [], []
    for spec in small_run.specs(batching="decode", stacking="share_of_slots")[:2]:
        device = Device()
        connections.append(LocalConnection(StepExecutor(spec, device)))
        devices.append(device)
        for job in range(1, spec.cache_slot_count // 2 + 1):
            connections[-1].send(Message(Kind.OPEN, job, spec.first_block, 2))
        connections[-1].receive()
    return connections, devices


def step(job, tokens=1, first_block=0, prompt=False):
    hidden = torch.randn(1, tokens, 72, generator=torch.Generator().manual_seed(job))
    return Message(Kind.STEP, job, first_block, block_count=2, prompt=prompt or tokens > 1, hidden=hidden)


def test_two_servers_compute_at_the_same_time_and_answer_independently(pair):
    connections, devices = pair
    for connection, spec in zip(connections, small_run.specs(), strict=False):
        connection.send(step(1, first_block=spec.first_block))
        assert connection.receive() == []
    assert [len(device.running) for device in devices] == [1, 1]
    assert all(connection.busy for connection in connections)
    devices[1].end_one()  # the computation that began later ends first
    assert connections[0].receive() == []
    (answer,) = connections[1].receive()
    assert (answer.job, answer.compute_s, answer.held_s) == (1, 0.125, 0.0)
    assert [connection.busy for connection in connections] == [True, False]
    devices[0].end_one()
    assert connections[0].receive()[0].job == 1


def test_steps_wait_in_order_and_one_token_steps_are_computed_together(pair):
    (connection, _), (device, _) = pair
    count_before = device.count
    connection.send(step(1, tokens=5))
    connection.receive()
    connection.send(step(2, tokens=4))
    for job in (3, 4):
        connection.send(step(job))
    assert connection.receive() == []
    assert device.count == count_before + 1  # one computation at a time
    device.end_one()
    assert [answer.job for answer in connection.receive()] == [1]
    connection.receive()
    device.end_one()
    assert [answer.job for answer in connection.receive()] == [2]
    connection.receive()
    device.end_one()
    together = connection.receive()
    assert [answer.job for answer in together] == [3, 4]
    assert all(answer.queue_s > 0 for answer in together)
    assert device.count == count_before + 3
    assert not connection.busy


def test_a_server_computes_only_its_share_of_the_jobs_together(pair):
    """Check that two of four jobs are computed at a time.

    The server hosts two of the model's four blocks, so the other two jobs are then at other blocks.
    """
    (connection, _), (device, _) = pair
    connection.send(step(1, tokens=5))
    connection.receive()
    connection.send(*map(step, (2, 3, 4)))
    device.end_one()
    computed = [[answer.job for answer in connection.receive()]]
    while connection.busy:
        connection.receive()
        device.end_one()
        computed.append([answer.job for answer in connection.receive()])
    assert computed == [[1], [2, 3], [4]]


def test_other_messages_are_answered_during_a_computation(pair):
    (connection, _), (device, _) = pair
    connection.send(step(1))
    connection.receive()
    connection.send(Message(Kind.CLOSE, 2))
    assert [answer.kind for answer in connection.receive()] == [Kind.CLOSE]
    device.end_one()
    assert [answer.kind for answer in connection.receive()] == [Kind.STEP]


def test_a_step_that_cannot_be_computed_is_refused_at_once(pair):
    (connection, _), (device, _) = pair
    connection.send(step(1), step(99), step(1))
    refusals = connection.receive()
    assert [(answer.job, answer.refused) for answer in refusals] == [(99, True), (1, True)]
    assert "is not open" in refusals[0].text
    assert "its step waits already" in refusals[1].text
    device.end_one()
    assert [(answer.job, answer.refused) for answer in connection.receive()] == [(1, False)]


def test_a_prompt_of_one_token_is_paced_as_a_prompt():
    spec = replace(small_run.specs()[0], pace=small_run.pace(0.003, 0.001, 0.0005))
    executor = StepExecutor(spec, Device())
    executor.control(Message(Kind.OPEN, 1, spec.first_block, 2))
    computations = [executor.begin([ReceivedMessage(step(1, prompt=prompt), 0.0)]) for prompt in (True, False)]
    assert [computation.paced_s for computation in computations] == pytest.approx([2 * 0.004, 2 * 0.0005])


def test_a_paced_server_does_not_hold_up_another_one():
    """Check that another server's step ends while one is held."""
    slow, quick = small_run.specs(pace=small_run.pace(0.2, 0.0, 0.0))[0], small_run.specs()[1]
    connections = [LocalConnection(StepExecutor(spec)) for spec in (slow, quick)]
    for connection, spec in zip(connections, (slow, quick), strict=True):
        connection.send(Message(Kind.OPEN, 1, spec.first_block, 2))
        connection.receive()
        connection.send(step(1, first_block=spec.first_block, prompt=True))
    assert connections[0].receive() == []
    assert len(connections[1].receive()) == 1
    assert connections[0].receive() == []
    while not (answers := connections[0].receive()):
        pass
    assert answers[0].compute_s + answers[0].held_s >= 2 * 0.2
    assert answers[0].compute_s < 0.2


def test_tokens_match_the_whole_model_when_answers_come_late():
    requests, specs = small_run.requests(6, 5), small_run.specs(batching="decode")
    devices = [Device() for _ in specs]
    rng = np.random.default_rng(3)

    class Late(LocalConnection):
        """A connection whose computations end one at a time, in a random order of servers."""

        def receive(self):
            device = devices[rng.integers(3)]
            if device.running:
                device.end_one()
            return super().receive()

    connections = [Late(StepExecutor(spec, device)) for spec, device in zip(specs, devices, strict=True)]
    records = small_run.orchestrator(connections).run(np.zeros(6), requests, lambda: None)
    assert [record.tokens for record in records] == [small_run.whole_model_tokens(request) for request in requests]


class Driver:
    """A stand-in for the CUDA driver of a device with 132 SMs.

    It records how the device was split. Groups have at least `smallest` SMs.
    """

    def __init__(self, smallest=2):
        resource = self._resource(132)
        self._smallest, self.split, self.contexts = smallest, None, []
        self.CUdevResourceType = types.SimpleNamespace(CU_DEV_RESOURCE_TYPE_SM=1)
        self.CUgreenCtxCreate_flags = types.SimpleNamespace(CU_GREEN_CTX_DEFAULT_STREAM=1)
        self.CUstream_flags = types.SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
        self.cuDeviceGet = lambda number: (0, number)
        self.cuDeviceGetDevResource = lambda device, kind: (0, resource)
        self.cuDevResourceGenerateDesc = lambda groups, count: (0, groups)
        self.cuGreenCtxStreamCreate = lambda context, flags, priority: (0, 1000 + context)

    @staticmethod
    def _resource(count, name=0):
        return types.SimpleNamespace(sm=types.SimpleNamespace(smCount=count), name=name)

    def cuDevSmResourceSplitByCount(self, count, whole, flags, size):  # noqa: N802
        self.split = (count, flags, size)
        size = max(size, self._smallest)
        count = min(count, 132 // size)
        return 0, [self._resource(size, name) for name in range(count)], count, self._resource(0)

    def cuGreenCtxCreate(self, groups, device, flags):  # noqa: N802
        self.contexts.append([group.name for group in groups])
        return 0, len(self.contexts)


@pytest.fixture
def driver(monkeypatch):
    """Return a function that installs and returns a stand-in."""

    def install(**settings):
        installed = Driver(**settings)
        monkeypatch.setattr(green_contexts, "import_module", lambda name: installed)
        monkeypatch.setattr(green_contexts.torch, "zeros", lambda *_, **__: None)
        return installed

    return install


@pytest.mark.parametrize(
    ("counts", "split", "sizes"),
    [
        ([16] * 3 + [8] * 6, (12, 0, 8), [2] * 3 + [1] * 6),
        ([18] * 3 + [12] * 6, (21, 1, 6), [3] * 3 + [2] * 6),
        ([132], (1, 1, 132), [1]),
    ],
    ids=["aligned", "finer than the alignment", "all in one"],
)
def test_partitions_are_disjoint_and_have_the_requested_sizes(driver, counts, split, sizes):
    installed = driver()
    pointers = green_contexts._raw_streams(counts, torch.device("cuda"))
    assert pointers == [1001 + number for number in range(len(counts))]
    assert installed.split == split
    assert [len(groups) for groups in installed.contexts] == sizes
    used = [group for groups in installed.contexts for group in groups]
    assert len(set(used)) == len(used)


def test_an_impossible_split_is_refused_in_one_sentence(driver, monkeypatch):
    cuda = torch.device("cuda")
    with pytest.raises(InputError, match="sum of sm_counts = 133: the device has only 132"):
        driver() and green_contexts._raw_streams([100, 33], cuda)
    with pytest.raises(InputError, match="multiples of 2: this device cannot be split so"):
        driver(smallest=8) and green_contexts._raw_streams([2, 4], cuda)
    refusing = driver()
    refusing.cuDevResourceGenerateDesc = lambda groups, count: (801, None)
    with pytest.raises(InputError, match=r"the CUDA driver refuses to split the device \(801\)"):
        green_contexts._raw_streams([8], cuda)
    with pytest.raises(InputError, match=r"sm_counts = \[8, None\]: give a number for every server, or none"):
        green_contexts.streams([8, None], cuda)
    with pytest.raises(InputError, match=r"cpu has no multiprocessors to split; use device=cuda"):
        green_contexts.streams([8, 8], torch.device("cpu"))
    assert green_contexts.streams([None, None], cuda) == [None, None]
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "cuda", None)
    with pytest.raises(InputError, match="pip install cuda-bindings"):
        green_contexts._raw_streams([8], cuda)
