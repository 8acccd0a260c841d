"""Errors of a command as one sentence on stderr and a non-zero exit; HYDRA_FULL_ERROR=1 asks for the traceback."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from textwrap import shorten
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from store.disk.files import StoreWarning
from store.disk.store import EMBEDDED, words_of
from system.errors import InputError, input_error_behind

FULL_ERROR = "HYDRA_FULL_ERROR"
STOPPED = 130  # the exit status of a command that Ctrl-C ended
ONE_SENTENCE = "SERVER_CHAINS_ONE_SENTENCE"  # set beside FULL_ERROR where the user did not ask for it
LENGTH = 1000  # characters at most; a launcher's errors hold the logs of its workers


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Around a command and around its task: Hydra would announce an exception that leaves a task."""
    if FULL_ERROR in os.environ and ONE_SENTENCE not in os.environ:
        yield
        return
    os.environ[FULL_ERROR] = os.environ[ONE_SENTENCE] = "1"  # so that Hydra leaves its exceptions to us
    warnings.formatwarning = partial(_format_warning, warnings.formatwarning)
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
    if isinstance(error, MissingConfigException) and (words := _embedded_words(error)):
        return f"{error.missing_cfg_file}.yaml: there is no such file; write {words}"
    if "hydra/launcher/submitit_" in str(error):
        return not_installed("slurm")
    if "Could not override" in str(error):
        return str(error).splitlines()[0].rstrip(".") + ": there is no such key; `python run.py --cfg job` shows all"
    if "Error in call to target" in str(error) and cause is not None:
        return str(cause)  # the call's own complaint, such as an unknown argument
    return _on_one_line(str(error)) or type(error).__name__


def _embedded_words(error: MissingConfigException) -> str:
    """Return the words for an experiment whose name was given with the suffix of embedded data; else nothing."""
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    is_experiment = group == "experiment" and name.removesuffix(EMBEDDED) in (error.options or ())
    return words_of(name) if is_experiment else ""


def not_installed(launcher: str) -> str:
    """What to do where a launcher's packages are missing; the extra that brings them has its name."""
    return f'hydra/launcher = {launcher}: not installed; pip install -e ".[{launcher}]" in the project\'s folder'


def _format_warning(
    plain: Callable[..., str], message: Warning | str, category: type[Warning], *place: Any, **line: Any
) -> str:
    """Of the store's warnings the sentence alone: where in the code it comes from says nothing to a user."""
    if issubclass(category, StoreWarning):
        return f"warning: {message}\n"
    return plain(message, category, *place, **line)


def _on_one_line(text: str) -> str:
    """Hydra lists choices one a line, indented by a tab, and then where it looked."""
    lines = [line for line in text.partition("Config search path")[0].splitlines() if line.strip()]
    joined = "".join((", " if line.startswith("\t") else ". ") + line.strip() for line in lines)
    return shorten(joined.removeprefix(". ").replace(":,", ":"), LENGTH, placeholder=" ...")
