"""A worker and its parent, both in this process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.server.harness import eventually

from qwen3_asr_realtime.server.counting import Refusal
from qwen3_asr_realtime.server.link import Answer, Message, ParentLink, Topic, encoded


class Parent:
    """What a worker's parent hears, and what it answers when the test says so."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def heard(self) -> Message:
        async with asyncio.timeout(5):
            return msgspec.json.decode(await self._reader.readline(), type=Message)

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
