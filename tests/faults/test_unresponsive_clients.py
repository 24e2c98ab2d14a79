"""A client that does not read, does not speak, or is no longer there. It is dropped in time; others do not notice."""

from contextlib import suppress

from tests.faults.watched import assert_served, open_sockets, watched_server
from tests.faults.wire import Raw, raw, tunnel
from tests.server.harness import Client, eventually, reached
from websockets.asyncio.client import connect

from qwen3_asr_realtime.server.inbox import Notice

MANUAL = {"turn_detection": None}
MUCH = {"input_audio_transcription": {"corpus": {"text": "x" * 500_000}}}
"""A configuration that fills what lies between server and client when it is echoed a few times."""


async def test_one_that_vanished_without_a_word(go_forward: bytes) -> None:
    """Half-open TCP: what was said before is recognised, and the session ends when nothing has come for too long."""
    async with (
        watched_server() as server,
        server.session() as other,
        tunnel(server.port) as dark,
    ):
        inboxes = server.inboxes
        async with connect(f"ws://127.0.0.1:{dark.port}/v1/realtime", ping_interval=None) as socket:
            client = Client(socket)
            await client.send("session.update", session=MANUAL)
            await client.until("session.updated")
            await client.append(go_forward)
            await eventually(lambda: bool(server.engine.calls))
            dark.go_dark()
            [vanished] = server.inboxes - inboxes
            vanished.tell(Notice.SILENCE)
            await eventually(lambda: len(server.service.connections) == 1)
            client.socket.transport.abort()
        assert server.engine.calls[-1].final
        await assert_served(other, go_forward)


async def test_one_that_reads_nothing_and_speaks_on(go_forward: bytes) -> None:
    async with (
        watched_server(max_unsent_events=100, unread_timeout_sec=1.0) as server,
        server.session() as other,
        raw(server.port) as deaf,
    ):
        await fill(deaf, 30)
        await served_a_while(other)
        with suppress(ConnectionError):  # on a slow machine it may have been dropped by now
            for _ in range(100):
                await deaf.send_event("nonsense")
        await eventually(lambda: len(server.service.connections) == 1)
        await eventually(lambda: open_sockets(server.port) == 1)  # though it has not closed its end
        await eventually(lambda: reached(server, "UNREAD_TIMEOUT_SEC") == 1)  # the kernel knows it before us
        await assert_served(other, go_forward)


async def test_one_that_reads_nothing_and_falls_silent(go_forward: bytes) -> None:
    async with watched_server(unread_timeout_sec=1.0) as server:
        async with raw(server.port) as deaf:
            await fill(deaf, 30)
            async with server.session() as other:
                await served_a_while(other)
            server.tell(Notice.SILENCE)
            await eventually(lambda: open_sockets(server.port) == 0, within_s=30)
            await eventually(lambda: not server.service.connections)
        async with server.session() as other:
            await assert_served(other, go_forward)


async def test_one_that_reads_nothing_and_is_refused(go_forward: bytes) -> None:
    async with watched_server(max_sessions=1) as server, server.session() as other:
        async with raw(server.port) as deaf:
            await deaf.upgrade()
        await assert_served(other, go_forward)


async def fill(client: Raw, times: int) -> None:
    """Ask for so many answers of half a megabyte and read none."""
    await client.upgrade()
    await client.send_event("session.update", session=MUCH)
    for _ in range(times):
        await client.send_event("session.update", session={})


async def served_a_while(client: Client) -> None:
    """So many turns of the server's loop that it has written all that it can."""
    for _ in range(30):
        await client.send("nonsense")
        await client.receive()
