"""uvicorn's protocol for WebSockets, with what it lacks; that for HTTP is in `head.py`."""

import asyncio
from collections.abc import Callable

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


def light_websocket(on_unread: Callable[[], object]) -> type[asyncio.Protocol]:
    """WebSockets, for `uvicorn.Config`, that keep nothing of their last frame, of 16 MiB perhaps, when they are over.

    Parser and connection hold each other, and so would wait for a full garbage collection.

    Args:
        on_unread: Called when the system has dropped a connection because its client took nothing for too long.
    """

    class LightWebSocket(WebSocketsSansIOProtocol):
        """A connection from the handshake to the end."""

        async def send(self, message: ASGISendEvent) -> None:
            await super().send(message)
            # uvicorn takes a handshake answered with a refusal for one that was forgotten, and logs an error for each.
            self.handshake_complete = self.handshake_complete or self.close_sent

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self.conn.parser.close()
            if isinstance(exc, TimeoutError):
                on_unread()

    return LightWebSocket
