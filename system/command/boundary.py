"""The boundary of a command: whatever ends it, the user reads one sentence and the status is not 0."""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from system.command.sentences import known_sentence, sentence
from system.errors import Stopped, input_error_behind, on_one_line

FULL_ERROR = "HYDRA_FULL_ERROR"  # shows the traceback, in commands without Hydra too
ONE_SENTENCE = "SERVER_CHAINS_ONE_SENTENCE"  # set with FULL_ERROR if the user did not set that
PIPE_CLOSED = 141  # exit status of a command that a closed pipe ended
SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_received: list[int] = []  # signals that ended this command; packages such as Ray replace the exception


def wants_traceback() -> bool:
    """Return whether the user asks for tracebacks."""
    return FULL_ERROR in os.environ and ONE_SENTENCE not in os.environ


@contextmanager
def ends_in_one_sentence(
    words: Callable[[BaseException], str] = sentence,
    foreseen: tuple[type[Exception], ...] = (),
    stopped: str = "stopped",
) -> Iterator[None]:
    """End a command at an error or a signal with one sentence.

    `words` gives the sentence of an error, `foreseen` are further errors that input causes, and `stopped` is what a
    user reads after a signal. If nobody reads the output any more, the command ends silently.
    """
    if wants_traceback():
        yield
        return
    warnings.formatwarning = _format_warning
    try:
        with _signals_stop():
            yield
            sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is written nowhere
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(f"{stopped}\n")
        sys.exit(128 + (_received or [signal.SIGINT])[0])
    except Exception as error:
        is_foreseen = input_error_behind(error) or known_sentence(error) or isinstance(error, foreseen)
        sys.exit(f"error: {words(error)}{'' if is_foreseen else f' ({FULL_ERROR}=1 shows where)'}")


@contextmanager
def _signals_stop() -> Iterator[None]:
    """Raise `Stopped` at SIGTERM and SIGHUP, unless they are ignored, as under `nohup`."""
    is_main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in SIGNALS if is_main and signal.getsignal(number) is signal.SIG_DFL]
    owner = os.getpid()

    def stop(number: int, _frame: object) -> None:
        if os.getpid() == owner:
            _received.append(number)
            raise Stopped
        signal.signal(number, signal.SIG_DFL)  # this is a forked process, which ends at once
        os.kill(os.getpid(), number)

    if numbers:  # this is the outermost boundary
        _received.clear()
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _format_warning(message: Warning | str, *_: Any, **__: Any) -> str:
    """Return a warning without its line of code."""
    return f"warning: {on_one_line(str(message))}\n"
