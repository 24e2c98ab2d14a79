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
"""Longest time for a refusal, a closing error or a close frame to go out to a client that may not be reading."""


@dataclass(slots=True)
class Heads:
    """The connections that have not got as far as a session, and their bounds.

    Attributes:
        timeout_s: A request has to be there whole, with what follows its head, after this.
        head_bytes_max: Longest head that is waited for.
        waiting_max: Connections at a time; `transports.py` counts those that have asked for a session.
        on_limit: Told the name of the setting that a connection came up against.
        waiting: Those there are.
    """

    timeout_s: float
    head_bytes_max: int
    waiting_max: int
    on_limit: Callable[[str], None]
    waiting: set[asyncio.BaseProtocol] = field(default_factory=set)

    def protocol(self) -> type[asyncio.Protocol]:
        """A class for uvicorn's `http` that keeps to these bounds."""
        return type("BoundedHttpProtocol", (_BoundedHttpProtocol,), {"heads": self})


class _BoundedHttpProtocol(HttpToolsProtocol):
    heads: Heads
    _deadline: TimerHandle | None = None
    _is_in_head = True
    _head_bytes = 0  # as they come in: a line need not end
    _line_bytes = 0  # of the lines that did: they may have come in one piece with what follows them
    _is_too_long = False

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
            self._refuse_head()

    # --- its requests ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._wait()
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.heads.head_bytes_max and not self.transport.is_closing():
                self._refuse_head()

    def on_message_begin(self) -> None:
        self._line_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count_line(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_line(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._is_too_long:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _count_line(self, n_bytes: int) -> None:
        self._line_bytes += n_bytes
        self._is_too_long = self._line_bytes > self.heads.head_bytes_max
        if self._is_too_long:
            raise ValueError("the head is too long")  # to the parser, which gives up

    def _refuse_head(self) -> None:
        self.heads.on_limit("MAX_HEADER_KIB")
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

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
