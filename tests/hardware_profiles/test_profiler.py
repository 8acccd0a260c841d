"""The profiler on very small blocks: its timings, its files and its error messages."""

import os
from itertools import count

import pytest

from hardware_profiles.profile import GpuProfile, read_profile
from hardware_profiles.profiler import __main__ as profiler
from hardware_profiles.profiler.scope import Scope, block_bytes, require_room, token_bytes
from serving.installed import require_installed
from system import InputError
from system.models.decoder import Decoder
from system.models.presets import all_presets, preset
from tests.support.project import NEEDS_RUNTIME, command

SMALL = Decoder("small", "llama", 2, 32, 4, 2, 48, vocabulary_size=20)
ORIGIN = {"machine": {"processor": "a CPU", "system": "an OS"}, "commit": None}
NO_TORCH = """
import runpy, sys
sys.modules["torch"] = None
sys.argv = ["runtime", *sys.argv[1:]]
runpy.run_module("hardware_profiles.profiler", run_name="__main__")
"""


@pytest.fixture
def small(monkeypatch):
    """Add a very small model and make the ceilings small."""
    pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    from hardware_profiles.profiler import measure

    monkeypatch.setitem(all_presets(), "small", SMALL)
    monkeypatch.setitem(measure.MATRIX_SIZE, "cpu", 32)
    monkeypatch.setitem(measure.COPY_BYTES, "cpu", 2**16)


def run(*words):
    return profiler.measure_profile(profiler.arguments([str(word) for word in words]), "these words", ORIGIN)


def subject(**settings):
    torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    from hardware_profiles.profiler.subject import Subject

    scope = Scope(**({"stacks": (1, 2, 4), "longest": 64, "batches": (1, 3)} | settings))
    return Subject(SMALL, scope, torch.float32, torch.device("cpu"))


def test_a_quick_profile_can_be_read_by_the_project(small, tmp_path):
    card = run("--model", "small", "--name", "mine", "--to", tmp_path / "mine.yaml", "--quick")
    assert "small, one block" in card
    assert f"written: {tmp_path / 'mine.yaml'}" in card
    fields = read_profile("mine", tmp_path)
    profile = GpuProfile(**{key: value for key, value in fields.items() if key != "_target_"})
    points = profile.measured_points["small"]
    assert [row[:2] for row in points["prefill"]] == [[m, n] for m in (1, 2) for n in (32, 64, 128)]
    assert [row[:2] for row in points["decode"]] == [row[:2] for row in points["prefill"]]
    assert [row[:3] for row in points["decode_batch"]] == [[1, b, n] for b in (1, 4) for n in (32, 64, 128)]
    assert profile.measured_on["bytes"]["small"]["block"] == 4 * SMALL.block_parameters
    assert profile.measured_on["dtype"] == "float32"
    assert profile.memory_gb == pytest.approx(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, rel=1e-4)
    assert profile.overhead_s == pytest.approx(profile.measured_block_s["small"][0])


def test_stacks_take_turns_and_blocks_have_their_own_cache_slots():
    measured = subject()
    calls = []
    for number, (block, slot) in enumerate(measured.hosted):
        keys = measured.slab.keys[slot]
        block.prefill = lambda hidden, block_keys, values, position, number=number, keys=keys: (
            calls.append((number, block_keys.data_ptr() == keys.data_ptr(), hidden.shape[1], position)) or hidden
        )
    for blocks in (1, 2, 4):
        calls.clear()
        step = measured.prefill(blocks, 5)
        for _ in range(8 // blocks):
            step()
        assert calls == [(number, True, 5, 0) for number in (0, 1, 2, 3) * 2]
    calls.clear()
    step = measured.decode(1, 17)
    step()
    step()
    assert calls == [(0, True, 1, 16), (1, True, 1, 16)]  # the new token is the 17th
    assert len({slot for _, slot in measured.hosted}) == 4


def test_a_batch_uses_the_cache_slots_of_its_block_and_batches_take_turns():
    measured = subject()
    calls = []
    for number, (block, _) in enumerate(measured.hosted):
        block.decode = lambda hidden, keys, values, slot, position, longest, number=number: calls.append(
            (number, slot.tolist(), position.tolist(), longest)
        )
    step = measured.decode_batch(3, 40)
    for _ in range(5):
        step()
    assert [number for number, *_ in calls] == [0, 1, 2, 3, 0]
    assert [slots for _, slots, *_ in calls[:4]] == [[3 * b, 3 * b + 1, 3 * b + 2] for b in range(4)]
    assert [rest for _, _, *rest in calls] == [[[39] * 3, 40]] * 5


def test_a_graph_of_each_stack_computes_what_a_plain_step_does():
    """Check a stand-in for the capture, which itself needs CUDA.

    The stand-in computes again at each replay.
    """
    torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    from serving.blocks.graphs import Captured

    captured = []

    def capture(compute):
        captured.append(compute())
        return Captured(lambda result=captured[-1]: result.copy_(compute()), captured[-1])

    measured = subject()
    hidden = measured._hidden(1, 1)
    measured._hidden = lambda jobs, tokens: hidden
    plain, graphed = measured.decode(2, 50), measured.graphed(2, 50, capture)
    assert len(captured) == 2
    for _ in range(3):
        torch.testing.assert_close(graphed(), plain())
    assert [point.coordinates for point in measured.points(capture) if point.kind == "decode_graph"] == [
        (m, n) for m in (1, 2, 4) for n in measured.scope.contexts
    ]


def test_caches_weights_and_inputs_are_random_and_not_zero():
    measured = subject()
    seen = []
    for block, _ in measured.hosted:
        block.prefill = lambda hidden, *rest: seen.append(hidden) or hidden
    measured.prefill(1, 50)()
    measured.decode(1, 50)()
    for numbers in (measured.slab.keys, measured.slab.values, *seen):
        assert (numbers != 0).all()
        # The standard deviation of n normal numbers has a standard error of about 1 / sqrt(2 n).
        assert float(numbers.std()) == pytest.approx(1, abs=5 / (2 * numbers.numel()) ** 0.5)
    assert (measured.hosted[0].block.layers.self_attn.q_proj.weight != 0).all()


def test_the_relay_is_a_round_trip_without_the_servers_own_time(monkeypatch):
    pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    from dataclasses import replace

    from hardware_profiles.profiler import relay
    from serving.server.spec import ServerSpec
    from serving.transport.messages import Kind, Message

    class Server:
        """A server that reports 1 + 2 + 3 s for every step. The clock advances by 10 s at each reading."""

        readable, unsent, busy = None, False, True

        def __init__(self):
            self.requests = []

        def send(self, message):
            self.requests.append(message)

        def receive(self):
            return [Message(self.requests[-1].kind, queue_s=1.0, compute_s=2.0, held_s=3.0)]

    ticks = count(step=10.0)
    monkeypatch.setattr(relay.time, "perf_counter", lambda: next(ticks))
    server = Server()
    spec = ServerSpec(
        name="x",
        decoder=SMALL,
        first_block=0,
        block_count=1,
        cache_slot_count=1,
        cache_tokens=64,
        dtype="bfloat16",
    )
    measured = relay.Relay(server, spec)
    point = measured.point(5)
    assert point.coordinates == (5, 5 * SMALL.hidden_size * 2)
    assert measured.clock(point.run) == 2 * 10 - 6  # the step is between two readings of the clock
    assert [message.kind for message in server.requests] == [Kind.OPEN, Kind.STEP, Kind.CLOSE]
    monkeypatch.setattr(server, "receive", lambda: [replace(Message(Kind.STEP), refused=True, text="no room")])
    with pytest.raises(InputError, match="no room"):
        point.run()


def test_relay_rows_come_from_a_real_server_that_keeps_no_job():
    pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    from hardware_profiles.profiler.relay import relay_rows
    from serving.launch import fleet

    started = []

    def start(specs):
        started.append(fleet.local(specs))
        return started[0]

    rows = relay_rows(SMALL, Scope(longest=64, rounds=2), "float32", "cpu", start)
    assert [row[:2] for row in rows] == [[n, n * SMALL.hidden_size * 4] for n in (1, 32, 64)]
    assert started[0].connections[0]._executor.stack.job_count == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "tiny_lama"], "model = tiny_lama: unknown; did you mean tiny_llama"),
        (["--dtype", "int3"], "dtype = int3: must be one of float32, bfloat16, float16"),
        (["--device", "tpu"], "device = tpu: must be cpu, cuda"),
        (["--device", "cuda:first"], "device = cuda:first: must be cpu, cuda"),
        (["--threads", "0"], "threads = 0: must be a whole number"),
        (["--threads", "100000"], "threads = 100000: must be at most 10,000"),
        (["--longest", "40"], "longest = 40: must be at least 64"),
        (["--batches", "2"], "batches = [2]: must have 1"),
        (["--stacks", "0"], "stacks or batches = 0: must be a whole number"),
        (["--name", "a-b"], "name = a-b: must be letters, digits and _"),
        (["--to", "nowhere/x.yaml"], "there is no folder nowhere"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence(words, message, small, tmp_path):
    defaults = ["--model", "small", "--name", "mine", "--to", tmp_path / "mine.yaml", "--quick"]
    with pytest.raises(InputError) as caught:
        run(*defaults, *words)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_missing_cuda_device_is_refused_in_one_sentence(small, tmp_path):
    torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(InputError, match=r"device = cuda: there is no CUDA device here"):
        run("--model", "small", "--name", "mine", "--to", tmp_path / "mine.yaml", "--device", "cuda")


def test_too_little_memory_is_refused_with_the_missing_amount():
    model, scope = preset("llama2_7b"), Scope(longest=2048)
    needed = 8 * block_bytes(model, 2) + 8 * 16 * 2048 * token_bytes(model, 2) + 2048 * (3 * 11008 + 2 * 4096) * 2
    with pytest.raises(
        InputError, match=rf"8 blocks and their cache need 7\.7 GB, .*\({needed - 10**9} bytes\) are missing"
    ):
        require_room(model, scope, 2, 10**9)
    require_room(model, scope, 2, needed)
    assert block_bytes(model, 2) == 404_766_720


def test_without_torch_the_command_names_the_missing_extra(tmp_path):
    done = command("-c", NO_TORCH, "--model", "tiny_llama", "--name", "mine", "--to", tmp_path / "mine.yaml")
    assert done.returncode != 0
    assert done.stderr == 'error: torch: not installed; pip install -e ".[runtime]" in the project\'s folder\n'
    with pytest.raises(InputError, match="no_such_package: not installed"):
        require_installed("no_such_package")
