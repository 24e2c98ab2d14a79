"""How much of something waits to be worked on, and the brake on it."""

import asyncio


class Backlog:
    """Counts what waits, in samples or bytes. Whoever adds waits for room first, which in time slows the client down.

    Attributes:
        limit: How much may wait.
        amount: How much does.
        is_lifted: Whether nobody waits any more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.amount = 0
        self.is_lifted = False
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_long(self) -> bool:
        """Whether half of what may wait does: more than comes together as fast as it can be spoken."""
        return 2 * self.amount > self.limit

    def add(self, amount: int) -> None:
        """More has come in."""
        self.amount += amount
        if self.amount > self.limit and not self.is_lifted:
            self._room.clear()

    def remove(self, amount: int) -> None:
        """Some has been worked on, or dropped."""
        self.amount -= amount
        if self.amount <= self.limit:
            self._room.set()

    def lift(self) -> None:
        """Let whoever waits go on, and nobody wait from now on."""
        self.is_lifted = True
        self._room.set()

    @property
    def is_full(self) -> bool:
        """Whether `room` would wait."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Return once no more than the limit waits."""
        await self._room.wait()
