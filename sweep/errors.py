"""Errors of Hydra's commands, in one sentence on stderr; HYDRA_FULL_ERROR=1 shows the traceback."""

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from store.disk.store import EMBEDDED, EMBEDDED_DATA, Store, configured_name, words_of
from store.tables.filtered import LIKENESS
from system.checks import echo
from system.code.source import ROOT
from system.command.boundary import FULL_ERROR, ONE_SENTENCE, ends_in_one_sentence, wants_traceback
from system.command.sentences import known_sentence, sentence
from system.errors import InputError, causes_of, input_error_behind, on_one_line

EXPERIMENTS = ROOT / "conf" / "experiment"
MISPLACED = re.compile(r"In '(experiment/[^']+)': Could not override '[^']+@experiment\.")
# How OmegaConf names the types of keys.
KINDS = {"to Integer": "a whole number", "to Float": "a number", "a valid bool": "true or false"}
ANOTHER_TYPE = "has another type than this key; `python run.py --cfg hydra` shows the keys"
STOPPED = "stopped: finished points are stored; the same command goes on with the others"


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """End a command of Hydra at an error or a signal with one sentence.

    A command uses it around Hydra and around its task, as Hydra would report an exception of the task itself.
    """
    if not wants_traceback():
        os.environ[FULL_ERROR] = os.environ[ONE_SENTENCE] = "1"  # Hydra then raises its exceptions
    with ends_in_one_sentence(hydra_sentence, (HydraException, OmegaConfBaseException), STOPPED):
        yield


def hydra_sentence(error: BaseException) -> str:
    """Return the clearest message of an exception and its causes, on one line."""
    cause = error.__cause__ or error.__context__
    if input_error_behind(error) is None and not known_sentence(error):
        if remedy := _remedy(error):
            return on_one_line(remedy)
        if "Error in call to target" in str(error) and cause is not None:
            return on_one_line(str(cause))  # the message of the call itself, such as an unknown argument
        if isinstance(error, (HydraException, OmegaConfBaseException)):
            return _joined(str(error))
    return sentence(error)


def _remedy(error: BaseException) -> str:
    """Return our message in place of one of Hydra's; empty to keep that."""
    if "hydra/launcher/submitit_" in str(error):
        return not_installed("slurm")
    if isinstance(error, MissingConfigException) and (message := _missing_choice(error)):
        return message
    if misplaced := MISPLACED.search(str(error)):
        return f"{misplaced[1]}.yaml: must begin with the line `# @package _global_`"
    if misfit := _misfit(error):
        return misfit
    if "Could not override" in str(error):
        first = str(error).splitlines()[0].rstrip(".")
        shown = "hydra" if "'hydra." in first else "job"
        return f"{first}: there is no such key; `python run.py --cfg {shown}` shows all"
    return ""


def _misfit(error: BaseException) -> str:
    """Return the sentence for an override of the wrong type; else nothing."""
    begin, _, override = str(error).partition(" override ")
    key, _, value = override.partition("=")
    causes = " ".join(map(str, causes_of(error)))
    kinds = [kind for kind in KINDS if kind in causes]
    if begin != "Error merging" or not value:
        return ""
    remedy = f"must be {KINDS[kinds[0]]}" if kinds else "must not be null" if value == "null" else ANOTHER_TYPE
    return f"{key} = {echo(value)}: {remedy}"


def _missing_choice(error: MissingConfigException) -> str:
    """Return the remedy for a missing file; empty where Hydra's message has it.

    Hydra does not list the choices for a member of a list, nor know how embedded data is chosen.
    """
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    if not group:
        remedy = "no folder with configuration has this file; leave out --config-name and --config-path"
        return f"--config-name = {name or 'config'}: {remedy}"
    if error.options is None:
        return f"{group} = {name}: there is no such file; `python run.py {group}={name}` lists the choices"
    is_embedded = group == "experiment" and configured_name(name) in error.options
    return f"{error.missing_cfg_file}.yaml: there is no such file; write {words_of(name)}" if is_embedded else ""


def drawn_name(name: str, stored: Collection[str]) -> str:
    """Return the name under which an experiment is stored.

    It is that of the embedded variant, with a note, if only that is stored.
    """
    variant = f"{name}{EMBEDDED}"
    if name in stored or variant not in stored:
        return name
    sys.stderr.write(f"note: {name}: only {variant} is stored, on {EMBEDDED_DATA}\n")
    return variant


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


def _joined(text: str) -> str:
    """Return a message of Hydra on one line.

    Hydra lists choices on lines that start with a tab, and then its search path, which is left out.
    """
    if "Cannot modify readonly array" in text:  # by a function of a user that numba's own `njit` decorates
        return f"{text.splitlines()[0].rstrip(':')}: writes into an array that it is given; it may only read them"
    lines = [line for line in text.partition("Config search path")[0].splitlines() if line.strip()]
    joined = "".join((", " if line.startswith("\t") else ". ") + line.strip() for line in lines)
    return on_one_line(joined.removeprefix(". ").replace(":,", ":"))
