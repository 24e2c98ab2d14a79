"""uvicorn's two protocols, HTTP and WebSocket, with the bounds that they lack."""

import asyncio
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_BYTES_MAX = 64 * 1024
"""Request line and headers; browsers stay below 16 KiB. (httptools, the faster parser, knows no bound.)"""


def prompt_http(timeout_s: float, on_timeout: Callable[[], object]) -> type[asyncio.Protocol]:
    """HTTP, for `uvicorn.Config`, with clients that may be slow on purpose; uvicorn waits for them for ever.

    Args:
        timeout_s: Time for a request and its answer, or for a handshake; past it the connection is dropped.
        on_timeout: Called when one is.
    """

    class PromptHttp(H11Protocol):
        """A connection until it becomes a WebSocket."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            self._too_late = self.loop.call_later(timeout_s, self._drop)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._too_late.cancel()
            self._too_late = self.loop.call_later(timeout_s, self._drop)

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._too_late.cancel()
            super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._too_late.cancel()
            super().connection_lost(exc)

        def _drop(self) -> None:
            on_timeout()
            self.transport.abort()

    return PromptHttp


def light_websocket(on_unread: Callable[[], object]) -> type[asyncio.Protocol]:
    """WebSockets, for `uvicorn.Config`, that keep nothing of their last frame, of 16 MiB perhaps, when they are over.

    Parser and connection hold each other, and so would wait for a full garbage collection.

    Args:
        on_unread: Called when the system has dropped a connection because its client took nothing for too long.
    """

    class LightWebSocket(WebSocketsSansIOProtocol):
        """A connection from the handshake to the end."""

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self.conn.parser.close()
            if isinstance(exc, TimeoutError):
                on_unread()

    return LightWebSocket
