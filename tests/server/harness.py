"""A real server on a real socket, in this process, with an engine without a model."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from qwen3_asr_realtime.engines.scripted import ScriptedEngine
from qwen3_asr_realtime.server.address import bound_socket
from qwen3_asr_realtime.server.inbox import Inbox, Notice
from qwen3_asr_realtime.server.operators_port import operators_port
from qwen3_asr_realtime.server.serve import http_server, pending_connections
from qwen3_asr_realtime.server.service import Service, running_service
from qwen3_asr_realtime.settings import Settings

REALTIME = "/api-ws/v1/realtime"
UPGRADE = (
    "Host: asr.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
"""Headers of a handshake by hand, without the empty line that ends them."""

Event = dict[str, Any]


class Client:
    """A hand-written client: what it sends is what the test says, byte for byte."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, type_: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": type_, **fields}))

    async def append(self, pcm: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    async def receive(self) -> Event:
        async with asyncio.timeout(10):
            event: Event = json.loads(await self.socket.recv())
        return event

    async def until(self, type_: str) -> list[Event]:
        """Events up to and including the first of a type."""
        events = [await self.receive()]
        while events[-1]["type"] != type_:
            events.append(await self.receive())
        return events

    async def finish(self) -> list[Event]:
        await self.send("session.finish")
        return await self.until("session.finished")

    @property
    def unsent_bytes(self) -> int:
        """What the system does not take, because the server does not read."""
        return self.socket.transport.get_write_buffer_size()

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the server's close, once it comes."""
        async with asyncio.timeout(10):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""


class Server:
    """A running server."""

    def __init__(self, port: int, service: Service, engine: ScriptedEngine) -> None:
        self.port = port
        self.service = service
        self.engine = engine

    @property
    def inboxes(self) -> set[Inbox]:
        """Those of the sessions there are."""
        return set(self.service.drain._sessions)

    def tell(self, notice: Notice) -> None:
        """Tell all sessions something, whose time comes when the test says so."""
        for inbox in self.inboxes:
            inbox.tell(notice)

    def is_holding_back(self, client: "Client") -> bool:
        """Whether the one session there is, or another one, is not read any more, and the client noticed."""
        return any(inbox._waiting.is_full for inbox in self.inboxes) and client.unsent_bytes > 0

    @asynccontextmanager
    async def connect(self, path: str = REALTIME, **options: Any) -> AsyncIterator[Client]:
        async with connect(f"ws://127.0.0.1:{self.port}{path}", max_size=None, **options) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def session(self, path: str = REALTIME, **configuration: Any) -> AsyncIterator[Client]:
        """A connection past its greeting, configured if there is something to configure."""
        async with self.connect(path) as client:
            assert (await client.receive())["type"] == "session.created"
            if configuration:
                await client.send("session.update", session=configuration)
                assert (await client.receive())["type"] == "session.updated"
            yield client


@asynccontextmanager
async def running_server(engine: ScriptedEngine | None = None, **settings: Any) -> AsyncIterator[Server]:
    """A server on a free port, with the settings given and the defaults of the rest."""
    engine = engine or ScriptedEngine()
    values = Settings(_env_file=None, server_host="127.0.0.1", server_port=0, **settings)
    async with running_service(values, engine) as service:
        with ExitStack() as sockets:
            listener = sockets.enter_context(bound_socket(values))
            operators = sockets.enter_context(bound_socket(values, "metrics_port")) if values.metrics_port else None
            started = asyncio.Event()
            listener.listen()
            server = http_server(service, started.set)
            async with operators_port(server.config, operators, pending_connections(service)):
                task = asyncio.create_task(server.serve(sockets=[listener]))
                await started.wait()
                try:
                    yield Server(listener.getsockname()[1], service, engine)
                finally:
                    server.should_exit = True
                    await task


async def eventually(condition: Callable[[], bool], within_s: float = 10) -> None:
    """Wait until something that other tasks bring about is so."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


def reached(server: Server, limit: str) -> float:
    """How often a limit has been reached, as `/metrics` says."""
    return server.service.metrics.registry.get_sample_value("qwen3_asr_limits_reached_total", {"limit": limit}) or 0.0
