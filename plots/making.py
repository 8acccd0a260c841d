"""Making outputs in several processes; what would come out the same is left as it is."""

from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from typing import NamedTuple

import matplotlib as mpl
from tqdm import tqdm

from plots.stamps import Made, Output, Stamps

UNCHANGED = " (unchanged)"


class Done(NamedTuple):
    """What is printed of an output, and, if it was made, what from and what came of it."""

    lines: str
    inputs: str | None = None
    made: Made | None = None


def make_all(outputs: Sequence[Output], stamps: Stamps, redraw: bool) -> None:
    """Make outputs, those that changed or all of them, and print in their order what came of them.

    What went wrong is raised in the end, once all others are made. Without anything to make no process is started.
    """
    with ExitStack() as stack:
        start = cache(lambda: stack.enter_context(ProcessPoolExecutor(initializer=mpl.use, initargs=("agg",))))
        tasks = {
            output.name: (None if redraw else _unchanged(output, stamps)) or start().submit(_make, output)
            for output in outputs
        }
        for name, task in tqdm(tasks.items(), unit="figure", disable=None):
            error = task.exception()
            if error:
                tqdm.write(f"not made: {error}")
                continue
            lines, inputs, made = task.result()
            if made is not None and inputs is not None:
                stamps.write(name, inputs, made)
            if lines:
                tqdm.write(lines)
    for task in tasks.values():
        task.result()


def _make(output: Output) -> Done:
    inputs = output.inputs()  # before: what changes meanwhile is noticed next time
    made = output.make()
    return Done(output.lines(made, ""), inputs, made)


def _unchanged(output: Output, stamps: Stamps) -> "Future[Done] | None":
    """Return what is printed of an output that need not be made again; nothing if it must be."""
    made = stamps.fitting(output)
    if made is None:
        return None
    task: Future[Done] = Future()
    task.set_result(Done(output.lines(made, UNCHANGED)))
    return task
