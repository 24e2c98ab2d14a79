import asyncio
import base64

import pytest
from tests.load.material import COMPLETED, conversation

from qwen3_asr_realtime.client.realtime import ClientError
from qwen3_asr_realtime.load.session import Pace, SessionLog, Talk, configure, hold_session

VAD = Pace("vad", 100, 1.0, None, None)


class FakeLine:
    """A connection without a network; what the server says is put in by `reply`, called with every event sent."""

    def __init__(self, reply):
        self.sent = []
        self._reply = reply
        self._events = asyncio.Queue()

    async def send(self, event_type, **fields):
        self.sent.append((event_type, fields))
        for event in self._reply(event_type):
            self._events.put_nowait(event)

    def __aiter__(self):
        return self

    async def __anext__(self):
        event = await self._events.get()
        if event is None:
            raise StopAsyncIteration
        return event

    def types(self):
        return [event_type for event_type, _ in self.sent]

    def audio(self):
        return b"".join(base64.b64decode(fields["audio"]) for _, fields in self.sent if "audio" in fields)


class SkippingClock:
    """Time passes only in `sleep`, which always wakes late."""

    def __init__(self, late_s=0.0):
        self.now_s = 1000.0
        self._late_s = late_s

    def now(self):
        return self.now_s

    async def sleep(self, duration_s):
        self.now_s += duration_s + self._late_s
        await asyncio.sleep(0)


def finish(event_type):
    return [{"type": "session.finished"}] if event_type == "session.finish" else []


async def talked(spoken, pace=VAD, clock=None, reply=finish):
    clock = clock or SkippingClock()
    line, log = FakeLine(reply), SessionLog(0)
    await Talk(line, spoken, pace, log, now=clock.now, sleep=clock.sleep).run()
    return line, log


def times(log):
    """Onset and end of every utterance."""
    return [at_s for spoken in log.spoken for at_s in (spoken.onset_s, spoken.end_s)]


async def test_all_audio_is_sent_on_a_schedule_that_does_not_drift():
    clock = SkippingClock(late_s=0.03)
    spoken = conversation(1.0, length_s=5.0)
    line, log = await talked(spoken, clock=clock)
    assert line.audio() == spoken.pcm(0, spoken.n_samples)
    assert clock.now_s == pytest.approx(1005.03)
    assert log.late_ms == [30] * 50
    assert log.sent_ms == 5000


async def test_utterances_are_noted_in_the_time_of_the_schedule():
    _, log = await talked(conversation(1.0, 5.0, length_s=10.0), clock=SkippingClock(late_s=0.05))
    assert times(log) == pytest.approx([1.2, 2.8, 5.2, 6.8])


async def test_double_speed_halves_every_time():
    _, log = await talked(conversation(1.0, length_s=4.0), Pace("vad", 100, 2.0, None, None))
    assert times(log) == pytest.approx([0.6, 1.4])


async def test_a_server_that_does_not_read_is_not_the_client_s_lateness():
    clock = SkippingClock()

    def reply(event_type):
        clock.now_s += 0.15  # longer than a frame
        return finish(event_type)

    _, log = await talked(conversation(1.0, length_s=4.0), clock=clock, reply=reply)
    assert max(log.late_ms) == 0
    assert log.blocked_ms == pytest.approx(40 * 150)


async def test_manual_mode_sends_speech_and_commits_after_the_release():
    line, log = await talked(conversation(2.0, 6.0, length_s=10.0), Pace("manual", 100, 1.0, 300, None))
    assert line.types().count("input_audio_buffer.commit") == 2
    # From 1.7 s, 300 ms before the recording, to 4.1 s, 300 ms after the end of speech at 3.8 s.
    assert line.types()[:25] == ["input_audio_buffer.append"] * 24 + ["input_audio_buffer.commit"]
    assert log.commits_s == pytest.approx([4.1, 8.1])


async def test_without_a_pace_audio_is_spoken_when_it_is_sent():
    clock = SkippingClock(late_s=0.001)
    _, log = await talked(conversation(1.0, length_s=4.0), Pace("vad", 100, None, None, None), clock)
    assert times(log) == pytest.approx([0.012, 0.028])


async def test_what_the_server_says_is_noted_with_its_time():
    def reply(event_type):
        return [{"type": COMPLETED, "item_id": "a"}, *finish(event_type)] if event_type == "session.finish" else []

    _, log = await talked(conversation(1.0, length_s=4.0), reply=reply)
    assert [(entry.at_s, entry.event["item_id"]) for entry in log.received] == [(4.0, "a")]


@pytest.mark.parametrize("ending", [None, {"type": "session.finished"}])
async def test_an_end_before_the_end_is_a_failure(ending):
    sent = []

    def reply(event_type):
        sent.append(event_type)
        return [ending] if len(sent) == 5 else []

    with pytest.raises(ClientError):
        await talked(conversation(1.0, length_s=4.0), reply=reply)


async def test_a_refused_configuration_is_a_failure():
    line = FakeLine(lambda _: [{"type": "session.created"}, {"type": "error", "error": {"message": "too loud"}}])
    with pytest.raises(ClientError, match="too loud"):
        await configure(line, VAD)


async def test_nobody_there_is_noted(unused_tcp_port):
    log = SessionLog(0)
    await hold_session(conversation(1.0), VAD, log, url=f"ws://127.0.0.1:{unused_tcp_port}", api_key=None)
    assert "connection refused" in log.failure
    assert log.connect_ms is None
