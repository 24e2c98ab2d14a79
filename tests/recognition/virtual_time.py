"""An event loop whose clock jumps to the next thing that is due: hours pass in no time, and always in the same way."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class NothingLeftToHappenError(RuntimeError):
    """Everybody waits for something that nobody will do."""


class _Clock(selectors.DefaultSelector):
    """Where a loop waits: the time it would wait is added to the clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingLeftToHappenError
        self.now_s += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run in virtual time, for tests that hypothesis calls."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario)


async def everything_ready() -> None:
    """Let all run that can run now."""
    await asyncio.sleep(1e-6)
