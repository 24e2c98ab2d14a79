"""One WebSocket connection, seen from outside: every frame is noted with its time, both ways."""

import asyncio
import contextlib
import json
import time
from functools import cached_property
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import Event as WireEvent
from websockets.typing import Origin, Subprotocol

from qwen3_asr_realtime.conformance.log import Entry, Event, Kind, Log
from qwen3_asr_realtime.conformance.predicates import Mismatch
from qwen3_asr_realtime.conformance.vocabulary import Connect

DEFAULT_MODEL: Final = "qwen3-asr-flash-realtime"

OPEN_TIMEOUT_S = 5.0
"""The shortest patience of any client seen with the handshake."""

SEND_TIMEOUT_S = 30.0
"""A server that does not read for so long is stuck."""

CLOSE_TIMEOUT_S = 3.0

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_ABNORMAL = 1006


class Closed(Exception):
    """The connection has ended."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the connection closed with code {code} {reason}".rstrip())
        self.code = code


class Target:
    """The server to try.

    Args:
        url: Address of its endpoint; a `model` in the query is the one to ask for.
        api_key: Key to show.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self._parts = urlsplit(url)
        query = parse_qsl(self._parts.query, keep_blank_values=True)
        self.url = url
        self.model = dict(query).get("model", DEFAULT_MODEL)
        self._other_query = [(name, value) for name, value in query if name != "model"]
        self.api_key = api_key
        self.is_loopback = self._parts.hostname in _LOOPBACK_HOSTS

    def url_for(self, step: Connect) -> str:
        """The address a connection goes to."""
        asked = f"model={self.model}" if step.query is None else step.query
        query = "&".join(filter(None, [urlencode(self._other_query), asked]))
        path = step.path or self._parts.path
        return urlunsplit(self._parts._replace(path=path.rstrip("/") + "/" * step.slash, query=query))

    def headers_for(self, step: Connect) -> dict[str, str]:
        """The headers it sends."""
        headers = dict(step.headers)
        if self.api_key or step.scheme != "Bearer":
            headers["Authorization"] = f"{step.scheme} {self.api_key or 'none'}"
        return headers


class _PingWatch(ClientConnection):
    """Notes that the server sent a ping."""

    @cached_property
    def pinged(self) -> asyncio.Event:
        """Set by the first ping."""
        return asyncio.Event()

    def process_event(self, event: WireEvent) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pinged.set()
        super().process_event(event)


class Connection:
    """An open connection. Its frames are read all the time, unless it is told to stop, and kept until asked for."""

    def __init__(self, socket: _PingWatch, log: Log) -> None:
        self.log = log
        self.audio_ms = 0.0
        self._socket = socket
        self._opened_s = time.monotonic()
        self._unread: asyncio.Queue[Entry | Closed] = asyncio.Queue()
        self._end: Closed | None = None
        self._is_dropped = False
        self._reading = asyncio.create_task(self._read(), name="conformance-read")

    @classmethod
    async def open(cls, target: Target, step: Connect) -> "Connection":
        """Connect.

        Raises:
            Mismatch: The server does not accept it as it should.
        """
        url = target.url_for(step)
        try:
            socket = await connect(
                url,
                additional_headers=target.headers_for(step),
                origin=None if step.origin is None else Origin(step.origin),
                subprotocols=[Subprotocol(name) for name in step.subprotocols] or None,
                # A proxy from the environment cannot reach a server on this machine.
                proxy=None if target.is_loopback else True,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,
                max_size=None,
                max_queue=None,
                compression=None,
                create_connection=_PingWatch,
            )
        except InvalidStatus as refusal:
            raise Mismatch("a connection", f"HTTP status {refusal.response.status_code}") from refusal
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Mismatch("a connection", str(error) or f"no answer within {OPEN_TIMEOUT_S:g} s") from error
        connection = cls(_narrow(socket), Log(step.name))
        connection._record("note", text=f"open {urlunsplit(urlsplit(url)._replace(scheme='', netloc=''))}")
        if socket.subprotocol != step.selects:
            await connection.close()
            raise Mismatch(f"sub-protocol {step.selects}", f"{socket.subprotocol}")
        return connection

    # --- out ---------------------------------------------------------------------------------------------------------

    async def send(self, frame: str | bytes, event: Event | None = None, text: str = "", fragments: int = 1) -> None:
        """Send one message.

        On a connection that has ended it is lost, as it is on the way; the next expectation finds out.

        Args:
            frame: Text or bytes.
            event: What the log says of it.
            text: What the log says of it if it is no event.
            fragments: WebSocket frames to send it in.

        Raises:
            Mismatch: The server does not read.
        """
        self._record("sent", event, text, len(frame))
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                if fragments == 1:
                    await self._socket.send(frame)
                else:
                    step = -(-len(frame) // fragments)
                    await self._socket.send([frame[at : at + step] for at in range(0, len(frame), step)])
        except ConnectionClosed:
            return
        except TimeoutError:
            raise Mismatch("a server that reads", f"a full socket for {SEND_TIMEOUT_S:g} s") from None

    async def ping(self, within_s: float) -> None:
        """Send a ping and wait for its pong.

        Raises:
            Mismatch: None came.
        """
        try:
            async with asyncio.timeout(within_s):
                await (await self._socket.ping())
        except (TimeoutError, ConnectionClosed):
            raise Mismatch("a pong", f"none within {within_s:g} s") from None

    # --- in ----------------------------------------------------------------------------------------------------------

    async def next(self) -> Entry:
        """The next frame; cancelling loses nothing.

        Raises:
            Closed: There is none; the connection has ended.
        """
        if self._unread.empty() and self._end is not None:
            raise self._end
        found = await self._unread.get()
        if isinstance(found, Closed):
            self._end = found
            raise found
        return found

    def unread(self) -> list[Entry]:
        """Frames that nobody has asked for."""
        found = []
        while not self._unread.empty():
            entry = self._unread.get_nowait()
            if isinstance(entry, Entry):
                found.append(entry)
        return found

    async def pinged(self) -> None:
        """Wait for a ping of the server."""
        await self._socket.pinged.wait()

    def stop_reading(self) -> None:
        """Leave what comes in the socket."""
        self.log.is_read_late = True
        self._socket.transport.pause_reading()
        self._record("note", text="reading stopped")

    def start_reading(self) -> None:
        """Read again."""
        self._record("note", text="reading started")
        self._socket.transport.resume_reading()

    # --- end ---------------------------------------------------------------------------------------------------------

    async def close(self) -> int:
        """Close with code 1000 and return the code of the server's close frame; 1006 if there was none."""
        await self._socket.close()
        await self._reading
        return self._socket.close_code or _ABNORMAL

    async def vanish(self) -> None:
        """Drop the TCP connection, as a client does that loses its network."""
        self._record("note", text="vanished")
        await self.drop()

    async def drop(self) -> None:
        """Drop the TCP connection if it is still there."""
        self._is_dropped = True
        self._socket.transport.abort()
        await self._reading

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._socket.recv()
                event = _object(frame)
                size = len(frame.encode() if isinstance(frame, str) else frame)
                self._unread.put_nowait(self._record("received", event, "" if event else repr(frame), size))
        except ConnectionClosed as error:
            closed = _closed(error, self._socket)
            if not self._is_dropped:
                self._record("note", text=str(closed))
            self._unread.put_nowait(closed)

    def _record(self, kind: Kind, event: Event | None = None, text: str = "", size: int = 0) -> Entry:
        entry = Entry(time.monotonic() - self._opened_s, kind, event, text, size, self.audio_ms)
        self.log.entries.append(entry)
        return entry


def _narrow(socket: ClientConnection) -> _PingWatch:
    if not isinstance(socket, _PingWatch):
        raise TypeError("websockets ignored create_connection")
    return socket


def _object(frame: str | bytes) -> Event | None:
    """The frame's JSON object; None for a binary frame or anything else that is none."""
    if isinstance(frame, bytes):
        return None
    with contextlib.suppress(ValueError):
        value = json.loads(frame)
        return value if isinstance(value, dict) else None
    return None


def _closed(error: ConnectionClosed, socket: ClientConnection) -> Closed:
    code = socket.close_code if error.rcvd is None else error.rcvd.code
    return Closed(code or _ABNORMAL, error.rcvd.reason if error.rcvd else "without a close frame")
