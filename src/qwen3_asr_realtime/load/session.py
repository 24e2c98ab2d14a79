"""One paced session: says its conversation to the schedule of the clock, and notes what comes and when.

Like a microphone, it has a frame when the last sample of it has been spoken. Every deadline counts from the start of
the stream, so late wake-ups do not add up; how late they were is noted, because a late client makes the server look
slow.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import msgspec
import pybase64

from qwen3_asr_realtime.client.events import ErrorDetails
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient
from qwen3_asr_realtime.client.transcription import CONFIGURE_TIMEOUT_S, Mode, SendLog, TranscribeOptions
from qwen3_asr_realtime.load.conversation import Conversation, Turn
from qwen3_asr_realtime.samples import SAMPLE_RATE, ms_from_samples, samples_from_ms

RELEASE_MS = 200
"""In Manual mode: from the end of speech to the commit, unless another time is asked for. People let go of a button
about so late."""

FINISH_TIMEOUT_S = 30.0
"""Bound from `session.finish` to `session.finished`: the server still owes what it has not recognised."""

SPARE_S = 60.0
"""A session may take so much longer than its audio lasts, to connect, to finish, and to keep up at full speed."""

_PRE_PRESS_MS = 300
"""In Manual mode: audio sent before a recording begins."""


class Pace(msgspec.Struct, frozen=True):
    """How a session speaks.

    Attributes:
        mode: Who ends an utterance: the server (`vad`) or the client (`manual`).
        frame_ms: Audio in one append.
        speed: Multiple of real time; None sends as fast as the server takes it.
        silence_ms: Silence that ends an utterance; None leaves the default of the server, or of `RELEASE_MS`.
        language: Code of the spoken language; None to detect it.
    """

    mode: Mode
    frame_ms: int
    speed: float | None
    silence_ms: int | None
    language: str | None


class Received(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event of the server.

    Attributes:
        at_s: When it came, in seconds from the start of the stream.
        event: The event.
    """

    at_s: float
    event: dict[str, Any]


class Spoken(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """When an utterance was said, in seconds from the start of the stream.

    Attributes:
        onset_s: Its speech began.
        end_s: Its speech ended.
    """

    onset_s: float
    end_s: float


class SessionLog(msgspec.Struct, tag="session"):
    """What became of one session.

    Attributes:
        session: Its number.
        connect_ms: From the attempt to connect to `session.updated`; None if it did not get so far.
        sent_ms: Audio sent.
        spoken: When each utterance was said; those of which not everything was sent are missing.
        commits_s: When each commit was sent, in Manual mode.
        received: Everything the server said after the start of the stream, but for `session.*` events.
        late_ms: For each frame, how late the client was by its own fault: from the deadline, or from when the
            connection had taken the frame before, to the wake-up.
        blocked_ms: Time the connection made the client wait, because the server did not read.
        failure: Why the session ended before its time, or "".
        interrupted: It was stopped from outside.
    """

    session: int
    connect_ms: float | None = None
    sent_ms: int = 0
    spoken: list[Spoken] = []
    commits_s: list[float] = []
    received: list[Received] = []
    late_ms: list[int] = []
    blocked_ms: float = 0.0
    failure: str = ""
    interrupted: bool = False


class Line(Protocol):
    """What a session needs of a connection."""

    async def send(self, event_type: str, **fields: object) -> None:
        """Send one event."""
        ...

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """The events of the server."""
        ...


async def hold_session(
    conversation: Conversation, pace: Pace, log: SessionLog, *, url: str, api_key: str | None
) -> None:
    """Connect and say the conversation; all that happens is in `log`, also when this is cancelled.

    It ends by itself: every wait for the server is bounded.
    """
    bound_s = conversation.n_samples / SAMPLE_RATE / (pace.speed or 1.0) + SPARE_S
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(bound_s), RealtimeClient(url, api_key=api_key) as client:
            await configure(client, pace)
            log.connect_ms = (time.monotonic() - began_s) * 1000
            await Talk(client, conversation, pace, log).run()
    except ClientError as error:
        log.failure = str(error)
    except TimeoutError:
        log.failure = f"the server did not keep up: not finished after {bound_s:.0f} s"
    except asyncio.CancelledError:
        log.interrupted = True
        raise


async def configure(line: Line, pace: Pace) -> None:
    """Set the session up.

    Raises:
        ClientError: The server refuses, does not answer in time, or hangs up.
    """
    options = TranscribeOptions(mode=pace.mode, language=pace.language, vad_silence_ms=pace.silence_ms)
    try:
        async with asyncio.timeout(CONFIGURE_TIMEOUT_S):
            await line.send("session.update", session=options.session())
            async for event in line:
                if event.get("type") == "session.updated":
                    return
                if event.get("type") == "error":
                    raise ClientError(f"the server refused the session: {ErrorDetails.of(event).message}")
    except TimeoutError:
        raise ClientError(f"the server did not set up the session within {CONFIGURE_TIMEOUT_S:g} s") from None
    raise ClientError("the server closed the connection before session.updated")


class Talk:
    """The conversation on an open, configured line.

    Args:
        line: The connection.
        conversation: What is said.
        pace: How.
        log: Where everything is noted.
        now: Clock, in seconds.
        sleep: Waits a number of seconds on that clock; must let other tasks run even for 0.
    """

    def __init__(
        self,
        line: Line,
        conversation: Conversation,
        pace: Pace,
        log: SessionLog,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._line = line
        self._conversation = conversation
        self._pace = pace
        self._log = log
        self._now = now
        self._sleep = sleep
        self._sent = SendLog()
        self._began_s = now()

    async def run(self) -> None:
        """Say everything and wait for the last result.

        Raises:
            ClientError: The connection or the server failed before `session.finished`.
        """
        reading = asyncio.create_task(self._read(), name="load-read")
        sending = asyncio.create_task(self._send(), name="load-send")
        try:
            # The reader ends first if the server does, and it knows why.
            await asyncio.wait([reading, sending], return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await asyncio.wait([reading], timeout=FINISH_TIMEOUT_S)
            if not reading.done():
                raise ClientError(f"no session.finished within {FINISH_TIMEOUT_S:g} s")
            await reading
            if sending.done():
                await sending
            else:
                raise ClientError("the server finished the session before all audio was sent")
        finally:
            reading.cancel()
            sending.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)

    async def _read(self) -> None:
        async for event in self._line:
            kind = event.get("type")
            if kind == "session.finished":
                return
            if not str(kind).startswith("session."):
                self._log.received.append(Received(self._now() - self._began_s, event))
        raise ClientError("the server closed the connection before session.finished")

    async def _send(self) -> None:
        try:
            await self._send_audio()
            await self._line.send("session.finish")
        except ClientError:
            # The reader meets the same end of the connection, after the events that still wait there, and tells why.
            return

    async def _send_audio(self) -> None:
        conversation = self._conversation
        frame = samples_from_ms(self._pace.frame_ms)
        turns = list(conversation.turns)
        free_s = self._began_s
        for first in range(0, conversation.n_samples, frame):
            last = min(first + frame, conversation.n_samples)
            if self._pace.mode == "manual" and (not turns or last <= turns[0].first - samples_from_ms(_PRE_PRESS_MS)):
                continue
            free_s = await self._send_frame(first, last, free_s)
            while turns and self._released(turns[0]) <= last:
                await self._end_turn(turns.pop(0))

    async def _send_frame(self, first: int, last: int, free_s: float) -> float:
        """Send a frame when it is due, and return when the connection had taken it."""
        due_s = free_s if self._pace.speed is None else self._spoken_s(last)
        await self._sleep(max(0.0, due_s - self._now()))
        woke_s = self._now()
        log = self._log
        log.late_ms.append(round((woke_s - max(due_s, free_s)) * 1000))
        # Noted before it is sent, for the answer may be read before `send` returns.
        log.sent_ms = ms_from_samples(last)
        self._sent.record(log.sent_ms, woke_s)
        await self._line.send(
            "input_audio_buffer.append", audio=pybase64.b64encode_as_string(self._conversation.pcm(first, last))
        )
        taken_s = self._now()
        log.blocked_ms += (taken_s - woke_s) * 1000
        return taken_s

    async def _end_turn(self, turn: Turn) -> None:
        self._log.spoken.append(Spoken(*(self._spoken_s(at) - self._began_s for at in (turn.onset, turn.end))))
        if self._pace.mode == "manual":
            self._log.commits_s.append(self._now() - self._began_s)
            await self._line.send("input_audio_buffer.commit")

    def _released(self, turn: Turn) -> int:
        """Where nothing of the turn is missing any more, in samples: in Manual mode, when the button is let go."""
        if self._pace.mode == "vad":
            return turn.end
        silence_ms = RELEASE_MS if self._pace.silence_ms is None else self._pace.silence_ms
        return turn.end + samples_from_ms(silence_ms)

    def _spoken_s(self, position: int) -> float:
        """When the audio up to a position was spoken: by the schedule, or, without one, when it was sent."""
        if self._pace.speed is None:
            sent_s = self._sent.sent_at_s(ms_from_samples(position))
            return self._now() if sent_s is None else sent_s
        return self._began_s + position / (SAMPLE_RATE * self._pace.speed)
