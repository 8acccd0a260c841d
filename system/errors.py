"""Errors for input that cannot be computed.

Each error has a message of one sentence for the user, and a status under which the store records it.
"""

import unicodedata
from collections.abc import Iterator

from system.limits import MESSAGE

CUT = " ..."


class InputError(ValueError):
    """A field has an invalid value; the message names the field, the value and the remedy.

    The message is shown on one line, shortened, and a terminal finds nothing in it to obey.
    """

    def __str__(self) -> str:
        return on_one_line(super().__str__())


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


class AccuracyError(NotApplicableError):
    """A theory misses its stated accuracy for a case."""


class Stopped(KeyboardInterrupt):
    """A signal other than that of Ctrl-C ends the command."""


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def input_error_behind(error: BaseException | None) -> InputError | None:
    """Return the first `InputError` among an exception and its causes, or None.

    Its message is the sentence for the user.
    """
    return next((cause for cause in causes_of(error) if isinstance(cause, InputError)), None)


def on_one_line(text: str) -> str:
    """Return a text on one line, shortened and without control characters.

    A terminal would obey escape sequences in a value; question marks take their place.
    """
    line = "".join(map(_visible, text[: MESSAGE + 1])).strip()
    return line if len(text) <= MESSAGE else line[: MESSAGE - len(CUT)] + CUT


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return "?" if unicodedata.category(char) in ("Cc", "Cf", "Cs") else char
