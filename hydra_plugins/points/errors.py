"""Errors of a command as one sentence on stderr and a non-zero exit; HYDRA_FULL_ERROR=1 asks for the traceback."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from store.files import StoreWarning
from system.errors import InputError, input_error_behind

FULL_ERROR = "HYDRA_FULL_ERROR"
_PLAIN_FORMAT = warnings.formatwarning
STOPPED = 130  # the exit status of a command that Ctrl-C ended
ONE_SENTENCE = "SERVER_CHAINS_ONE_SENTENCE"  # set beside FULL_ERROR where the user did not ask for it


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Around a command and around its task: Hydra would announce an exception that leaves a task."""
    if FULL_ERROR in os.environ and ONE_SENTENCE not in os.environ:
        yield
        return
    os.environ[FULL_ERROR] = os.environ[ONE_SENTENCE] = "1"  # so that Hydra leaves its exceptions to us
    warnings.formatwarning = _format_warning
    try:
        yield
    except (InputError, HydraException, OmegaConfBaseException) as error:
        sys.exit(f"error: {sentence(error)}")
    except Exception as error:  # not foreseen: say so, and how to see more
        sys.exit(f"error: {type(error).__name__}: {_on_one_line(str(error))} ({FULL_ERROR}=1 shows where)")
    except KeyboardInterrupt:
        sys.stderr.write("stopped: finished points are stored; the same command goes on with the others\n")
        sys.exit(STOPPED)


def sentence(error: BaseException) -> str:
    """The most telling message of an exception and its causes, on one line."""
    ours, cause = input_error_behind(error), error.__cause__ or error.__context__
    if ours is not None:
        return str(ours)
    if "Could not override" in str(error):
        return str(error).splitlines()[0].rstrip(".") + ": there is no such key; `python run.py --cfg job` shows all"
    if "Error in call to target" in str(error) and cause is not None:
        return str(cause)  # the call's own complaint, such as an unknown argument
    return _on_one_line(str(error)) or type(error).__name__


def _format_warning(message: Warning | str, category: type[Warning], *place: Any, **line: Any) -> str:
    """Of the store's warnings the sentence alone: where in the code it comes from says nothing to a user."""
    if issubclass(category, StoreWarning):
        return f"warning: {message}\n"
    return _PLAIN_FORMAT(message, category, *place, **line)


def _on_one_line(text: str) -> str:
    """Hydra lists choices one a line, indented by a tab, and then where it looked."""
    lines = [line for line in text.partition("Config search path")[0].splitlines() if line.strip()]
    joined = "".join((", " if line.startswith("\t") else ". ") + line.strip() for line in lines)
    return joined.removeprefix(". ").replace(":,", ":")
