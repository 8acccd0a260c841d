"""An event loop of asyncio whose clock jumps to the next event instead of waiting for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop without connections, in which waiting takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s, select = 0.0, self._selector.select

        def jump(timeout: float | None) -> list[Any]:
            assert timeout is not None, "every task waits for another one"
            self._now_s += timeout
            return select(0)

        self._selector.select = jump

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now_s


def run_virtually(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
