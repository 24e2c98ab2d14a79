import asyncio
import http
import json
import time

import numpy as np
import pytest
from tests.conformance.mock_server import mock_server
from websockets.exceptions import ConnectionClosedError

from qwen3_asr_realtime.conformance.connection import Target
from qwen3_asr_realtime.conformance.phrases import COMMIT, FINISH, connected, update
from qwen3_asr_realtime.conformance.player import Player
from qwen3_asr_realtime.conformance.predicates import Mismatch
from qwen3_asr_realtime.conformance.speech import FIRST, chunks, silence
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Check,
    Close,
    Connect,
    ConnectRefused,
    Expect,
    ExpectClose,
    ExpectNothing,
    ExpectPing,
    ExpectUntil,
    Flood,
    Ping,
    Send,
    SendBinary,
    SendText,
    StartReading,
    StopReading,
    Use,
    Vanish,
)

TEXT = "conversation.item.input_audio_transcription.text"
FINISHED = "session.finished"


@pytest.fixture
def play(recordings):
    """Play steps against a server with a script; the logs."""

    async def play(script, *steps, **options):
        async with mock_server(script, **options) as target:
            player = Player(target, recordings)
            await player.play(steps)
            return player.logs

    return play


@pytest.fixture
def mismatch(recordings):
    """Play steps that must end in a mismatch; what was expected, what came, and at which step."""

    async def mismatch(script, *steps, **options):
        async with mock_server(script, **options) as target:
            player = Player(target, recordings)
            with pytest.raises(Mismatch) as found:
                await player.play(steps)
            return found.value.expected, found.value.got, player.step

    return mismatch


async def greeting(peer):
    await peer.greet()
    await peer.until_closed()


async def finishing(peer):
    await peer.greet()
    await peer.until("session.finish")
    await peer.send(FINISHED)
    await peer.until_closed()


def sending(*events):
    """A server that greets and says all this."""

    async def script(peer):
        await peer.greet()
        for event_type, fields in events:
            await peer.send(event_type, **fields)
        await peer.until_closed()

    return script


# --- what is expected ---


async def test_a_script_that_fits(play):
    (log,) = await play(finishing, *connected(), FINISH, Expect(FINISHED))
    assert [event["type"] for event in log.events()] == ["session.created", FINISHED]
    assert [entry.kind for entry in log.entries] == ["note", "received", "sent", "received", "note"]


async def test_another_event_than_expected(mismatch):
    expected, got, step = await mismatch(finishing, *connected(), FINISH, Expect("session.updated"))
    assert expected == "session.updated"
    assert FINISHED in got
    assert step == 4


async def test_another_field_than_expected(mismatch):
    step = Expect("session.created", {"session": {"sample_rate": 8000}})
    assert await mismatch(greeting, Connect(), step) == (
        "session.created with session.sample_rate: 8000",
        "session.sample_rate: 16000",
        2,
    )


async def test_an_event_that_does_not_come(mismatch):
    expected, got, _ = await mismatch(greeting, *connected(), Expect(FINISHED, within_s=0.05))
    assert (expected, got) == (FINISHED, "nothing within 0.05 s")


async def test_an_event_nobody_waits_for(mismatch):
    expected, got, _ = await mismatch(sending((FINISHED, {})), *connected())
    assert expected == "no further event"
    assert FINISHED in got


async def test_a_close_in_place_of_an_event(mismatch):
    async def script(peer):
        await peer.greet()
        await peer.connection.close(1011, "out of order")

    assert await mismatch(script, *connected(), Expect(FINISHED)) == (
        FINISHED,
        "the connection closed with code 1011 out of order",
        3,
    )


async def test_previews_pass_unless_they_are_waited_for(play, mismatch):
    previews = sending((TEXT, {"text": "a"}), (TEXT, {"text": "b"}), (FINISHED, {}))
    await play(previews, *connected(), Expect(FINISHED))
    await play(previews, *connected(), Expect(TEXT, {"text": "a"}), Expect(TEXT, {"text": "b"}), Expect(FINISHED))
    await play(previews, *connected(), ExpectUntil(FINISHED))
    assert (await mismatch(previews, *connected(), Expect(TEXT, {"text": "b"})))[1] == 'text: "a"'
    assert (await mismatch(sending((TEXT, {})), *connected(), ExpectNothing(1)))[0] == "nothing for 1 s"


async def test_nothing_and_the_end_of_the_connection(play, mismatch):
    await play(greeting, *connected(), ExpectNothing(0.02))
    expected, got, _ = await mismatch(sending((FINISHED, {})), *connected(), ExpectNothing(1))
    assert expected == "nothing for 1 s"
    assert FINISHED in got

    async def closing(peer):
        await peer.greet()
        await peer.connection.close(1007)

    await play(closing, *connected(), ExpectClose((1007, 1011)))
    assert (await mismatch(closing, *connected(), ExpectNothing(1)))[:2] == (
        "nothing",
        "the connection closed with code 1007",
    )
    assert (await mismatch(closing, *connected(), ExpectClose((1000,))))[0] == "a close with code 1000"
    assert (await mismatch(greeting, *connected(), ExpectClose((1000,), 0.02)))[1] == "nothing within 0.02 s"
    assert FINISHED in (await mismatch(sending((FINISHED, {})), *connected(), ExpectClose((1000,))))[1]


async def test_a_close_is_answered_with_its_code(play, mismatch):
    await play(greeting, *connected(), Close())

    async def rude(peer):
        await peer.greet()
        await peer.connection.wait_closed()

    await play(rude, *connected(), Close())  # the library answers by itself

    async def ruder(peer):
        await peer.greet()
        peer.connection.transport.abort()

    assert (await mismatch(ruder, *connected(), Close()))[1] == "code 1006"


async def test_pings_of_both_sides(play, mismatch):
    async def pinging(peer):
        await peer.greet()
        await peer.connection.ping()
        await peer.until_closed()

    await play(pinging, *connected(), ExpectPing(5), Ping())
    assert (await mismatch(greeting, *connected(), ExpectPing(0.02)))[0] == "a ping"


async def test_a_check_sees_every_connection(play):
    seen = []
    await play(greeting, *connected("one"), *connected("other"), Check(lambda played: seen.extend(played.logs)))
    assert seen == ["one", "other"]


# --- what is sent ---


async def test_events_have_ids_unless_they_are_left_out(play):
    received = []

    async def script(peer):
        await peer.greet()
        received.extend(await peer.until("session.finish"))

    await play(
        script,
        *connected(),
        update(sample_rate=8000),
        Send("x", {"event_id": "mine", "text": "浦"}, fragments=3),
        Send("session.finish", {"event_id": None}),
        ExpectClose((1000,)),
    )
    assert received == [
        {"event_id": "event_1", "type": "session.update", "session": {"sample_rate": 8000}},
        {"event_id": "mine", "type": "x", "text": "浦"},
        {"type": "session.finish"},
    ]


async def test_fragments_and_odd_frames(play):
    frames = []

    async def script(peer):
        await peer.greet()
        frames.append([part async for part in peer.connection.recv_streaming() if part])
        frames.extend([await peer.connection.recv() for _ in range(3)])

    await play(
        script,
        *connected(),
        Send("x", fragments=3),
        SendText("{", times=2),
        SendBinary(silence(0.1)),
        ExpectClose((1000,)),
    )
    assert len(frames[0]) == 3
    assert json.loads("".join(frames[0]))["type"] == "x"
    assert frames[1:] == ["{", "{", bytes(3200)]


@pytest.mark.parametrize(
    "append",
    [
        Append(FIRST),
        Append(FIRST, chunk_bytes=3201),
        Append(FIRST, chunk_ms=40, sample_rate=8000),
        Append(FIRST, encoding="wav", untidy=True),
        Append(FIRST, extra=b"\x01"),
    ],
)
async def test_the_server_gets_the_sound(play, recordings, append):
    received = []

    async def script(peer):
        await peer.greet()
        received.extend(await peer.audio())

    (log,) = await play(script, *connected(), append, COMMIT, ExpectClose((1000,)))
    (whole,) = chunks(recordings.samples(FIRST), append.encoding, append.sample_rate, chunk_ms=1e9)
    assert b"".join(received) == whole + append.extra
    assert len(received) > 20
    sent_ms = [entry.audio_ms for entry in log.entries]
    assert sent_ms == sorted(sent_ms)
    assert sent_ms[-1] == pytest.approx(recordings.duration_s(FIRST) * 1000)


async def test_a_speed_is_kept(play, recordings):
    (log,) = await play(greeting, *connected(), Append(silence(0.4), speed=4))
    times = [entry.at_s for entry in log.entries if entry.kind == "sent"]
    assert len(times) == 4
    assert np.diff(times).min() > 0.005
    assert times[-1] >= 0.1


async def test_a_client_that_reads_later_misses_nothing(play):
    async def script(peer):
        await peer.greet()
        await peer.until("session.finish")
        await peer.send(FINISHED)
        await peer.until_closed()

    (log,) = await play(
        script, *connected(), StopReading(), FINISH, ExpectNothing(0.1), StartReading(), Expect(FINISHED)
    )
    assert log.is_read_late


async def test_a_client_that_vanishes_says_nothing(play):
    ends = {}

    async def script(peer):
        await peer.greet()
        try:
            await peer.until("session.finish")
        except ConnectionClosedError as end:
            ends["vanished"] = end.rcvd
        else:
            await peer.send(FINISHED)
            await peer.until_closed()

    await play(script, *connected("one"), *connected("other"), Vanish(), Use("one"), FINISH, Expect(FINISHED), Close())
    assert ends == {"vanished": None}


# --- connections ---


async def test_the_address_of_a_connection():
    target = Target("wss://host/api-ws/v1/realtime?token=a&model=mine")
    assert target.model == "mine"
    assert not target.is_loopback
    assert target.url_for(Connect()) == "wss://host/api-ws/v1/realtime?token=a&model=mine"
    assert target.url_for(Connect(slash=True)) == "wss://host/api-ws/v1/realtime/?token=a&model=mine"
    assert target.url_for(Connect(query="")) == "wss://host/api-ws/v1/realtime?token=a"
    assert Target("ws://localhost:1/x/").url_for(Connect(query="x=1?model=m")) == "ws://localhost:1/x?x=1?model=m"
    assert (
        Target("ws://localhost:1/x").url_for(Connect(path="/v1/realtime", query="")) == "ws://localhost:1/v1/realtime"
    )


async def test_the_headers_of_a_connection(play):
    seen = []

    async def script(peer):
        seen.append(peer.request.headers)
        await peer.greet()
        await peer.until_closed()

    await play(
        script,
        Connect(headers={"user-agent": "x/1"}, origin="http://a:1", scheme="bearer"),
        ExpectUntil("session.created"),
    )
    (headers,) = seen
    assert headers["user-agent"] == "x/1"
    assert headers["Origin"] == "http://a:1"
    assert headers["Authorization"] == "bearer none"
    assert Target("ws://a", "key").headers_for(Connect()) == {"Authorization": "Bearer key"}
    assert Target("ws://a").headers_for(Connect()) == {}


async def test_the_sub_protocol(play, mismatch):
    offer = Connect(subprotocols=("realtime", "x"), selects="realtime")
    await play(greeting, offer, ExpectUntil("session.created"), subprotocols=["realtime"])
    assert await mismatch(greeting, offer) == ("sub-protocol realtime", "None", 1)


async def test_a_wrong_key(play, mismatch):
    def check(connection, request):
        good = request.headers.get("Authorization") == "Bearer right"
        return None if good else connection.respond(http.HTTPStatus.UNAUTHORIZED, "")

    await play(greeting, ConnectRefused((401, 403)), process_request=check)
    assert (await mismatch(greeting, ConnectRefused((403,)), process_request=check))[:2] == (
        "HTTP status 403",
        "HTTP status 401",
    )
    assert (await mismatch(greeting, ConnectRefused((401,))))[1] == "a connection"


def full_after(places, refuse):
    """A server with so many places."""
    open_now = 0

    async def script(peer):
        nonlocal open_now
        if open_now >= places:
            await refuse(peer)
            return
        open_now += 1
        try:
            await peer.greet()
            await peer.until_closed()
        finally:
            open_now -= 1

    return script


async def test_a_server_that_is_full(play, mismatch):
    error = {"type": "server_error", "code": "rate_limit_exceeded", "message": "Try again later."}

    async def refuse(peer):
        await peer.send("error", error=error)
        await peer.connection.close(1013)

    _, log = await play(full_after(20, refuse), *connected(), Flood(at_most=100))
    assert [event["type"] for event in log.events()] == ["error"]
    assert (await mismatch(full_after(99, refuse), Flood(at_most=32)))[0] == "a refusal within 32 sessions"

    async def refuse_politely(peer):
        await peer.send("error", error={**error, "type": "invalid_request_error"})

    assert (await mismatch(full_after(5, refuse_politely), Flood(at_most=32)))[0] == 'error.type: "server_error"'

    async def refuse_without_a_word(peer):
        await peer.connection.close(1013)

    assert (await mismatch(full_after(5, refuse_without_a_word), Flood(at_most=32)))[0] == "an event"

    async def close_with_another_code(peer):
        await peer.send("error", error=error)
        await peer.connection.close(1000)

    wanted, got, _ = await mismatch(full_after(5, close_with_another_code), Flood(at_most=32))
    assert wanted == "a close with code 1013 or 1011"
    assert "1000" in got


async def test_a_server_that_is_full_in_the_handshake(play):
    handshakes = 0

    def check(connection, request):
        nonlocal handshakes
        handshakes += 1
        return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "") if 10 <= handshakes <= 16 else None

    await play(greeting, Flood(at_most=100), process_request=check)


async def test_nobody_there(unused_tcp_port, recordings):
    began_s = time.monotonic()
    with pytest.raises(Mismatch, match="expected a connection"):
        await Player(Target(f"ws://127.0.0.1:{unused_tcp_port}/"), recordings).play([Connect()])
    assert time.monotonic() - began_s < 5


async def test_a_cancelled_script_leaves_no_connection(recordings):
    greeted, gone = asyncio.Event(), asyncio.Event()

    async def script(peer):
        await peer.greet()
        greeted.set()
        try:
            await peer.until_closed()
        finally:
            gone.set()

    async with mock_server(script) as target, asyncio.timeout(10):
        playing = asyncio.create_task(Player(target, recordings).play([*connected(), ExpectNothing(60)]))
        await greeted.wait()
        playing.cancel()
        await gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await playing
