"""What can be wrong with a request, each with its place in the results (store status) and one sentence for the user."""


class InputError(ValueError):
    """A field has a value that makes no sense; the message names the field, the value and the remedy."""


class InfeasibleError(InputError):
    """No composition satisfies the memory constraints (1)-(3): a result, with status `infeasible`."""


class UnstableError(InputError):
    """The arrival rate is not below the total service rate (4): a result, with status `unstable`."""


class DataUnavailableError(InputError):
    """A data set cannot be had here: whatever needs it has status `skipped`, with the remedy in the message."""


class NotApplicableError(InputError):
    """An evaluator's assumptions do not hold for what it is asked: status `skipped`, never an approximation."""


def input_error_behind(error: BaseException | None) -> InputError | None:
    """The first `InputError` among an exception and its causes, if there is one: the sentence for the user."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error
