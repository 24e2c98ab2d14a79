"""The time before a session: a connection has to say what it wants soon and in few words, and not too many may wait.

uvicorn waits for the end of a request as long as it takes, keeps a head of any length, and never answers a WebSocket
request that `websockets` finds too long. This is its protocol with bounds on the three.
"""

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LAST_WORDS_S = 2.0
"""Longest time for a refusal to go out to a client that may not be reading."""


@dataclass(slots=True)
class Heads:
    """The connections that have not got as far as a session, and their bounds.

    Attributes:
        timeout_s: A request has to be there whole, with what follows its head, after this.
        head_bytes_max: Longest head that is waited for.
        waiting_max: Connections at a time.
        on_limit: Told the name of the setting that a connection came up against.
        waiting: Those there are.
    """

    timeout_s: float
    head_bytes_max: int
    waiting_max: int
    on_limit: Callable[[str], None]
    waiting: set[asyncio.Protocol] = field(default_factory=set)

    def protocol(self) -> type[asyncio.Protocol]:
        """A class for uvicorn's `http` that keeps to these bounds."""
        return type("BoundedHttpProtocol", (_BoundedHttpProtocol,), {"heads": self})


class _BoundedHttpProtocol(HttpToolsProtocol):
    heads: Heads
    _deadline: TimerHandle | None = None
    _is_in_head = True
    _head_bytes = 0

    # --- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        if len(self.heads.waiting) >= self.heads.waiting_max:
            self.heads.on_limit("MAX_PENDING_CONNECTIONS")
            transport.abort()
            return
        self.heads.waiting.add(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._leave()
        super().handle_websocket_upgrade()
        websocket = cast("WebSocketsSansIOProtocol", self.transport.get_protocol())
        if not websocket.handshake_initiated:  # a line too long, too many lines, or a character that may not be there
            self.heads.on_limit("MAX_HEADER_KIB")
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    # --- its requests ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._wait()
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.heads.head_bytes_max and not self.transport.is_closing():
                self.heads.on_limit("MAX_HEADER_KIB")
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._stop_waiting()
        super().on_message_complete()

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(self.heads.timeout_s, self._is_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        self.heads.on_limit("REQUEST_TIMEOUT_SEC")
        self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _leave(self) -> None:
        self.heads.waiting.discard(self)
        self._stop_waiting()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why, and let go of the connection whether or not that is read."""
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        self.transport.write(head.encode("ascii"))
        self.transport.close()
        self.loop.call_later(LAST_WORDS_S, self.transport.abort)
