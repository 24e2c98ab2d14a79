"""Events on their way to one client, and what happens if it does not read them."""

import asyncio
from collections.abc import Callable

from qwen3_asr_realtime.protocol.commands import Close
from qwen3_asr_realtime.protocol.events import ServerEvent, TranscriptionText


class ClientNotReading(Exception):
    """More events wait for the client than it may leave unread."""


class Outbox:
    """A bounded queue of events. A newer preview takes the place of a waiting one of its item; nothing else is lost.

    Attributes:
        limit: Events that may wait.
    """

    def __init__(self, limit: int, on_replaced: Callable[[], None] = lambda: None) -> None:
        """Begin empty.

        Args:
            limit: Events that may wait.
            on_replaced: Called for each preview that was not read before there was a newer one.
        """
        self.limit = limit
        self._on_replaced = on_replaced
        self._waiting: dict[object, ServerEvent | Close] = {}  # in order; keyed so that previews replace each other
        self._filled = asyncio.Event()

    def put(self, event: ServerEvent | Close) -> None:
        """Queue an event.

        Raises:
            ClientNotReading: The queue is full.
        """
        key = event.item_id if isinstance(event, TranscriptionText) else object()
        if key in self._waiting:
            self._on_replaced()
        elif len(self._waiting) >= self.limit:
            raise ClientNotReading
        self._waiting[key] = event
        self._filled.set()

    async def next(self) -> ServerEvent | Close:
        """Wait for the next event and take it out."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.pop(next(iter(self._waiting)))
