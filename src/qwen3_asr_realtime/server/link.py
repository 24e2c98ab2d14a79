"""What a worker and its parent say to each other, and the worker's end of it.

One connected pair of sockets carries questions and answers, one JSON array a line; another one carries nothing but the
clients' connections, which the parent has accepted. Either end learns of the other's death from the first.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import msgspec
import structlog

from qwen3_asr_realtime.server.counting import Refusal

if TYPE_CHECKING:  # the parent has no need of them
    from uvicorn import Server

    from qwen3_asr_realtime.server.metrics import Metrics

CONNECTIONS_AT_ONCE = 16
"""Taken in one go, before the event loop sees to the sessions there are."""


BEAT_S = 1.0
"""Time between two signs of life of a worker."""

log = structlog.get_logger()


class Topic(StrEnum):
    """What a worker has to say."""

    ALIVE = "alive"
    TAKEN = "taken"
    DRAINING = "draining"

    READY = "ready"
    ENTER = "enter"
    LEAVE = "leave"
    REFUSAL = "refusal"


class Message(msgspec.Struct, array_like=True, frozen=True):
    """From a worker.

    Attributes:
        topic: READY: connections are welcome. ALIVE: the event loop runs. TAKEN: connections have been taken.
            DRAINING: no more are welcome. The others as in `SessionCount`.
        number: Of the question; 0 if no answer is expected. Of the connections, with TAKEN.
        tenant: Whose session it is.
        tenant_sessions: How many that one may have.
    """

    topic: Topic
    number: int = 0
    tenant: str = ""
    tenant_sessions: int = 0


class Successor(StrEnum):
    """Whose place a worker takes."""

    OF_NONE = ""
    OF_DEAD = "dead"
    OF_HUNG = "hung"


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """From the parent.

    Attributes:
        number: Of the question.
        limit: What keeps the session out, or "".
        value: What that is set to.
    """

    number: int
    limit: str = ""
    value: float = 0.0


PARENT_GONE = Answer(0, "SERVER_WORKERS")

_answers = msgspec.json.Decoder(Answer)


def encoded(message: Message | Answer) -> bytes:
    """A message as a line."""
    return msgspec.json.encode(message) + b"\n"


class ParentLink:
    """The worker's end: its way to count sessions, and where its connections come from.

    Attributes:
        is_gone: Whether the parent has ended.

    Args:
        questions: The socket for questions.
        connections: The socket for connections.
        successor: Whose place the worker takes.
    """

    listener = None
    url = ""

    def __init__(
        self, questions: socket.socket, connections: socket.socket, successor: Successor = Successor.OF_NONE
    ) -> None:
        self._questions = questions
        self._connections = connections
        self._successor = successor
        self._writer: asyncio.StreamWriter
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._number = 0
        self.is_gone = False
        self._arriving: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> Self:
        """It counts sessions itself."""
        return self

    # --- life --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def attended(self, on_gone: Callable[[], object]) -> AsyncIterator[None]:
        """Listen to the parent for the length of the block.

        Args:
            on_gone: Called if the parent has ended.
        """
        reader, self._writer = await asyncio.open_unix_connection(sock=self._questions)
        tasks = [
            asyncio.create_task(self._read(reader, on_gone), name="parent"),
            asyncio.create_task(self._beat(), name="signs of life"),
        ]
        try:
            yield
        finally:
            asyncio.get_running_loop().remove_reader(self._connections)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._writer.close()

    async def _beat(self) -> None:
        while not self.is_gone:
            self._tell(Topic.ALIVE)
            await asyncio.sleep(BEAT_S)

    def _tell(self, topic: Topic, number: int = 0, tenant: str = "") -> None:
        if not self.is_gone:
            self._writer.write(encoded(Message(topic, number, tenant)))

    async def _read(self, reader: asyncio.StreamReader, on_gone: Callable[[], object]) -> None:
        async for line in lines(reader):
            answer = _answers.decode(line)
            waiting = self._waiting.pop(answer.number, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        self.is_gone = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(PARENT_GONE)
        on_gone()

    # --- sessions (see `SessionCount`) -------------------------------------------------------------------------------

    async def enter(self, tenant: str, tenant_sessions: int) -> Refusal | None:
        """Ask the parent to count one more session."""
        asking = asyncio.ensure_future(self._ask(Topic.ENTER, tenant, tenant_sessions))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            # The client has gone while the parent was asked; it may be counted all the same.
            asking.add_done_callback(lambda done: None if done.result() else self.leave(tenant))
            raise

    def leave(self, tenant: str) -> None:
        """Tell the parent that a session has ended."""
        self._tell(Topic.LEAVE, tenant=tenant)

    async def refusal(self) -> Refusal | None:
        """Ask the parent what would keep a session out."""
        return await self._ask(Topic.REFUSAL)

    async def _ask(self, topic: Topic, tenant: str = "", tenant_sessions: int = 0) -> Refusal | None:
        if self.is_gone:
            return Refusal(PARENT_GONE.limit, 0)
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        self._writer.write(encoded(Message(topic, self._number, tenant, tenant_sessions)))
        limit, value = (await answer).limit, (await answer).value
        return Refusal(limit, value) if limit else None

    # --- connections -------------------------------------------------------------------------------------------------

    def open(self, server: "Server", metrics: "Metrics") -> None:
        """Take connections from now on, and tell the parent so."""
        if self._successor is not Successor.OF_NONE:
            metrics.worker_restarts.inc()
        if self._successor is Successor.OF_HUNG:
            metrics.limits_reached.labels("WORKER_TIMEOUT_SEC").inc()
        self._connections.setblocking(False)
        asyncio.get_running_loop().add_reader(self._connections, self._take, server, metrics)
        self._tell(Topic.READY)

    def close(self) -> None:
        """Tell the parent to let others have the connections that come."""
        self._tell(Topic.DRAINING)

    def _take(self, server: "Server", metrics: "Metrics") -> None:
        taken = 0
        for _ in range(CONNECTIONS_AT_ONCE):
            try:
                mark, descriptors, _, _ = socket.recv_fds(self._connections, 1, 1)
            except BlockingIOError:
                break
            if not mark:
                asyncio.get_running_loop().remove_reader(self._connections)
                break
            taken += 1
            if not descriptors:  # the system has closed it
                metrics.connections_dropped.inc()
                log.error("connection dropped", reason="this process has no file descriptor left for it")
            for descriptor in descriptors:
                task = asyncio.create_task(_serve(server, socket.socket(fileno=descriptor)), name="connection")
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)
        if taken:
            self._tell(Topic.TAKEN, taken)


async def _serve(server: "Server", connection: socket.socket) -> None:
    """What uvicorn's own listener does with a connection that it has accepted."""
    config = server.config
    connection.setblocking(False)

    def protocol() -> asyncio.Protocol:
        made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg] # uvicorn says the same there
            config=config, server_state=server.server_state, app_state=server.lifespan.state
        )
        return made

    with suppress(OSError):  # the client has gone, or fails at TLS
        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection, ssl=config.ssl)


async def lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What comes, line by line, up to the end, which is the same whether it is orderly or not."""
    try:
        while line := await reader.readline():
            yield line
    except ConnectionError:
        return
