"""Errors of commands: one sentence on stderr and a non-zero exit status; HYDRA_FULL_ERROR=1 shows the traceback."""

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from textwrap import shorten
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from store.disk.files import StoreWarning
from store.disk.store import Store, configured_name, words_of
from store.tables.filtered import LIKENESS
from system.code.source import ROOT
from system.errors import STOPPED, InputError, input_error_behind

EXPERIMENTS = ROOT / "conf" / "experiment"
FULL_ERROR = "HYDRA_FULL_ERROR"
ONE_SENTENCE = "SERVER_CHAINS_ONE_SENTENCE"  # set with FULL_ERROR if the user did not set that
MISPLACED = re.compile(r"In '(experiment/[^']+)': Could not override '[^']+@experiment\.")
PIPE_CLOSED = 141  # exit status of a command that a closed pipe ended
LENGTH = 1000  # most characters of a message, as a launcher's errors contain the logs of its workers


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Turn errors of the block into one sentence, and exit.

    If nobody reads the output any more, exit silently. A command uses it around Hydra and around its task, as Hydra
    would report an exception of the task itself.
    """
    if FULL_ERROR in os.environ and ONE_SENTENCE not in os.environ:
        yield
        return
    os.environ[FULL_ERROR] = os.environ[ONE_SENTENCE] = "1"  # Hydra then raises its exceptions
    warnings.formatwarning = partial(_format_warning, warnings.formatwarning)
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is written nowhere
        sys.exit(PIPE_CLOSED)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        sys.exit(f"error: {sentence(error)}")
    except Exception as error:  # not foreseen: also tell how to see the traceback
        sys.exit(f"error: {type(error).__name__}: {_on_one_line(str(error))} ({FULL_ERROR}=1 shows where)")
    except KeyboardInterrupt:
        sys.stderr.write("stopped: finished points are stored; the same command goes on with the others\n")
        sys.exit(STOPPED)


def sentence(error: BaseException) -> str:
    """Return the clearest message of an exception and its causes, on one line."""
    ours, cause = input_error_behind(error), error.__cause__ or error.__context__
    if ours is not None:
        return str(ours)
    if remedy := _remedy(error):
        return remedy
    if "Error in call to target" in str(error) and cause is not None:
        return str(cause)  # the message of the call itself, such as an unknown argument
    return _on_one_line(str(error)) or type(error).__name__


def _remedy(error: BaseException) -> str:
    """Return our message in place of one of Hydra's; empty to keep that."""
    if "hydra/launcher/submitit_" in str(error):
        return not_installed("slurm")
    if isinstance(error, MissingConfigException) and (message := _missing_choice(error)):
        return message
    if misplaced := MISPLACED.search(str(error)):
        return f"{misplaced[1]}.yaml: must begin with the line `# @package _global_`"
    if "Could not override" in str(error):
        return str(error).splitlines()[0].rstrip(".") + ": there is no such key; `python run.py --cfg job` shows all"
    return ""


def _missing_choice(error: MissingConfigException) -> str:
    """Return the remedy for a missing file; empty where Hydra's message has it.

    Hydra does not list the choices for a member of a list, nor know how embedded data is chosen.
    """
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    if error.options is None:
        return f"{group} = {name}: there is no such file; `python run.py {group}={name}` lists the choices"
    is_embedded = group == "experiment" and configured_name(name) in error.options
    return f"{error.missing_cfg_file}.yaml: there is no such file; write {words_of(name)}" if is_embedded else ""


def require_stored(names: Iterable[str], store: Store) -> None:
    """Raise `InputError` for experiments that are not stored."""
    stored = store.experiment_names()
    for name in names:
        if name in stored or (EXPERIMENTS / f"{configured_name(name)}.yaml").is_file():
            store.experiment(name)  # raises with the command that computes it
        else:
            near = get_close_matches(name, stored, cutoff=LIKENESS) or stored
            raise InputError(
                f"experiment = {name}: not in {store.folder}; choose {' or '.join(near) or 'another store'}"
            )


def not_installed(launcher: str) -> str:
    """Return the message for a launcher whose packages are missing.

    The extra that installs them has the name of the launcher.
    """
    return f'hydra/launcher = {launcher}: not installed; pip install -e ".[{launcher}]" in the project\'s folder'


def _format_warning(
    plain: Callable[..., str], message: Warning | str, category: type[Warning], *location: Any, **line: Any
) -> str:
    """Return only the sentence of the store's warnings.

    The line of code that they come from means nothing to a user.
    """
    if issubclass(category, StoreWarning):
        return f"warning: {message}\n"
    return plain(message, category, *location, **line)


def _on_one_line(text: str) -> str:
    """Return a message of Hydra on one line.

    Hydra lists choices on lines that start with a tab, and then its search path, which is left out.
    """
    if "Cannot modify readonly array" in text:  # by a function of a user that numba's own `njit` decorates
        return f"{text.splitlines()[0].rstrip(':')}: writes into an array that it is given; it may only read them"
    lines = [line for line in text.partition("Config search path")[0].splitlines() if line.strip()]
    joined = "".join((", " if line.startswith("\t") else ". ") + line.strip() for line in lines)
    return shorten(joined.removeprefix(". ").replace(":,", ":"), LENGTH, placeholder=" ...")
