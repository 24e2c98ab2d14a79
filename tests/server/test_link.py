"""A worker and its parent, both in this process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import cast

import msgspec
import pytest
import structlog
import uvicorn
from tests.server.harness import eventually

from qwen3_asr_realtime.server.counting import Refusal
from qwen3_asr_realtime.server.link import Answer, Message, ParentLink, Successor, Topic, encoded
from qwen3_asr_realtime.server.metrics import Metrics


class Parent:
    """What a worker's parent hears, and what it answers when the test says so."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def heard(self) -> Message:
        async with asyncio.timeout(5):
            while True:
                message = msgspec.json.decode(await self._reader.readline(), type=Message)
                if message.topic is not Topic.ALIVE:
                    return message

    def answer(self, question: Message, limit: str = "", value: float = 0.0) -> None:
        self.writer.write(encoded(Answer(question.number, limit, value)))


class World:
    """A link, its parent, and whether the parent is known to be gone."""

    def __init__(self, link: ParentLink, parent: Parent) -> None:
        self.link = link
        self.parent = parent
        self.gone = False

    def note(self) -> None:
        self.gone = True


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[World]:
    ours, its = socket.socketpair()
    connections, its_connections = socket.socketpair()
    with connections, its_connections:
        link = ParentLink(its, its_connections)
        world = World(link, Parent(*await asyncio.open_unix_connection(sock=ours)))
        async with link.attended(world.note):
            yield world
        world.parent.writer.close()


async def test_a_session_is_counted_by_the_parent() -> None:
    async with linked() as world:
        entering = asyncio.create_task(world.link.enter("a", 3))
        question = await world.parent.heard()
        assert question == Message(Topic.ENTER, 1, "a", 3)
        world.parent.answer(question)
        assert await entering is None
        world.link.leave("a")
        assert await world.parent.heard() == Message(Topic.LEAVE, tenant="a")


async def test_answers_find_their_questions_in_any_order() -> None:
    async with linked() as world:
        first, second = (asyncio.create_task(world.link.enter(name, 0)) for name in "ab")
        questions = [await world.parent.heard(), await world.parent.heard()]
        world.parent.answer(questions[1], "MAX_SESSIONS", 1)
        world.parent.answer(questions[0])
        assert await second == Refusal("MAX_SESSIONS", 1)
        assert await first is None


@pytest.mark.parametrize("limit", ["", "MAX_SESSIONS"])
async def test_a_client_that_goes_while_the_parent_is_asked_stays_counted_nowhere(limit: str) -> None:
    async with linked() as world:
        entering = asyncio.create_task(world.link.enter("a", 0))
        question = await world.parent.heard()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        world.parent.answer(question, limit)
        if not limit:
            assert (await world.parent.heard()).topic is Topic.LEAVE
        looking = asyncio.create_task(world.link.refusal())
        question = await world.parent.heard()
        assert question.topic is Topic.REFUSAL  # and no second leave
        world.parent.answer(question)
        assert await looking is None


async def test_without_a_parent_nobody_is_admitted() -> None:
    async with linked() as world:
        entering = asyncio.create_task(world.link.enter("a", 0))
        await world.parent.heard()
        world.parent.writer.close()
        assert await entering is not None
        await eventually(lambda: world.gone)
        assert world.link.is_gone
        assert await world.link.enter("a", 0) is not None
        assert await world.link.refusal() is not None
        world.link.leave("a")  # of what was counted, into the void


async def test_a_connection_without_a_descriptor_is_counted_and_acknowledged() -> None:
    """What a worker sees of one that the system could not give it: the mark alone."""
    ours, its = socket.socketpair()
    connections, its_connections = socket.socketpair()
    metrics = Metrics()
    with connections, its_connections:
        link = ParentLink(its, its_connections)
        parent = Parent(*await asyncio.open_unix_connection(sock=ours))
        async with link.attended(lambda: None):
            link.open(cast("uvicorn.Server", None), metrics)
            assert (await parent.heard()).topic is Topic.READY
            with structlog.testing.capture_logs() as lines:
                connections.send(b"\0\0")
                taken = [await parent.heard()]
                while sum(message.number for message in taken) < 2:
                    taken.append(await parent.heard())
            assert {message.topic for message in taken} == {Topic.TAKEN}
            assert [line["log_level"] for line in lines] == ["error", "error"]
            assert metrics.connections_dropped._value.get() == 2
        parent.writer.close()
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"parent", "signs of life"})


async def test_a_successor_tells_what_became_of_the_one_before() -> None:
    for successor, restarts, hung in ((Successor.OF_NONE, 0, 0), (Successor.OF_DEAD, 1, 0), (Successor.OF_HUNG, 1, 1)):
        ours, its = socket.socketpair()
        connections, its_connections = socket.socketpair()
        metrics = Metrics()
        with ours, connections, its_connections:
            link = ParentLink(its, its_connections, successor)
            async with link.attended(lambda: None):
                link.open(cast("uvicorn.Server", None), metrics)
        assert metrics.worker_restarts._value.get() == restarts
        assert metrics.limits_reached.labels("WORKER_TIMEOUT_SEC")._value.get() == hung
