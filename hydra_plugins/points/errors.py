"""Errors of a command as one sentence on stderr and a non-zero exit; HYDRA_FULL_ERROR=1 asks for the traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from system import InputError

FULL_ERROR = "HYDRA_FULL_ERROR"


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Wrap a command's main function, Hydra's decorator included."""
    if os.environ.get(FULL_ERROR):
        yield
        return
    os.environ[FULL_ERROR] = "1"  # so that Hydra leaves its exceptions to us
    try:
        yield
    except (InputError, HydraException, OmegaConfBaseException) as error:
        sys.exit(f"error: {sentence(error)}")
    except KeyboardInterrupt:
        sys.exit("\nstopped: finished points are stored; the same command goes on with the others")
    finally:
        os.environ.pop(FULL_ERROR, None)


def sentence(error: BaseException) -> str:
    """The most telling message of an exception and its causes, on one line."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    ours = next((link for link in chain if isinstance(link, InputError)), None)
    if ours is None and "Could not override" in str(error):
        return str(error).splitlines()[0].rstrip(".") + ": there is no such key; `python run.py --cfg job` shows all"
    if ours is None and "Error in call to target" in str(error):
        ours = chain[1] if len(chain) > 1 else None  # the call's own complaint, such as an unknown argument
    return " ".join(str(ours or error).split()) or type(error).__name__
