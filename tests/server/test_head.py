"""Before a session: requests that come slowly, at length, in crowds or in pieces that make no sense."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server.harness import REALTIME, UPGRADE, Server, eventually, reached, running_server

from qwen3_asr_realtime.server import transports
from qwen3_asr_realtime.server.serve import pending_connections

KEY = "sk-of-acme-0123456789"


@asynccontextmanager
async def raw(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> str:
    """The first line of an answer; "" if the connection ends without one."""
    async with asyncio.timeout(10):
        try:
            return (await reader.readline()).decode().strip()
        except ConnectionResetError:
            return ""


async def ready(server: Server) -> str:
    """What another connection gets."""
    async with raw(server) as (reader, writer):
        writer.write(b"GET /ready HTTP/1.0\r\n\r\n")
        return await answer(reader)


def deadlines() -> list[asyncio.TimerHandle]:
    """The timers of connections that have to come to the end of a request."""
    pending = asyncio.get_running_loop()._scheduled
    return [timer for timer in pending if getattr(timer._callback, "__name__", "") == "_is_late"]


@pytest.mark.parametrize(
    "beginning",
    [
        "",
        "GET / HT",
        f"GET {REALTIME} HTTP/1.1\r\n{UPGRADE}",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345",
    ],
)
async def test_a_request_that_does_not_come_to_its_end_is_not_waited_for(beginning: str) -> None:
    async with running_server(request_timeout_sec=0.2) as server, raw(server) as (reader, writer):
        writer.write(beginning.encode())
        async with asyncio.timeout(10):
            assert "408" in (await reader.read()).decode().rpartition("HTTP/1.1")[2]
        assert reached(server, "REQUEST_TIMEOUT_SEC") == 1


async def test_nor_one_that_comes_in_drops() -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async with running_server(request_timeout_sec=0.3) as server, raw(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        trickling = asyncio.create_task(trickle(writer))
        assert "408" in await answer(reader)
        trickling.cancel()


async def test_nor_empty_lines_between_two_requests() -> None:
    async with running_server(request_timeout_sec=60) as server, raw(server) as (reader, writer):
        writer.write(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert "200" in await answer(reader)
        assert not deadlines()
        writer.write(b"\r\n")  # puts the keep-alive off
        await eventually(lambda: len(deadlines()) == 1)
        deadlines()[0]._run()
        assert b"408" in await reader.read()


async def test_a_session_has_all_the_time_it_wants() -> None:
    async with running_server(request_timeout_sec=60) as server, server.session():
        assert not deadlines()


async def test_nor_is_a_connection_late_that_has_asked_in_time() -> None:
    async with running_server(request_timeout_sec=60) as server, raw(server) as (reader, writer):
        await eventually(lambda: len(deadlines()) == 1)
        for _ in range(2):
            writer.write(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
            assert "200" in await answer(reader)
            await reader.readuntil(b'{"ready":true}')
            assert not deadlines()


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nX: " + "a" * 100_000,
        "GET / HTTP/1.1\r\n" + "X: a\r\n" * 20_000,
        "GET /" + "a" * 100_000,
        # What `websockets` finds too much, at a length that would be allowed here.
        f"GET {REALTIME} HTTP/1.1\r\n{UPGRADE}X: {'a' * 8200}\r\n\r\n",
        f"GET {REALTIME} HTTP/1.1\r\n{UPGRADE}" + "X: a\r\n" * 130 + "\r\n",
        f"GET {REALTIME}?{'a' * 8200} HTTP/1.1\r\n{UPGRADE}\r\n",
    ],
    ids=["long-line", "many-lines", "long-path", "upgrade-long-line", "upgrade-many-lines", "upgrade-long-query"],
)
async def test_a_head_beyond_its_bounds_is_refused(head: str) -> None:
    async with running_server() as server:
        async with raw(server) as (reader, writer):
            writer.write(head.encode())
            assert "431" in await answer(reader)
        assert reached(server, "MAX_HEADER_KIB") == 1


@pytest.mark.parametrize("asked", [f"{REALTIME} HTTP/1.1\r\n{UPGRADE}", "/ready HTTP/1.1\r\nHost: x\r\n"])
async def test_so_is_one_that_comes_whole(asked: str) -> None:
    async with running_server(max_header_kib=4) as server, raw(server) as (reader, writer):
        lines = f"X: {'a' * 1000}\r\n" * 5
        writer.write(f"GET {asked}{lines}\r\n".encode())
        assert "431" in await answer(reader)
        assert reached(server, "MAX_HEADER_KIB") == 1
        assert not server.service.metrics.sessions_opened._value.get()


async def test_each_head_has_its_own_bound() -> None:
    async with running_server(max_header_kib=4) as server, raw(server) as (reader, writer):
        for _ in range(4):
            writer.write(b"GET /ready HTTP/1.1\r\nX: " + b"a" * 2000)
            await writer.drain()
            assert "200" in await ready(server)  # by then the first half has been read
            writer.write(b"\r\n\r\n")
            assert "200" in await answer(reader)
            await reader.readuntil(b'{"ready":true}')


async def test_so_many_wait_and_no_more_and_sessions_do_not_count() -> None:
    async with running_server(max_pending_connections=2) as server, server.session() as session:
        async with raw(server), raw(server) as (_, waiting):
            await asyncio.sleep(0)
            async with raw(server) as (reader, _):
                assert await answer(reader) == ""
            assert reached(server, "MAX_PENDING_CONNECTIONS") == 1
            waiting.close()
            async with asyncio.timeout(10):
                while not await ready(server):
                    pass
        assert (await session.finish())[-1]["type"] == "session.finished"


async def test_who_is_refused_a_session_waits_like_the_others_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "LAST_WORDS_S", 0.5)
    async with (
        running_server(max_sessions=1, max_pending_connections=1) as server,
        server.session() as session,
        raw(server) as (reader, writer),
    ):
        writer.write(f"GET {REALTIME} HTTP/1.1\r\n{UPGRADE}\r\n".encode())
        async with asyncio.timeout(10):
            await reader.readuntil(b"rate_limit_exceeded")
        assert await ready(server) == ""
        async with asyncio.timeout(5):  # sooner than a session's close, which is waited for 10 s
            await reader.read()
        assert "503" in await ready(server)
        assert (await session.finish())[-1]["type"] == "session.finished"


async def test_workers_share_what_may_wait() -> None:
    async with running_server(server_workers=2, max_pending_connections=5) as server:
        assert pending_connections(server.service).waiting_max == 2


HEADER = st.tuples(
    st.sampled_from(
        ["Authorization", "Origin", "Host", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "X-Forwarded-For"]
    ),
    st.binary(max_size=60).map(lambda value: value.translate(None, b"\r\n")),
)
QUERY = st.binary(max_size=60).map(lambda value: value.translate(None, b"\r\n "))


@given(st.lists(st.tuples(QUERY, st.lists(HEADER, max_size=4)), max_size=20))
@settings(max_examples=20)
async def test_no_head_makes_a_session_without_a_key_or_harms_the_next(
    heads: list[tuple[bytes, list[tuple[str, bytes]]]],
) -> None:
    async with running_server(
        api_keys=KEY, allowed_origins="https://app.example.com", request_timeout_sec=60
    ) as server:
        for query, headers in heads:
            lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
            async with raw(server) as (reader, writer):
                writer.write(b"GET %s?%s HTTP/1.1\r\n%s%s\r\n" % (REALTIME.encode(), query, UPGRADE.encode(), lines))
                first = await answer(reader)
                assert first.split(" ")[1] in {"400", "401", "403", "431"}, first
        async with server.connect(additional_headers={"Authorization": f"Bearer {KEY}"}) as client:
            assert (await client.receive())["type"] == "session.created"
        await eventually(lambda: not server.service.connections)
