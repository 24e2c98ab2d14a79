"""The conversation about one piece of audio: configure, stream, read results, finish.

    async with RealtimeClient(url) as client, Transcription(client, samples, options) as transcription:
        async for event in transcription:
            ...

Sending and reading are separate tasks, and events wait in a queue without bound, so neither a slow server nor a slow
reader of the events can hold up the other direction.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import pybase64
from numpy.typing import NDArray

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.client.events import ErrorDetails, TranscriptEvent, TranscriptReader
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient

Mode: TypeAlias = Literal["vad", "manual"]

CONFIGURE_TIMEOUT_S = 8.0
"""Bound from the open connection to `session.updated`."""

MAX_CHUNK_MS = 5000
"""Longest audio of one append. At 16 kHz it makes a frame of 213 kB; the cloud refuses frames above 262 kB."""


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """How one piece of audio is to be transcribed.

    Attributes:
        mode: `vad`: the server finds the utterances. `manual`: all audio is one utterance.
        language: Code of the spoken language; None lets the server detect it.
        context: Text that names what may be spoken of.
        sample_rate: Samples per second of the audio: 16000 or 8000.
        vad_threshold: Detection threshold in [-1, 1], lower is more sensitive; None leaves the server's default.
        vad_silence_ms: Silence that ends an utterance; None leaves the server's default.
        speed: Multiple of real time at which audio is sent; `math.inf` sends as fast as the server takes it, which
            our server handles and the cloud may not.
        chunk_ms: Milliseconds of audio in one append, at most `MAX_CHUNK_MS`.
        stall_timeout_s: Longest time in which the server may neither take audio nor send an event. There is no bound
            on the whole, which depends on the length of the audio.

    Raises:
        ValueError: `speed` or `chunk_ms` is out of range.
    """

    mode: Mode = "vad"
    language: str | None = None
    context: str = ""
    sample_rate: int = 16_000
    vad_threshold: float | None = None
    vad_silence_ms: int | None = None
    speed: float = 1.0
    chunk_ms: int = 100
    stall_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"speed must be above 0, not {self.speed}")
        if not 0 < self.chunk_ms <= MAX_CHUNK_MS:
            raise ValueError(f"chunk_ms must be in 1..{MAX_CHUNK_MS}, not {self.chunk_ms}")

    def session(self) -> dict[str, Any]:
        """The `session` object of the `session.update` event."""
        transcription: dict[str, Any] = {}
        # The cloud takes "auto" for a language and then fails on every utterance.
        if self.language and self.language != "auto":
            transcription["language"] = self.language
        if self.context:
            transcription["corpus"] = {"text": self.context}
        turn_detection: dict[str, Any] | None = None
        if self.mode == "vad":
            turn_detection = {"type": "server_vad"}
            if self.vad_threshold is not None:
                turn_detection["threshold"] = self.vad_threshold
            if self.vad_silence_ms is not None:
                turn_detection["silence_duration_ms"] = self.vad_silence_ms
        return {
            "modalities": ["text"],
            "input_audio_format": "pcm",
            "sample_rate": self.sample_rate,
            "input_audio_transcription": transcription,
            "turn_detection": turn_detection,
        }


class SendLog:
    """Which audio was sent when."""

    def __init__(self) -> None:
        self._ends_ms: list[int] = []
        self._times_s: list[float] = []

    @property
    def sent_ms(self) -> int:
        """Milliseconds of audio handed to the connection so far."""
        return self._ends_ms[-1] if self._ends_ms else 0

    def record(self, end_ms: int, at_s: float) -> None:
        """Note that audio up to `end_ms` was handed over at monotonic time `at_s`."""
        self._ends_ms.append(end_ms)
        self._times_s.append(at_s)

    def sent_at_s(self, audio_ms: float) -> float | None:
        """Monotonic time at which the chunk with the audio at `audio_ms` was handed over; None if not yet."""
        index = bisect_left(self._ends_ms, audio_ms)
        return self._times_s[index] if index < len(self._times_s) else None


class Transcription:
    """A running transcription. Entering configures the session and starts to stream; iterating yields the results.

    Iteration ends with `session.finished`, or raises `ClientError` after the last event that still came. Leaving the
    context early stops both tasks; the connection stays the client's to close.

    Args:
        client: A fresh, open connection.
        samples: Mono audio in [-1, 1] at `options.sample_rate`, shape [n].
        options: How to transcribe it.
        now: Clock of the pacing and of the time stamps, in seconds.
        sleep: Waits a number of seconds on that clock; must let other tasks run even for 0.

    Attributes:
        log: Which audio was sent when.
    """

    def __init__(
        self,
        client: RealtimeClient,
        samples: NDArray[np.float32],
        options: TranscribeOptions,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.log = SendLog()
        self._client = client
        self._samples = samples
        self._options = options
        self._now = now
        self._sleep = sleep
        self._events: asyncio.Queue[TranscriptEvent | None] = asyncio.Queue()
        self._all_sent = False
        self._stall = asyncio.Timeout(None)
        self._conversation: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """Configure the session and start to stream.

        Raises:
            ClientError: The server refuses the configuration, does not answer in time or hangs up.
        """
        try:
            async with asyncio.timeout(CONFIGURE_TIMEOUT_S):
                await self._wait_for("session.created")
                await self._client.send("session.update", session=self._options.session())
                await self._wait_for("session.updated")
        except TimeoutError:
            raise ClientError(f"the server did not set up the session within {CONFIGURE_TIMEOUT_S:g} s") from None
        self._conversation = asyncio.create_task(self._converse(), name="transcription")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop both tasks, if they still run, and wait for their end."""
        self._conversation.cancel()
        await asyncio.gather(self._conversation, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[TranscriptEvent]:
        """Yield the results in the order of their arrival.

        Raises:
            ClientError: The connection or the server failed before `session.finished`.
        """
        while (event := await self._events.get()) is not None:
            yield event
        await self._conversation

    async def _wait_for(self, event_type: str) -> None:
        async for event in self._client:
            if event.get("type") == event_type:
                return
            if event.get("type") == "error":
                raise ClientError(f"the server refused the session: {ErrorDetails.of(event).message}")
        raise ClientError(f"the server closed the connection before {event_type}")

    async def _converse(self) -> None:
        """Send and read at the same time until the server has finished."""
        failure: ClientError | None = None
        try:
            async with self._stall, asyncio.TaskGroup() as tasks:
                self._note_life()
                tasks.create_task(self._send_everything(), name="transcription-send")
                tasks.create_task(self._read_events(), name="transcription-read")
        except* TimeoutError:
            failure = ClientError(f"no sign of life from the server for {self._options.stall_timeout_s:g} s")
        except* ClientError as failures:
            failure = ClientError(str(failures.exceptions[0]))
        finally:
            self._events.put_nowait(None)
        if failure is not None:
            raise failure

    async def _send_everything(self) -> None:
        try:
            await self._send_audio()
            # The commit of an empty buffer is an error.
            if self._options.mode == "manual" and self._samples.size:
                await self._send("input_audio_buffer.commit")
            self._all_sent = True
            await self._send("session.finish")
        except ClientError:
            # The reader meets the same end of the connection, after the events that still wait there, and tells why.
            return

    async def _send_audio(self) -> None:
        options = self._options
        chunk_samples = max(1, options.sample_rate * options.chunk_ms // 1000)
        began_s = self._now()
        for start in range(0, self._samples.size, chunk_samples):
            chunk = self._samples[start : start + chunk_samples]
            end = start + chunk.size
            # Like a microphone, which has a chunk when its last sample has been spoken. Each deadline counts from the
            # beginning, so that late wake-ups do not add up.
            due_s = began_s + end / (options.sample_rate * options.speed)
            await self._sleep(max(0.0, due_s - self._now()))
            self.log.record(end * 1000 // options.sample_rate, self._now())
            await self._send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(pcm16_bytes(chunk)))

    async def _send(self, event_type: str, **fields: object) -> None:
        await self._client.send(event_type, **fields)
        self._note_life()

    async def _read_events(self) -> None:
        reader = TranscriptReader()
        async for event in self._client:
            self._note_life()
            if event.get("type") == "session.finished":
                if not self._all_sent:
                    raise ClientError("the server finished the session before all audio was sent")
                return
            result = reader.read(event, received_s=self._now(), sent_ms=self.log.sent_ms)
            if result is not None:
                self._events.put_nowait(result)
        raise ClientError("the server closed the connection before session.finished")

    def _note_life(self) -> None:
        if not self._stall.expired():
            self._stall.reschedule(asyncio.get_running_loop().time() + self._options.stall_timeout_s)
