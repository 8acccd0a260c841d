"""Servers of one process on a device that computes by itself, with a stand-in for it; and the split of its SMs."""

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

from serving.server import device, green_contexts  # noqa: E402
from serving.server.executor import StepExecutor  # noqa: E402
from serving.transport.local import LocalConnection  # noqa: E402
from serving.transport.messages import Kind, Message, ReceivedMessage  # noqa: E402
from tests.support import small_run  # noqa: E402


def test_memory_that_is_cached_files_can_be_had(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "MEMORY", tmp_path / "meminfo")
    device.MEMORY.write_text("MemTotal:  9000 kB\nMemFree:    10 kB\nMemAvailable:    7000 kB\nCached: 6990 kB\n")
    assert device.free_bytes(torch.device("cpu")) == 7000 * 1024


class Device:
    """Computations go on until the test ends them: the first first, as on a stream."""

    def __init__(self):
        self.going = []
        self.count = 0

    def launch(self, compute, inputs):
        self.count += 1
        launched = Launched(self)
        self.going.append(launched)
        return compute(), launched

    def end_one(self):
        self.going.pop(0)


class Launched:
    def __init__(self, device):
        self._device = device

    def done(self):
        return self not in self._device.going

    def wait(self):
        while not self.done():
            self._device.end_one()

    def compute_s(self):
        return 0.125


@pytest.fixture
def pair():
    """Two connections to servers on two streams, all of whose warm-up has ended; four jobs are open on each."""
    connections, devices = [], []
    for spec in small_run.specs(batching="decode")[:2]:
        device = Device()
        connections.append(LocalConnection(StepExecutor(spec, device)))
        devices.append(device)
        for job in range(1, spec.cache_slot_count // 2 + 1):
            connections[-1].send(Message(Kind.OPEN, job, spec.first_block, 2))
        connections[-1].receive()
    return connections, devices


def step(job, tokens=1):
    hidden = torch.randn(1, tokens, 72, generator=torch.Generator().manual_seed(job))
    return Message(Kind.STEP, job, block_count=2, hidden=hidden)


def test_two_servers_compute_at_once_and_neither_waits_for_the_other(pair):
    connections, devices = pair
    for connection in connections:
        connection.send(step(1))
        assert connection.receive() == []
    assert [len(device.going) for device in devices] == [1, 1]
    assert all(connection.busy for connection in connections)
    devices[1].end_one()  # the one that began later is the first to end
    assert connections[0].receive() == []
    (answer,) = connections[1].receive()
    assert (answer.job, answer.compute_s, answer.held_s) == (1, 0.125, 0.0)
    assert [connection.busy for connection in connections] == [True, False]
    devices[0].end_one()
    assert connections[0].receive()[0].job == 1


def test_steps_that_come_meanwhile_wait_in_order_and_single_tokens_go_together(pair):
    (connection, _), (device, _) = pair
    begun = device.count
    connection.send(step(1, tokens=5))
    connection.receive()
    connection.send(step(2, tokens=4))
    for job in (3, 4):
        connection.send(step(job))
    assert connection.receive() == []
    assert device.count == begun + 1  # one computation at a time
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
    assert device.count == begun + 3
    assert not connection.busy


def test_no_more_go_together_than_are_there_when_all_servers_of_a_chain_compute(pair):
    """Four jobs on two of the model's four blocks: two at a time, while the other two are at the other blocks."""
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


def test_what_needs_no_computation_is_answered_meanwhile(pair):
    (connection, _), (device, _) = pair
    connection.send(step(1))
    connection.receive()
    connection.send(Message(Kind.CLOSE, 2))
    assert [answer.kind for answer in connection.receive()] == [Kind.CLOSE]
    device.end_one()
    assert [answer.kind for answer in connection.receive()] == [Kind.STEP]


def test_a_step_that_cannot_be_computed_does_not_wait_for_those_that_can(pair):
    (connection, _), (device, _) = pair
    connection.send(step(99))
    (refusal,) = connection.receive()
    assert refusal.refused
    connection.send(step(1))
    connection.send(step(99))
    assert connection.receive() == []  # together with the first
    device.end_one()
    assert {answer.job: answer.refused for answer in connection.receive()} == {1: False, 99: True}


def test_a_prompt_of_one_token_is_paced_as_a_prompt():
    spec = replace(small_run.specs()[0], pace=small_run.pace(0.003, 0.001, 0.0005))
    executor = StepExecutor(spec, Device())
    executor.control(Message(Kind.OPEN, 1, spec.first_block, 2))
    begun = [executor.begin([ReceivedMessage(step(1), 0.0)]) for _ in range(2)]
    assert [computation.paced_s for computation in begun] == pytest.approx([2 * 0.004, 2 * 0.0005])


def test_a_pace_is_kept_without_holding_up_another_server():
    """The second server's step is over while the first one's is held."""
    slow, quick = small_run.specs(pace=small_run.pace(0.2, 0.0, 0.0))[0], small_run.specs()[1]
    connections = [LocalConnection(StepExecutor(spec)) for spec in (slow, quick)]
    for connection, spec in zip(connections, (slow, quick), strict=True):
        connection.send(Message(Kind.OPEN, 1, spec.first_block, 2))
        connection.receive()
        connection.send(step(1))
    assert connections[0].receive() == []
    assert len(connections[1].receive()) == 1
    assert connections[0].receive() == []
    while not (answers := connections[0].receive()):
        pass
    assert answers[0].compute_s + answers[0].held_s >= 2 * 0.2
    assert answers[0].compute_s < 0.2


def test_tokens_are_those_of_the_whole_model_when_answers_come_late():
    requests, specs = small_run.requests(6, 5), small_run.specs(batching="decode")
    devices = [Device() for _ in specs]
    rng = np.random.default_rng(3)

    class Late(LocalConnection):
        """Computations end one at a time, at moments that the connections' order does not tell."""

        def receive(self):
            device = devices[rng.integers(3)]
            if device.going:
                device.end_one()
            return super().receive()

    connections = [Late(StepExecutor(spec, device)) for spec, device in zip(specs, devices, strict=True)]
    records = small_run.orchestrator(connections).run(np.zeros(6), requests, lambda: None)
    assert [record.tokens for record in records] == [small_run.whole_model_tokens(each) for each in requests]


class Driver:
    """A device of 132 SMs that says how it was split; in groups of at least `smallest`."""

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
    def install(**settings):
        made = Driver(**settings)
        monkeypatch.setattr(green_contexts, "import_module", lambda name: made)
        monkeypatch.setattr(green_contexts.torch, "zeros", lambda *_, **__: None)
        return made

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
def test_partitions_are_disjoint_and_as_large_as_asked(driver, counts, split, sizes):
    made = driver()
    pointers = green_contexts._raw_streams(counts, torch.device("cuda"))
    assert pointers == [1001 + number for number in range(len(counts))]
    assert made.split == split
    assert [len(groups) for groups in made.contexts] == sizes
    used = [group for groups in made.contexts for group in groups]
    assert len(set(used)) == len(used)


def test_a_split_that_cannot_be_is_one_sentence(driver, monkeypatch):
    cuda = torch.device("cuda")
    with pytest.raises(InputError, match="sum of sm_counts = 133: the device has 132"):
        driver() and green_contexts._raw_streams([100, 33], cuda)
    with pytest.raises(InputError, match="multiples of 2: this device cannot be split so"):
        driver(smallest=8) and green_contexts._raw_streams([2, 4], cuda)
    refusing = driver()
    refusing.cuDevResourceGenerateDesc = lambda groups, count: (801, None)
    with pytest.raises(InputError, match=r"the CUDA driver refuses to split the device \(801\)"):
        green_contexts._raw_streams([8], cuda)
    with pytest.raises(InputError, match=r"sm_counts = \[8, None\]: give a number for every server, or none"):
        green_contexts.streams([8, None], cuda)
    with pytest.raises(InputError, match=r"there are none on cpu; use device=cuda"):
        green_contexts.streams([8, 8], torch.device("cpu"))
    assert green_contexts.streams([None, None], cuda) == [None, None]
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "cuda", None)
    with pytest.raises(InputError, match="pip install cuda-bindings"):
        green_contexts._raw_streams([8], cuda)
