"""Servers and orchestrators that die, stop, refuse or never answer: the others go on, and no process is left."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.least_work import least_work_dispatch
from system import InputError
from system.limits import TOKENS
from tests.serving.left import processes_with, until
from tests.support.project import NEEDS_RUNTIME, ROOT, case_of
from tests.support.small_models import one_thread  # noqa: F401

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
pytest.importorskip("zmq", reason=NEEDS_RUNTIME)

from serving.launch import fleet  # noqa: E402
from serving.server import server  # noqa: E402
from serving.transport.messages import Kind, Message  # noqa: E402
from serving.transport.pipe import PipeConnection, PipePort  # noqa: E402
from serving.transport.zeromq_port import ZeromqPort  # noqa: E402
from tests.support import small_run  # noqa: E402
from tests.support.hostile import address_of  # noqa: E402

ENDS_S = 20.0  # a process that has not ended by then never ends


def assert_tokens(records, requests):
    for record, request in zip(records, requests, strict=True):
        assert record.status in ("served", "failed")
        if record.served:
            assert record.tokens == small_run.whole_model_tokens(request)


@pytest.fixture(scope="module")
def disturbed():
    """Return a run that loses two servers.

    Server 1 is killed while it has long jobs. These begin again elsewhere, and server 2 is stopped after their end.
    """
    requests = [*small_run.requests(2, 150), *small_run.requests(12, 12, seed=1)]
    arrival_s, ended = np.repeat([0.0, 2.0], [6, 8]), []
    with small_run.started("pipe", small_run.specs()) as servers:
        orchestrator = small_run.orchestrator(servers.connections, timeout_s=2.0)

        def disturb():
            ended.append(time.monotonic())
            if len(ended) == 1:
                servers.processes[1].kill()
            if len(ended) == 8:
                servers.processes[2].send_signal(signal.SIGSTOP)

        records = orchestrator.run(arrival_s, requests, disturb)
        stats = orchestrator.stats()
        servers.connections[0].close()
        servers.processes[0].wait(ENDS_S)  # on a busy machine it takes longer than the fleet's patience with the others
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fleet, "GOODBYE_S", 1.0)
            servers.__exit__(None, None, None)
    return records, requests, orchestrator, stats, [process.returncode for process in servers.processes]


def test_jobs_of_a_killed_server_begin_again_elsewhere_and_are_served(disturbed):
    records, requests, orchestrator, _, _ = disturbed
    assert "connection closed" in orchestrator.lost[1]
    assert all(record.served for record in records[:6])
    assert [record.attempts for record in records[:2]] == [2, 2]
    assert [record.chain for record in records[:2]] == [1, 1]
    assert records[0].first_token_s > records[0].start_s > min(record.end_s for record in records)
    assert_tokens(records, requests)


def test_a_policy_that_is_prepared_for_a_layout_goes_on_with_the_chains_that_remain():
    """Check that later jobs take the chain without the killed server."""
    requests, ended = small_run.requests(10, 20, seed=3), []
    with small_run.started("pipe", small_run.specs()) as servers:
        orchestrator = small_run.orchestrator(servers.connections, dispatch=least_work_dispatch())

        def disturb():
            ended.append(time.monotonic())
            if len(ended) == 1:
                servers.processes[1].kill()

        records = orchestrator.run(np.repeat([0.0, 1.0], 5), requests, disturb)
    assert set(orchestrator.lost) == {1}
    assert all(record.served for record in records)
    assert {record.chain for record in records[5:]} == {1}
    assert_tokens(records, requests)


def test_a_stopped_server_is_lost_and_jobs_without_a_path_fail_with_the_reason(disturbed):
    records, _, orchestrator, _, _ = disturbed
    assert orchestrator.lost[2] == "no answer for 2 s"
    failed = [record for record in records if not record.served]
    assert len(failed) == 6
    for record in failed:
        assert "server 1 was lost: connection closed" in record.reason
        assert "server 2 was lost: no answer for 2 s" in record.reason


def test_remaining_servers_hold_no_job_and_no_process_is_left(disturbed):
    *_, stats, codes = disturbed
    assert set(stats) == {0}
    assert stats[0]["free_slots"] == small_run.specs()[0].cache_slot_count
    assert stats[0]["jobs"] == 0
    assert codes == [
        0,
        -signal.SIGKILL,
        -signal.SIGKILL,
    ]  # one killed by the test, one by its fleet after it was stopped


def test_a_lost_server_without_rerouting_fails_its_jobs_and_no_others():
    requests = small_run.requests(8, 6)
    with small_run.started("local", small_run.specs()) as servers:
        connections = [*servers.connections[:2], small_run.Dying(servers.connections[2], most=7)]
        records = small_run.orchestrator(connections, reroute=False).run(np.zeros(8), requests, lambda: None)
    failed = [record for record in records if not record.served]
    assert len(failed) == small_run.CAPACITY
    assert all("server 2 was lost: it has died" in record.reason for record in failed)
    assert_tokens(records, requests)


def test_jobs_for_which_a_server_has_no_cache_slots_fail_and_the_others_go_on():
    specs = small_run.specs()
    specs[1] = replace(specs[1], cache_slot_count=2)  # for one job; the composition plans for two
    requests = small_run.requests(8, 6)
    with small_run.started("local", specs) as servers:
        orchestrator = small_run.orchestrator(servers.connections)
        records = orchestrator.run(np.zeros(8), requests, lambda: None)
        stats = orchestrator.stats()
    failed = [record for record in records if not record.served]
    assert failed
    assert all("server 1 refused: " in record.reason and "slots" in record.reason for record in failed)
    assert sum(record.served for record in records) == 8 - len(failed) >= 4
    assert_tokens(records, requests)
    assert [stats[j]["free_slots"] for j in range(3)] == [spec.cache_slot_count for spec in specs]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"weights": "nowhere/at_all"}, "nowhere/at_all"),
        ({"cache_tokens": TOKENS}, r"need .* GB, but cpu has .* GB free"),
        ({"device": "cuda"}, "device = cuda: there is no CUDA device here; use device=cpu"),
    ],
    ids=["no checkpoint", "does not fit", "no cuda"],
)
def test_servers_that_cannot_serve_give_the_reason_in_one_sentence(settings, sentence):
    if settings.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    ours, theirs = socket.socketpair()
    spec = replace(small_run.specs()[0], **settings)
    thread = threading.Thread(target=server.serve, args=(spec, PipePort(theirs)))
    thread.start()
    with fleet.Fleet([PipeConnection(ours)]) as servers, pytest.raises(InputError, match=sentence) as caught:
        servers.wait_until_ready([spec], 20.0)
    assert "\n" not in str(caught.value)
    thread.join(20.0)
    assert not thread.is_alive()


def test_no_process_is_left_if_one_server_cannot_serve():
    marker = f"unready_{os.getpid()}"
    specs = small_run.specs(marker)
    specs[1] = replace(specs[1], weights="nowhere/at_all")
    with pytest.raises(InputError, match="nowhere/at_all"), small_run.started("pipe", specs[:2]):
        raise AssertionError
    assert not processes_with(marker)


def test_no_process_is_left_if_one_cannot_be_started(monkeypatch):
    marker, start_process = f"unstarted_{os.getpid()}", fleet._start_process

    def failing(spec, theirs):
        if spec.name.endswith("1"):
            raise OSError("no more processes")
        return start_process(spec, theirs)

    monkeypatch.setattr(fleet, "_start_process", failing)
    with pytest.raises(OSError, match="no more processes"):
        fleet.pipe(small_run.specs(marker))
    assert not processes_with(marker)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_no_server_outlives_its_orchestrator(number):
    marker = f"orphan_{os.getpid()}_{number}"
    words = [sys.executable, "-m", "tests.support.small_run", marker]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "serving\n"
            assert len(processes_with(marker)) == 3  # the orchestrator itself has the marker, too
            os.killpg(process.pid, number)
            _, errors = process.communicate(timeout=20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert until(lambda: not processes_with(marker))
    assert process.returncode == -number
    assert errors.count("KeyboardInterrupt") == (number == signal.SIGINT)  # servers print none


def test_a_server_that_sends_nonsense_is_lost_and_the_others_go_on():
    requests = small_run.requests(6, 4)
    with small_run.started("local", small_run.specs()) as servers:
        ours, theirs = socket.socketpair()
        theirs.sendall(b"HTTP/1.1 200 OK\r\n" * 20)
        connections = [*servers.connections[:2], PipeConnection(ours)]
        records = small_run.orchestrator(connections).run(np.zeros(6), requests, lambda: None)
        theirs.close()
        ours.close()
    assert all(record.served for record in records)
    assert_tokens(records, requests)


@pytest.mark.parametrize(
    ("hidden", "sentence"),
    [
        (torch.zeros(1, 2, 71), "71 of torch.float32: this server computes 72"),
        (torch.zeros(1, 2, 72, dtype=torch.bfloat16), "72 of torch.bfloat16: this server computes 72 of torch.float32"),
        (torch.zeros(1, small_run.CACHE_TOKENS + 1, 72), "a cache slot holds 512"),
        (None, "none"),
    ],
    ids=["another width", "another dtype", "too long", "no hidden states"],
)
def test_a_step_that_cannot_be_computed_is_refused_and_the_server_goes_on(hidden, sentence):
    with small_run.started("local", small_run.specs(batching="decode")[:1]) as servers:
        (connection,) = servers.connections
        for job in (1, 2):
            connection.send(Message(Kind.OPEN, job, 0, 2))
        connection.send(Message(Kind.STEP, 1, 0, 2, prompt=True, hidden=hidden))
        connection.send(Message(Kind.STEP, 9, 0, 2, hidden=torch.zeros(1, 1, 72)))
        connection.send(Message(Kind.STEP, 2, 0, 2, hidden=torch.zeros(1, 1, 72)))
        answers = []
        while connection.busy:
            answers += connection.receive()
    steps = {answer.job: answer for answer in answers if answer.kind == Kind.STEP}
    assert steps[1].refused
    assert sentence in steps[1].text
    assert "job = 9: is not open on this server" in steps[9].text
    assert steps[2].hidden.shape == (1, 1, 72)


@pytest.fixture
def on_a_port():
    """Yield a server that serves many runs: its spec and address."""
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port:
        spec = small_run.specs()[0]
        threading.Thread(target=server.serve_for_ever, args=(spec, port), daemon=True).start()
        yield spec, port.address


def test_a_server_on_a_port_forgets_one_orchestrator_and_serves_the_next(on_a_port):
    spec, address = on_a_port
    for jobs in (2, 1):
        with fleet.zeromq([spec], [address]) as servers:
            servers.wait_until_ready([spec], 20.0)
            (connection,) = servers.connections
            for job in range(jobs):
                connection.send(Message(Kind.OPEN, job, 0, 2))
                connection.send(Message(Kind.STEP, job, 0, 2, prompt=True, hidden=torch.zeros(1, 3, 72)))
            connection.send(Message(Kind.STATS))
            answers = []
            assert until(lambda: answers.extend(connection.receive()) or len(answers) == 2 * jobs + 1)  # noqa: B023
            assert not [answer for answer in answers if answer.refused]
            assert sum(answer.kind == Kind.STEP for answer in answers) == jobs


def test_a_server_on_a_port_must_have_the_spec_that_the_run_needs(on_a_port):
    spec, address = on_a_port
    wanted = replace(spec, cache_slot_count=9, device="cuda", threads=2)
    with fleet.zeromq([wanted], [address]) as servers:
        sentence = "cache_slot_count of server server_0 = 8: this run needs 9; start the server again with that"
        with pytest.raises(InputError, match=sentence):
            servers.wait_until_ready([wanted], 20.0)
        same = replace(wanted, cache_slot_count=8)  # its device and threads may differ
        servers.wait_until_ready([same], 20.0)


def test_a_server_that_never_answers_is_awaited_and_then_named():
    spec = small_run.specs()[0]
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with fleet.zeromq([spec], [address]) as servers, pytest.raises(InputError, match="server_0: not ready in time"):
        servers.wait_until_ready([spec], 0.3)


def test_the_commands_that_a_run_writes_start_servers_for_it(tmp_path, monkeypatch):
    from hydra.utils import instantiate

    from evaluators.points.case import Draw

    monkeypatch.chdir(tmp_path)
    words = ("network=local", "cluster=local_pair", "workload=drawn_lengths", "workload.job_count=6")
    words = (*words, "demand.per_s=40", "model=tiny_llama", "tuning.capacity=3", "evaluator=runtime")
    words = (*words, "evaluator.engine=zeromq", "evaluator.check_tokens=9")
    words = (*words, "service=token_budget", "service.budget_tokens=16", "service.prefill_chunk_tokens=12")
    point = instantiate(case_of(*words))
    with pytest.raises(InputError, match=r"addresses = \[\]: .*commands\.txt has a command for each server"):
        point.evaluator(Draw(point, 0), 0)
    commands = (tmp_path / "outputs" / "servers" / "commands.txt").read_text().splitlines()
    processes = []
    for command in commands:
        python, *rest = shlex.split(command)
        assert python == "python"
        rest[rest.index("--bind") + 1] = "tcp://127.0.0.1:*"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        started = subprocess.Popen([sys.executable, *rest], env=environment, stdout=subprocess.PIPE, text=True)
        processes.append(started)
    try:
        addresses = [address_of(process) for process in processes]
        access = ("evaluator.secret=outputs/servers/secret", f"evaluator.addresses=[{','.join(addresses)}]")
        point = instantiate(case_of(*words, "evaluator.start_s=60", *access))
        values = {measurement.metric: measurement.value for measurement in point.evaluator(Draw(point, 0), 0)}
        assert values["tokens_identical"] == 1.0
        assert values["held_slots"] == values["failed_jobs"] == 0
        assert [process.poll() for process in processes] == [None, None]  # they wait for the next run
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
    assert [process.wait(20.0) for process in processes] == [130, 130]


def test_a_port_in_use_is_refused_in_one_sentence():
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port:
        words = ["--bind", port.address, "--spec", small_run.specs()[0].to_json()]
        command = [sys.executable, "-m", "serving", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    sentence = "the port is in use; end the program that listens there, or choose another port"
    assert done.stderr == f"error: bind = {port.address}: {sentence}\n"
