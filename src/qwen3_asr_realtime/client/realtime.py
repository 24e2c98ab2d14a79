"""One WebSocket connection to a realtime recognition server: ours or the cloud's.

The connection only carries events. `transcription.py` holds the conversation about one piece of audio.
"""

import itertools
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, WebSocketException

DEFAULT_MODEL = "qwen3-asr-flash-realtime"

CONNECT_TIMEOUT_S = 5.0
"""Bound of the opening handshake; the official Python SDK gives up after the same time."""

_MAX_FRAME_BYTES = 16 * 2**20
_PING_INTERVAL_S = 20.0
_CLOSE_TIMEOUT_S = 2.0
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class ClientError(Exception):
    """The conversation with the server failed; the message is one line for the user."""


class RealtimeClient:
    """A connection that sends events and yields the server's events as dicts.

        async with RealtimeClient(url, api_key=key) as client:
            await client.send("session.finish")
            async for event in client:
                print(event["type"])

    Iteration ends when the server closes in good order and raises `ClientError` when the connection is lost. One task
    may send while another one reads.

    Args:
        url: `ws://` or `wss://` address of the realtime endpoint.
        model: Value of the `model` query parameter, unless `url` has one.
        api_key: Key for the `Authorization` header; no header without one.
    """

    def __init__(self, url: str, *, model: str = DEFAULT_MODEL, api_key: str | None = None) -> None:
        self._url = url
        self._model = model
        self._api_key = api_key
        self._event_numbers = itertools.count(1)
        self._connection: ClientConnection

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ClientError: The address is wrong, or nobody answers there, or the server refuses.
        """
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        try:
            url = url_with_model(self._url, self._model)
            self._connection = await connect(
                url,
                additional_headers=headers,
                # A proxy from the environment cannot reach a server on this machine.
                proxy=None if urlsplit(url).hostname in _LOOPBACK_HOSTS else True,
                open_timeout=CONNECT_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                # Pings keep NAT entries alive. A busy server may answer them late, which is no reason to hang up.
                ping_interval=_PING_INTERVAL_S,
                ping_timeout=None,
                max_size=_MAX_FRAME_BYTES,
                # Base64 of audio hardly shrinks, and deflating it costs more than all the rest of the client.
                compression=None,
            )
        except TimeoutError:
            raise ClientError(f"cannot connect to {self._url}: no answer within {CONNECT_TIMEOUT_S:g} s") from None
        except ConnectionRefusedError:
            raise ClientError(f"cannot connect to {self._url}: connection refused; is the server running?") from None
        except (OSError, WebSocketException, ValueError, ImportError) as error:
            # ValueError: an address that cannot be parsed. ImportError: a SOCKS proxy without its library.
            raise ClientError(f"cannot connect to {self._url}: {error}") from error
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close with code 1000; a server that does not answer is left after two seconds."""
        await self._connection.close()

    async def send(self, event_type: str, **fields: object) -> None:
        """Send one event; `event_id` is filled in.

        Waits while the server does not read (TCP back-pressure).

        Raises:
            ClientError: The connection is lost.
        """
        event = {"event_id": f"event_{next(self._event_numbers)}", "type": event_type, **fields}
        try:
            await self._connection.send(msgspec.json.encode(event), text=True)
        except ConnectionClosed as closed:
            raise _connection_lost(closed) from closed

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Wait for the next event: a JSON object as a dict. Cancelling loses nothing.

        Raises:
            StopAsyncIteration: The server closed the connection in good order.
            ClientError: The connection is lost, or the server sent something else than a JSON object.
        """
        try:
            frame = await self._connection.recv(decode=False)
        except ConnectionClosedOK:
            raise StopAsyncIteration from None
        except ConnectionClosed as closed:
            raise _connection_lost(closed) from closed
        try:
            return msgspec.json.decode(frame, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ClientError(f"the server sent a frame that is not a JSON object: {error}") from error


def url_with_model(url: str, model: str) -> str:
    """Add `model=<model>` to the query of `url` unless it has a `model` already; the rest stays as it is.

    Raises:
        ValueError: `url` cannot be parsed.
    """
    parts = urlsplit(url)
    if "model" in parse_qs(parts.query, keep_blank_values=True):
        return url
    query = "&".join(filter(None, [parts.query, f"model={quote(model)}"]))
    return urlunsplit(parts._replace(query=query))


def _connection_lost(closed: ConnectionClosed) -> ClientError:
    close = closed.rcvd or closed.sent
    if close is None:
        return ClientError("the connection was lost")
    return ClientError(f"the connection was closed: {close.code} {close.reason}".rstrip())
