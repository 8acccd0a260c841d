"""Parallel making of outputs.

Outputs that would come out the same are left as they are.
"""

import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from multiprocessing import active_children
from typing import NamedTuple

import matplotlib as mpl
from tqdm import tqdm

from plots.stamps import Made, Output, Stamps

UNCHANGED = " (unchanged)"


class Done(NamedTuple):
    """The printed lines of an output and, if it was made just now, the hash of its inputs and its files."""

    lines: str
    inputs: str | None = None
    made: Made | None = None


def make_all(outputs: Sequence[Output], stamps: Stamps, redraw: bool) -> None:
    """Make the outputs that changed, and print all lines.

    With `redraw`, all outputs are made. The lines are printed in the order of the outputs. If outputs fail, the others
    are still made; the first error is raised at the end, and the others are printed. No process is started if nothing
    has to be made.
    """
    errors: list[BaseException] = []
    with ExitStack() as stack:
        start = cache(lambda: _started(stack))
        tasks = {
            output.name: (None if redraw else _unchanged(output, stamps)) or start().submit(_make, output)
            for output in outputs
        }
        for name, task in tqdm(tasks.items(), unit="figure", disable=None):
            error = task.exception()
            if error:
                errors.append(error)
                continue
            lines, inputs, made = task.result()
            if made is not None and inputs is not None:
                stamps.write(name, inputs, made)
            if lines:
                tqdm.write(lines)
    for error in errors[1:]:
        tqdm.write(f"not made: {error}")
    if errors:
        raise errors[0]


def _started(stack: ExitStack) -> ProcessPoolExecutor:
    """Start processes that end with the stack.

    At a signal they end before their outputs are made.
    """
    executor = stack.enter_context(ProcessPoolExecutor(initializer=_set_up))
    stack.push(lambda kind, *_: _end_processes() if kind and issubclass(kind, KeyboardInterrupt) else None)
    return executor


def _set_up() -> None:
    """Draw into files, and leave Ctrl-C to the main process."""
    mpl.use("agg")
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_processes() -> None:
    for process in active_children():
        process.terminate()


def _make(output: Output) -> Done:
    inputs = output.inputs()  # read them first, so that the next run notices a change during this one
    made = output.make()
    return Done(output.lines(made, ""), inputs, made)


def _unchanged(output: Output, stamps: Stamps) -> "Future[Done] | None":
    """Return a finished task for an unchanged output, or None."""
    made = stamps.up_to_date(output)
    if made is None:
        return None
    task: Future[Done] = Future()
    task.set_result(Done(output.lines(made, UNCHANGED)))
    return task
