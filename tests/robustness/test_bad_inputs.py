"""Every bad input ends quickly with one sentence: the field, its value, what to do."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from system.errors import InputError
from system.limits import MESSAGE
from tests.robustness.bad_input import KINDS, all_bad_inputs

COMPUTED_S = 10  # most CPU time that a refusal may take, which other programs on the machine do not lengthen
HANGS_S = 60  # a refusal that has not come by then never comes
BYTES = 10**9  # most memory that a refusal may take


def computed_s() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def ends_before_it_hangs() -> Iterator[None]:
    """Raise `TimeoutError` after `HANGS_S` seconds."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"no end after {HANGS_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(HANGS_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def little_is_used() -> Iterator[None]:
    """Raise `AssertionError` for much CPU time or memory, `TimeoutError` for a hang."""
    begin_s, before = computed_s(), peak_bytes()
    with ends_before_it_hangs():
        yield
    assert computed_s() - begin_s < COMPUTED_S
    assert peak_bytes() - before < BYTES


@pytest.mark.parametrize("bad", all_bad_inputs(), ids=lambda bad: f"{bad.kind}: {bad.name}")
def test_bad_input_ends_with_one_sentence(bad, tmp_path):
    with little_is_used(), pytest.raises(InputError) as caught:
        bad.run(tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) <= MESSAGE
    for part in (bad.field, bad.value, bad.remedy):
        assert part in message


def test_every_kind_has_bad_inputs_and_their_names_are_unique():
    table = all_bad_inputs()
    assert {bad.kind for bad in table} <= set(KINDS)
    keys = [(bad.kind, bad.name) for bad in table]
    assert len(set(keys)) == len(keys)
