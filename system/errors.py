"""Errors for input that cannot be computed.

Each error has a message of one sentence for the user, and a status under which the store records it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

STOPPED = 130  # exit status of a command that Ctrl-C ended


class InputError(ValueError):
    """A field has an invalid value; the message names the field, the value and the remedy."""


class InfeasibleError(InputError):
    """No composition satisfies the memory constraints (1)-(3).

    This is a result, with status `infeasible`.
    """


class UnstableError(InputError):
    """The arrival rate is not below the total service rate (4).

    This is a result, with status `unstable`.
    """


class DataUnavailableError(InputError):
    """A data set is not available on this machine.

    Points that need it have status `skipped`, with the remedy in the message.
    """


class NotApplicableError(InputError):
    """The assumptions of an evaluator or algorithm do not hold for a case.

    Such points have status `skipped`; they are never approximated.
    """


def input_error_behind(error: BaseException | None) -> InputError | None:
    """Return the first `InputError` among an exception and its causes, or None.

    Its message is the sentence for the user.
    """
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def exit_in_one_sentence() -> Iterator[None]:
    """End a command at an `InputError` with its sentence, and at Ctrl-C without one."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(STOPPED)
