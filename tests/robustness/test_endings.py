"""Every command ends in one sentence, at an error, a warning or a signal, and shows nothing that a terminal obeys."""

import ast
import os
import signal
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system.code.source import ROOT
from system.command.boundary import FULL_ERROR, ends_in_one_sentence
from system.errors import InputError, Stopped, on_one_line
from system.limits import MESSAGE

COMMANDS = (
    "run.py",
    "plot.py",
    "plan.py",
    "store/__main__.py",
    "serving/__main__.py",
    "hardware_profiles/profiler/__main__.py",
    "tests/benchmarks/__main__.py",
)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.delenv(FULL_ERROR, raising=False)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)


def stop(number):
    # Again if need be: Python drops an exception that falls into a callback of the garbage collector.
    while True:
        os.kill(os.getpid(), getattr(signal, number))
        time.sleep(1)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_boundary(name):
    tree = ast.parse((ROOT / name).read_text())
    entered = {
        ast.unparse(item.context_expr) for node in ast.walk(tree) if isinstance(node, ast.With) for item in node.items
    }
    assert {text.partition("(")[0] for text in entered} & {"ends_in_one_sentence", "one_sentence_errors"}


@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_signal_ends_a_command_with_one_line_and_its_status(number, status, capsys):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with pytest.raises(SystemExit) as end, ends_in_one_sentence(stopped="stopped: go on"), ends_in_one_sentence():
        stop(number)
    assert end.value.code == status
    assert capsys.readouterr().err == "stopped\n"  # the inner one speaks
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def stop_in_another_way():
    try:
        stop("SIGTERM")
    except Stopped:
        raise KeyboardInterrupt from None


def test_a_package_that_replaces_the_exception_does_not_change_the_status():
    with pytest.raises(SystemExit) as end, ends_in_one_sentence():
        stop_in_another_way()
    assert end.value.code == 143


def test_a_command_under_nohup_outlives_its_terminal(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_in_one_sentence():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_a_command_forks_ends_silently_at_a_signal():
    with ends_in_one_sentence():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_a_bug_keeps_its_type_and_the_way_to_its_traceback():
    with pytest.raises(SystemExit) as end, ends_in_one_sentence():
        raise KeyError("a bug")
    assert end.value.code == f"error: KeyError: 'a bug' ({FULL_ERROR}=1 shows where)"


def test_a_warning_is_one_line_without_code():
    with ends_in_one_sentence():
        line = warnings.formatwarning("overflow\nin a \x1b[31m value", RuntimeWarning, "solve.py", 7, "a / b")
    assert line == "warning: overflow in a ?[31m value\n"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=3 * MESSAGE))
def test_a_message_is_one_printable_line_of_bounded_length(text):
    shown = str(InputError(text))
    assert shown == on_one_line(text)
    assert shown.isprintable() or all(char.isprintable() or not char.isascii() for char in shown)
    assert len(shown) <= MESSAGE
    assert not {"\n", "\x1b"} & set(shown)
    shown.encode()  # no lone surrogate is left
