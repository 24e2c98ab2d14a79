"""Who decodes next.

An engine makes progress on `EngineInfo.concurrency` refreshes at a time. Utterances queue for a turn, not with audio in
hand: what is decoded is chosen when the turn comes, so the newest audio always wins, and an utterance never has more
than one decode under way and one waiting.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qwen3_asr_realtime.engines.base import Priority


class WaitingLine:
    """The order of those who wait: most urgent first, then first come first served. No clock, no asyncio."""

    def __init__(self) -> None:
        self._waiting: dict[object, tuple[Priority, int]] = {}
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, key: object, priority: Priority) -> None:
        """Queue behind all of the same priority."""
        self._arrivals += 1
        self._waiting[key] = (priority, self._arrivals)

    def hurry(self, key: object, priority: Priority) -> None:
        """Move forward; who is not in the line, or is as urgent already, stays where they are."""
        if key in self._waiting and priority < self._waiting[key][0]:
            self.join(key, priority)

    def leave(self, key: object) -> None:
        """Give up waiting."""
        self._waiting.pop(key, None)

    def next(self) -> object | None:
        """Take out who is next, or None."""
        if not self._waiting:
            return None
        key = min(self._waiting, key=self._waiting.__getitem__)
        del self._waiting[key]
        return key


class Turn:
    """One utterance's claim to decode, from asking to being done."""

    def __init__(self, line: WaitingLine) -> None:
        self._line = line
        self.granted = asyncio.Event()

    def hurry(self, priority: Priority) -> None:
        """Move forward in the line, if waiting in it."""
        self._line.hurry(self, priority)


class Scheduler:
    """Hands out the engine's slots, one per process.

    Attributes:
        slots: Decodes that may run at the same time.
        running: Decodes that do.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.running = 0
        self._line = WaitingLine()

    @property
    def busy(self) -> bool:
        """Whether one more decode would have to wait."""
        return self.running >= self.slots

    @property
    def waiting(self) -> int:
        """Utterances in the line."""
        return len(self._line)

    def turn(self) -> Turn:
        """A claim to be used with `slot`."""
        return Turn(self._line)

    @asynccontextmanager
    async def slot(self, turn: Turn, priority: Priority) -> AsyncIterator[None]:
        """Wait for a slot and hold it for the length of the block."""
        self._line.join(turn, priority)
        self._grant()
        try:
            await turn.granted.wait()
            yield
        finally:
            if turn.granted.is_set():
                self.running -= 1
            self._line.leave(turn)
            self._grant()

    def _grant(self) -> None:
        while not self.busy and isinstance(turn := self._line.next(), Turn):
            self.running += 1
            turn.granted.set()
