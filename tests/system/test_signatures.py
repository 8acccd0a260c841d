"""Functions of users that may not be compiled: those that write, have other parameters, or are no functions."""

import re

import numpy as np
import pytest
from numba import njit

from algorithms.routing.ws_rr import expected_wait
from system import InputError
from system.code.compiler import compiled, suited
from system.code.signatures import compile_error, run_error
from system.dispatch import DISPATCH, Dispatch
from system.routing import DELAY, Routing
from system.service.linear_law import STEP, step_alone_s

PARAMETERS = {
    "dispatch": (DISPATCH, "busy, queued, waiting, capacity, rate_per_s, settings, uniform", "busy"),
    "delay": (DELAY, "server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings", "slots"),
    "service": (STEP, "prompt_tokens, cached_tokens, steps, blocks, block_s, settings", "block_s"),
}
WRITES = "writes into an array that it is given; it may only read them"


@njit
def set_first(array):
    array[0] = 7


def mine(field, body):
    """Return a function with this body, and its signature."""
    signature, parameters, array = PARAMETERS[field]
    names = {"np": np, "set_first": set_first}
    exec(f"def mine({parameters}):\n    array = {array}\n    {body}\n    return 0\n", names)
    return names["mine"], signature


@pytest.mark.parametrize("field", PARAMETERS)
def test_a_function_that_writes_is_refused(field):
    function, signature = mine(field, "array[0] = 7")
    with pytest.raises(InputError, match=f"^{field} = mine: {re.escape(WRITES)}"):
        compiled(signature)(function)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("array[:] = 7", WRITES),
        ("array[:1][0] = 7", WRITES),
        ("array.reshape(1, -1)[0, 0] = 7", WRITES),
        ("array.sort()", WRITES),
        ("array.fill(7)", WRITES),
        ("set_first(array)", WRITES),
        ("np.add(array, 1, array)", "cannot be compiled: "),
        ("array.flat[0] = 7", "uses flat, which could write into an array; use indices instead"),
        ("np.fill_diagonal(array.reshape(1, -1), 7)", "uses fill_diagonal, which could write into an array"),
        ("array += 1", "cannot be compiled: "),
        ("np.copyto(array, queued)", "cannot be compiled: "),
        ("array.wrong", "cannot be compiled: Unknown attribute 'wrong' of type readonly array"),
        ("np.zeros(3)", "creates an array; decorate it with @compiled(..., creates_arrays=True)"),
        ("return None", "has a way to its end without an answer; end it with a return"),
        ("return unknown", "cannot be compiled: NameError: name 'unknown' is not defined"),
    ],
)
def test_a_policy_that_could_write_or_is_not_compiled_is_refused_in_one_sentence(body, reason):
    function, _ = mine("dispatch", body)
    with pytest.raises(InputError, match=f"^dispatch = mine: {re.escape(reason)}") as refused:
        compiled(DISPATCH)(function)
    assert "\n" not in str(refused.value)


def test_colours_of_the_compiler_are_left_out():
    function, _ = mine("dispatch", "return 0")
    error = compile_error(function, DISPATCH, TypeError("\x1b[1mUnknown attribute\x1b[0m"))
    assert "cannot be compiled: Unknown attribute; it may only read" in str(error)


def test_the_line_that_writes_is_named():
    def writes(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
        busy[waiting] = 1
        return 0

    line = writes.__code__.co_firstlineno + 1
    with pytest.raises(InputError, match=re.escape(f"(line {line}: busy[waiting] = 1)")):
        compiled(DISPATCH)(writes)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (lambda busy, queued: 0, "dispatch = <lambda>: must take 7 arguments: busy, queued, waiting, capacity, "),
        (njit(lambda busy: 0), "dispatch = <lambda>: must take 7 arguments: "),
        (7, "dispatch = 7: must be a function"),
    ],
)
def test_no_policy_is_no_dispatch(policy, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        Dispatch(policy, work_conserving=False)


def test_functions_of_numba_and_plain_functions_are_compiled_with_checks():
    plain, _ = mine("dispatch", "waiting = array[99]")
    for function in (plain, njit(plain), njit(DISPATCH)(plain)):
        policy = Dispatch(function, work_conserving=False).policy
        with pytest.raises(IndexError):
            policy(*np.ones((2, 3), np.int64), 1, np.ones(3, np.int64), *np.ones((2, 3)), 0.5)
    assert policy is Dispatch(plain, work_conserving=False).policy  # compiled once
    writes, _ = mine("delay", "array[0] = 7")
    with pytest.raises(InputError, match=f"^delay = mine: {re.escape(WRITES)}"):
        Routing(njit(writes))


def test_functions_that_are_compiled_for_users_are_kept():
    assert suited(step_alone_s, STEP) is step_alone_s
    assert Routing(expected_wait).delay is expected_wait


def test_errors_of_a_run_are_one_sentence():
    index, other = run_error("dispatch", "mine", IndexError()), run_error("service", "mine", ZeroDivisionError("by 0"))
    assert str(index) == "dispatch = mine: reads beyond the end of an array; keep its indices below the size"
    assert str(other) == "service = mine: raises ZeroDivisionError (by 0); it must always answer"
