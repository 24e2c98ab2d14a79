"""uvicorn's protocol for WebSockets, with what it lacks; that for HTTP is in `head.py`."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from qwen3_asr_realtime.server.head import LAST_WORDS_S, Heads

ON_SESSION = "qwen3_asr.on_session"
"""Key of the ASGI scope: to be called when the connection becomes a session."""

CLOSE_TIMEOUT_S = 10.0
"""Longest wait for a client to answer the close of its session, which may stand behind much that it has not read."""


def light_websocket(heads: Heads, on_unread: Callable[[], object]) -> type[asyncio.Protocol]:
    """WebSockets, for `uvicorn.Config`, that keep nothing of their last frame, of 16 MiB perhaps, when they are over.

    Parser and connection hold each other, and so would wait for a full garbage collection.

    A connection that is refused a session is not waited for long, and until it is lost it is one of those that have
    none: else a crowd of them would count nowhere.

    Args:
        heads: Where those are counted that are no sessions.
        on_unread: Called when the system has dropped a connection because its client took nothing for too long.
    """

    class LightWebSocket(WebSocketsSansIOProtocol):
        """A connection from the handshake to the end."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            heads.waiting.add(self)
            self.close_timeout = LAST_WORDS_S

        def handle_connect(self, event: Request) -> None:
            super().handle_connect(event)
            if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                self.scope[ON_SESSION] = self._on_session  # type: ignore[literal-required] # it is ours

        def _on_session(self) -> None:
            heads.waiting.discard(self)
            self.close_timeout = CLOSE_TIMEOUT_S

        async def send(self, message: ASGISendEvent) -> None:
            await super().send(message)
            # uvicorn takes a handshake answered with a refusal for one that was forgotten, and logs an error for each.
            self.handshake_complete = self.handshake_complete or self.close_sent

        def connection_lost(self, exc: Exception | None) -> None:
            heads.waiting.discard(self)
            super().connection_lost(exc)
            self.conn.parser.close()
            if self.handshake_initiated:
                self.scope.pop(ON_SESSION, None)  # type: ignore[misc] # it is ours
            if isinstance(exc, TimeoutError):
                on_unread()

    return LightWebSocket
