"""Bytes that no client library sends: slowly, without end, or of no sense. Others are served, and nothing is kept."""

import asyncio
import contextlib
import random
from urllib.parse import urlsplit

import psutil
import pytest
from tests.faults.watched import assert_served, open_sockets, watched_server
from tests.faults.wire import HANDSHAKE, TIMEOUT_S, Raw, raw, text_frame
from tests.server.harness import eventually, reached
from websockets.frames import Frame, Opcode

from qwen3_asr_realtime.client.local_server import local_server

REQUEST = b"GET /health HTTP/1.1\r\nHost: x\r\n"
UPDATE = text_frame('{"type": "session.update", "session": {"turn_detection": null}}')


async def send_until_refused(client: Raw, data: bytes) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        with contextlib.suppress(ConnectionError):
            while True:
                await client.send(data)


async def drip(client: Raw, data: bytes) -> None:
    """Byte by byte; each has to be there before the next one is sent."""
    for byte in data:
        await client.send(bytes([byte]))
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "begun",
    [b"", HANDSHAKE[:1], HANDSHAKE[:-1], REQUEST, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["nothing", "a letter", "all but a letter", "no end of headers", "no end of the body"],
)
async def test_a_request_that_does_not_end_is_dropped(go_forward: bytes, begun: bytes) -> None:
    async with watched_server(request_timeout_sec=1.0) as server, server.session() as other:
        async with raw(server.port) as slow:
            await drip(slow, begun)
            await slow.read_all()
            assert open_sockets(server.port) == 1
            assert reached(server, "REQUEST_TIMEOUT_SEC") == 1
        await assert_served(other, go_forward)


async def test_a_request_that_is_sent_letter_by_letter_for_ever_is_dropped(go_forward: bytes) -> None:
    async with watched_server(request_timeout_sec=1.0) as server, server.session() as other:
        async with raw(server.port) as slow, asyncio.timeout(TIMEOUT_S):
            await slow.send(REQUEST + b"X-Long: ")
            with contextlib.suppress(ConnectionError):
                while True:
                    await slow.send(b"x")
                    await asyncio.sleep(0.05)
        await assert_served(other, go_forward)


@pytest.mark.parametrize("endless", [b"X-Long: " + b"x" * 65536, b"X-Many: x\r\n" * 6000], ids=["long", "many"])
async def test_headers_without_end_are_refused_before_they_are_large(go_forward: bytes, endless: bytes) -> None:
    async with watched_server() as server, server.session() as other:
        before_mb = memory_mb()
        async with raw(server.port) as client:
            await client.send(REQUEST)
            await send_until_refused(client, endless)
        assert memory_mb() - before_mb < 20
        await assert_served(other, go_forward)


async def test_a_handshake_and_frames_byte_by_byte_are_served(go_forward: bytes) -> None:
    async with watched_server() as server, server.session() as other:
        async with raw(server.port) as slow:
            await drip(slow, HANDSHAKE + UPDATE)
            await slow.read_until(b"session.updated")
        await assert_served(other, go_forward)


async def test_a_frame_in_fragments_of_a_byte_is_served(go_forward: bytes) -> None:
    async with watched_server() as server, server.session() as other:
        async with raw(server.port) as slow:
            await slow.upgrade()
            *rest, last = b'{"type": "nonsense"}'
            for index, byte in enumerate(rest):
                opcode = Opcode.CONT if index else Opcode.TEXT
                await slow.send(Frame(opcode, bytes([byte]), fin=False).serialize(mask=True))
            await slow.send(Frame(Opcode.CONT, bytes([last])).serialize(mask=True))
            await slow.read_until(b"nonsense")
        await assert_served(other, go_forward)


async def test_half_a_frame_is_silence() -> None:
    """Bytes of a frame that does not end do not keep a session alive."""
    async with watched_server(idle_timeout_sec=1.0) as server, raw(server.port) as slow:
        await slow.upgrade()
        await slow.send(UPDATE[:-1])
        await slow.read_until(b"idle timeout")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\xff" + (2**62).to_bytes(8) + b"....", 1009),
        (b"\x81\xff" + (16 * 2**20 + 1).to_bytes(8) + b"....", 1009),
        (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
        (b"\x83\x80....", 1002),
        (b"\x81\x05hello", 1002),
    ],
    ids=["an absurd length", "a byte too long", "no UTF-8", "no opcode", "not masked"],
)
async def test_a_frame_that_breaks_the_rules_closes_its_connection(go_forward: bytes, frame: bytes, code: int) -> None:
    async with watched_server() as server, server.session() as other:
        before_mb = memory_mb()
        async with raw(server.port) as client:
            await client.upgrade()
            await client.send(frame)
            assert b"\x88" in (answer := await client.read_all())
            assert code.to_bytes(2) in answer
        assert memory_mb() - before_mb < 20
        await assert_served(other, go_forward)


async def test_fragments_without_end_are_bounded_like_a_frame(go_forward: bytes) -> None:
    async with watched_server(max_frame_mib=1) as server, server.session() as other:
        async with raw(server.port) as client:
            await client.upgrade()
            await client.send(Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True))
            await send_until_refused(client, Frame(Opcode.CONT, b"x" * 65536, fin=False).serialize(mask=True))
        await assert_served(other, go_forward)


async def test_frames_of_16_mib_of_nothing() -> None:
    """As large as a frame may be, four at a time, and no event in them: memory is used, and given back at once."""
    with local_server(env={"ASR_ENGINE": "scripted"}) as server:
        process, port = psutil.Process(server.pid), urlsplit(server.url).port
        before_mb = process.memory_info().rss / 1e6
        for _ in range(4):
            await asyncio.gather(*(send_a_large_frame(port) for _ in range(4)))
        await eventually(lambda: process.memory_info().rss / 1e6 - before_mb < 100)


async def send_a_large_frame(port: int) -> None:
    async with raw(port) as client:
        await client.upgrade()
        await client.send(text_frame("[" * (16 * 2**20)))
        await client.read_until(b"invalid_json")


async def test_random_bytes_on_the_port(go_forward: bytes) -> None:
    chance = random.Random(1)
    async with watched_server(request_timeout_sec=1.0) as server, server.session() as other:
        for _ in range(200):
            async with raw(server.port) as client:
                if chance.random() < 0.5:
                    await client.upgrade()
                await client.send(chance.randbytes(chance.randrange(1, 2000)))
        await eventually(lambda: open_sockets(server.port) == 1)
        await assert_served(other, go_forward)


def memory_mb() -> float:
    rss: int = psutil.Process().memory_info().rss
    return rss / 1e6
