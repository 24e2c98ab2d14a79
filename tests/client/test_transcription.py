import asyncio
import base64
import math

import numpy as np
import pytest

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.client import transcription as transcription_module
from qwen3_asr_realtime.client.events import Final, Preview, ServerError
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient
from qwen3_asr_realtime.client.transcription import SendLog, TranscribeOptions, Transcription

TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"
SAMPLES = np.sin(np.arange(5_640, dtype=np.float32) / 30)  # 352.5 ms at 16 kHz: the last chunk is a short one
FAST = TranscribeOptions(speed=math.inf)


async def transcribe(url, options=FAST, samples=SAMPLES, **clock):
    """Everything up to the end or the failure: the events, and the error or None."""
    events = []
    async with RealtimeClient(url) as client, Transcription(client, samples, options, **clock) as transcription:
        try:
            async for event in transcription:
                events.append(event)  # noqa: PERF401 - a comprehension would lose them when the error comes
        except ClientError as error:
            return events, str(error)
    return events, None


def audio_received(peer):
    appends = [event for event in peer.received if event["type"] == "input_audio_buffer.append"]
    return [base64.b64decode(event["audio"]) for event in appends]


class SkippingClock:
    """Time passes only in `sleep`, which always wakes late."""

    def __init__(self, late_s):
        self.now_s = 1000.0
        self.late_s = late_s

    def now(self):
        return self.now_s

    async def sleep(self, duration_s):
        self.now_s += duration_s + self.late_s
        await asyncio.sleep(0)


async def test_vad_flow(scripted_server):
    sessions = []

    async def script(peer):
        sessions.append(await peer.set_up())
        await peer.until("input_audio_buffer.append")
        await peer.send("input_audio_buffer.speech_started", item_id="a", audio_start_ms=20)
        await peer.send(TEXT, item_id="a", text="go ", stash="fore", language="en")
        await peer.until("session.finish")
        await peer.send("input_audio_buffer.speech_stopped", item_id="a", audio_end_ms=340)
        await peer.send(COMPLETED, item_id="a", transcript="go forward", language="en")
        await peer.send("session.finished")
        await peer.until_closed()

    options = TranscribeOptions(
        speed=math.inf, language="en", context="robots", vad_threshold=0.0, vad_silence_ms=500, sample_rate=16_000
    )
    async with scripted_server(script) as server:
        events, failure = await transcribe(server.url, options)
        (peer,) = server.peers

    assert failure is None
    assert sessions == [
        {
            "modalities": ["text"],
            "input_audio_format": "pcm",
            "sample_rate": 16_000,
            "input_audio_transcription": {"language": "en", "corpus": {"text": "robots"}},
            "turn_detection": {"type": "server_vad", "threshold": 0.0, "silence_duration_ms": 500},
        }
    ]
    assert peer.types() == ["session.update", "input_audio_buffer.append", "session.finish"]
    assert [len(chunk) for chunk in audio_received(peer)] == [3200, 3200, 3200, 1680]
    assert b"".join(audio_received(peer)) == pcm16_bytes(SAMPLES)
    assert peer.connection.close_code == 1000

    preview, final = events
    assert isinstance(preview, Preview)
    assert (preview.text, preview.stash) == ("go ", "fore")
    assert isinstance(final, Final)
    assert (final.transcript, final.start_ms, final.end_ms, final.sent_ms) == ("go forward", 20, 340, 352)
    assert final.received_s >= preview.received_s


async def test_manual_flow(scripted_server):
    sessions = []

    async def script(peer):
        sessions.append(await peer.set_up())
        await peer.until("session.finish")
        await peer.send(COMPLETED, item_id="a", transcript="前进", language="zh")
        await peer.send("session.finished")
        await peer.until_closed()

    options = TranscribeOptions(mode="manual", speed=math.inf, language="auto", sample_rate=8000, chunk_ms=200)
    async with scripted_server(script) as server:
        (final,), failure = await transcribe(server.url, options)
        (peer,) = server.peers

    assert failure is None
    assert (final.transcript, final.start_ms, final.end_ms) == ("前进", None, None)
    assert sessions[0]["turn_detection"] is None
    assert sessions[0]["sample_rate"] == 8000
    assert sessions[0]["input_audio_transcription"] == {}
    assert peer.types()[-2:] == ["input_audio_buffer.commit", "session.finish"]
    assert {len(chunk) for chunk in audio_received(peer)[:-1]} == {3200}


async def test_no_audio_is_not_committed(scripted_server):
    async def script(peer):
        await peer.set_up()
        await peer.until("session.finish")
        await peer.send("session.finished")
        await peer.until_closed()

    async with scripted_server(script) as server:
        options = TranscribeOptions(mode="manual")
        assert await transcribe(server.url, options, SAMPLES[:0]) == ([], None)
        assert server.peers[0].types() == ["session.update", "session.finish"]


@pytest.mark.parametrize("speed", [1.0, 4.0])
async def test_late_wake_ups_do_not_add_up(scripted_server, speed):
    async def script(peer):
        await peer.set_up()
        await peer.until("session.finish")
        await peer.send("session.finished")
        await peer.until_closed()

    clock = SkippingClock(late_s=0.01)
    samples = np.zeros(16_000 * 3, np.float32)
    async with scripted_server(script) as server, RealtimeClient(server.url) as client:
        options = TranscribeOptions(speed=speed)
        async with Transcription(client, samples, options, now=clock.now, sleep=clock.sleep) as transcription:
            assert [event async for event in transcription] == []

    for end_ms in range(100, 3001, 100):
        assert transcription.log.sent_at_s(end_ms) == pytest.approx(1000 + end_ms / 1000 / speed + 0.01)


async def test_full_speed_never_waits_but_lets_others_run(scripted_server):
    waits = []

    async def sleep(duration_s):
        waits.append(duration_s)
        await asyncio.sleep(0)

    async def script(peer):
        await peer.set_up()
        await peer.until("session.finish")
        await peer.send("session.finished")
        await peer.until_closed()

    async with scripted_server(script) as server:
        assert await transcribe(server.url, sleep=sleep) == ([], None)
    assert waits == [0.0] * 4


def test_send_log_finds_the_chunk_of_a_position():
    log = SendLog()
    assert log.sent_ms == 0
    log.record(100, 5.0)
    log.record(200, 6.0)
    assert log.sent_ms == 200
    assert [log.sent_at_s(ms) for ms in (0, 100, 100.5, 200, 201)] == [5.0, 5.0, 6.0, 6.0, None]


async def test_refused_configuration(scripted_server):
    async def script(peer):
        await peer.send("session.created", session={})
        await peer.until("session.update")
        await peer.send("error", error={"code": "invalid_value", "message": "Invalid value: 'xx'."})
        await peer.until_closed()

    async with scripted_server(script) as server:
        with pytest.raises(ClientError, match=r"Invalid value: 'xx'\."):
            await transcribe(server.url)
        assert server.peers[0].types() == ["session.update"]


async def test_refused_session(scripted_server):
    async def script(peer):
        await peer.send("error", error={"message": "Too many sessions."})
        await peer.connection.close(1013)

    async with scripted_server(script) as server:
        with pytest.raises(ClientError, match="Too many sessions"):
            await transcribe(server.url)


async def test_silence_before_session_updated(scripted_server, monkeypatch):
    monkeypatch.setattr(transcription_module, "CONFIGURE_TIMEOUT_S", 0.02)

    async def script(peer):
        await peer.send("session.created", session={})
        await peer.until_closed()

    async with scripted_server(script) as server:
        with pytest.raises(ClientError, match="did not set up the session"):
            await transcribe(server.url)


async def test_close_before_session_updated(scripted_server):
    async with scripted_server(lambda peer: peer.connection.close()) as server:
        with pytest.raises(ClientError, match=r"closed the connection before session\.created"):
            await transcribe(server.url)


@pytest.mark.parametrize(("code", "expected"), [(1011, "1011 model gone"), (1000, "before session.finished")])
async def test_connection_lost_midway_keeps_the_events_before(scripted_server, code, expected):
    async def script(peer):
        await peer.set_up()
        await peer.until("input_audio_buffer.append")
        await peer.send("error", error={"code": "server_error", "message": "Engine died."})
        await peer.connection.close(code, "model gone")

    async with scripted_server(script) as server:
        (error,), failure = await transcribe(server.url, samples=np.zeros(16_000 * 20, np.float32))
    assert isinstance(error, ServerError)
    assert error.message == "Engine died."
    assert expected in failure


async def test_session_finished_too_early(scripted_server):
    async def script(peer):
        await peer.set_up()
        await peer.send("session.finished")
        await peer.until_closed()

    async with scripted_server(script) as server:
        _, failure = await transcribe(server.url, TranscribeOptions(speed=1e-6))
    assert "before all audio was sent" in failure


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets, whose clock moves only from one timer to the next."""

    now_s = 0.0

    def time(self):
        return self.now_s

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now_s = max(self.now_s, self._scheduled[0].when())
        super()._run_once()


class StubClient:
    """A connection without a socket: yields what a generator makes of it, and takes everything unless told not to."""

    def __init__(self, events, accept=lambda event_type: None):
        self._events = events
        self._accept = accept

    def __aiter__(self):
        return self._events

    async def send(self, event_type, **_):
        self._accept(event_type)


def transcribe_in_virtual_time(client, options, duration_s):
    async def main():
        now = asyncio.get_running_loop().time
        samples = np.zeros(int(16_000 * duration_s), np.float32)
        events = []
        failure = None
        async with Transcription(client, samples, options, now=now) as transcription:
            try:
                async for event in transcription:
                    events.append(event)  # noqa: PERF401 - a comprehension would lose them when the error comes
            except ClientError as error:
                failure = str(error)
        return events, failure, now()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


@pytest.mark.parametrize(("pause_s", "expected"), [(59, None), (61, "no sign of life from the server for 60 s")])
def test_the_time_between_events_is_bounded_not_the_whole(pause_s, expected):
    async def events():
        yield {"type": "session.created"}
        yield {"type": "session.updated"}
        for _ in range(10):
            await asyncio.sleep(pause_s)
            yield {"type": TEXT, "stash": "um"}
        yield {"type": "session.finished"}

    _, failure, took_s = transcribe_in_virtual_time(StubClient(events()), FAST, duration_s=1)
    assert failure == expected
    assert took_s == pytest.approx(60 if expected else 590)


def test_an_event_in_the_moment_of_the_time_out_comes_too_late():
    async def events():
        yield {"type": "session.created"}
        yield {"type": "session.updated"}
        loop = asyncio.get_running_loop()
        moment = loop.create_future()
        loop.call_at(60 - 1e-10, moment.set_result, None)
        await moment
        yield {"type": TEXT, "stash": "um"}
        await loop.create_future()

    _, failure, _ = transcribe_in_virtual_time(StubClient(events()), FAST, duration_s=1)
    assert failure == "no sign of life from the server for 60 s"


def test_a_server_may_be_silent_while_it_takes_audio():
    finished = asyncio.Event()

    async def events():
        yield {"type": "session.created"}
        yield {"type": "session.updated"}
        await finished.wait()
        yield {"type": "session.finished"}

    client = StubClient(events(), accept=lambda event_type: event_type == "session.finish" and finished.set())
    _, failure, took_s = transcribe_in_virtual_time(client, TranscribeOptions(), duration_s=180)
    assert failure is None
    assert took_s == pytest.approx(180)


def test_a_failed_send_does_not_hide_what_the_server_still_said():
    def accept(event_type):
        if event_type == "input_audio_buffer.append":
            raise ClientError("broken pipe")

    async def events():
        yield {"type": "session.created"}
        yield {"type": "session.updated"}
        await asyncio.sleep(1)
        yield {"type": "error", "error": {"message": "Too many sessions."}}
        raise ClientError("closed with 1013")

    (error,), failure, _ = transcribe_in_virtual_time(StubClient(events(), accept), FAST, duration_s=1)
    assert error.message == "Too many sessions."
    assert failure == "closed with 1013"


async def test_a_slow_reader_of_events_holds_up_nothing(scripted_server):
    """The server floods and takes no audio until everything it wrote is out: only reading at once lets it finish."""
    flood = 200

    async def script(peer):
        await peer.set_up()
        for number in range(flood):
            await peer.send(TEXT, item_id="a", text=f"{number}" + "x" * 100_000, stash="", language="en")
        await peer.until("session.finish")
        await peer.send("session.finished")
        finished.set()
        await peer.until_closed()

    finished = asyncio.Event()
    async with scripted_server(script) as server, RealtimeClient(server.url) as client:
        samples = np.zeros(16_000 * 600, np.float32)  # 26 MB of base64, beyond any socket buffer
        async with Transcription(client, samples, FAST) as transcription:
            async with asyncio.timeout(20):
                await finished.wait()
            assert len([event async for event in transcription]) == flood


@pytest.mark.parametrize("how", ["break", "raise", "cancel"])
async def test_leaving_early_stops_everything(scripted_server, how):
    async def script(peer):
        await peer.set_up()
        await peer.send(TEXT, item_id="a", text="a", stash="", language="en")
        await peer.until_closed()

    async def leave(url):
        async with RealtimeClient(url) as client:
            async with Transcription(client, SAMPLES, TranscribeOptions(speed=1e-6)) as transcription:
                async for _ in transcription:
                    if how == "raise":
                        raise ZeroDivisionError
                    if how == "cancel":
                        asyncio.current_task().cancel()
                        await asyncio.sleep(0)
                    break
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert not [name for name in names if name.startswith("transcription")]

    async with scripted_server(script) as server:
        task = asyncio.create_task(leave(server.url))
        await asyncio.wait({task})
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("transcription")]
        if how == "cancel":
            assert task.cancelled()
        else:
            assert isinstance(task.exception(), ZeroDivisionError if how == "raise" else type(None))
        await server.peers[0].connection.wait_closed()
        assert server.peers[0].connection.close_code == 1000


@pytest.mark.parametrize("wrong", [{"speed": 0.0}, {"speed": math.nan}, {"chunk_ms": 0}, {"chunk_ms": 6000}])
def test_options_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TranscribeOptions(**wrong)
