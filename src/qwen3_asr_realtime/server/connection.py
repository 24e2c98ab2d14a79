"""The conductor of one connection: carries values between session core, audio path, recognition and socket.

It has no policy of its own. What an event means is the session's business, where speech begins and ends is `vad/`'s,
when to decode is `recognition/`'s.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import TypeVar

import structlog

from qwen3_asr_realtime.audio.base64 import decode_base64
from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.intake import AudioIntake
from qwen3_asr_realtime.engines.base import SegmentOptions
from qwen3_asr_realtime.protocol.commands import (
    AddAudio,
    CancelUtterance,
    Close,
    ConfigureDetection,
    ConfigureIntake,
    DiscardAudio,
    EndSegment,
    FinishUtterance,
    FlushAudio,
    OpenUtterance,
    StartSegment,
)
from qwen3_asr_realtime.protocol.configuration import TurnDetection
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import ServerEvent, decode_client_event
from qwen3_asr_realtime.protocol.session import Outputs, Session
from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.recognition.recogniser import Recogniser
from qwen3_asr_realtime.recognition.speaker import Speaker
from qwen3_asr_realtime.recognition.utterance import Utterance
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples
from qwen3_asr_realtime.server.judging import FrameJudge
from qwen3_asr_realtime.server.metrics import Outcome
from qwen3_asr_realtime.server.outbox import Outbox
from qwen3_asr_realtime.server.pace import Pace
from qwen3_asr_realtime.server.reporting import Reporting
from qwen3_asr_realtime.vad.detector import SpeechAudio, SpeechDetector, VoiceEvent
from qwen3_asr_realtime.vad.endpointing import EndpointingParameters, SpeechStarted, SpeechStopped

LARGE_FRAME_CHARS = 64 * 1024
"""Text longer than this (about 1.5 s of audio) is parsed and decoded off the event loop: 15 MiB takes tens of ms."""

SLICE_BYTES = 32 * 1024
"""PCM is resampled (on the loop, 5-50 us per 100 ms) in slices of about a second, so that no session holds the loop."""

SLICE_SAMPLES = SLICE_BYTES // 2
"""Listened to at once, for the same reason: cutting up a second and concluding from it takes 0.4 ms, and a few bytes of
Opus may hold minutes."""

EndpointingRule = Callable[[TurnDetection | None], EndpointingParameters]
T = TypeVar("T")


class Connection:
    """One session being run.

    Args:
        session: The protocol state.
        detector: Finds speech in the session's audio.
        judge: Says how likely speech is, frame by frame.
        endpointing: The detector's parameters for a turn detection setting, or for Manual mode.
        recogniser: Where utterances are recognised.
        outbox: Takes events to the client.
        speaker: What the session's utterances have in common.
        pace: Holds audio back that is too far ahead of real time.
        listening: Threads that decode large frames and compressed audio.
        tasks: Owns the session's utterances.
        reporting: Where it is told how utterances went.
        trace: Whether finals tell where their time went.
    """

    def __init__(
        self,
        *,
        session: Session,
        detector: SpeechDetector,
        judge: FrameJudge,
        endpointing: EndpointingRule,
        recogniser: Recogniser,
        outbox: Outbox,
        speaker: Speaker,
        pace: Pace,
        listening: Executor,
        tasks: asyncio.TaskGroup,
        reporting: Reporting,
        trace: bool,
    ) -> None:
        self._session = session
        self._intake = AudioIntake(session.configuration.audio_format, session.configuration.sample_rate)
        self._detector = detector
        self._judge = judge
        self._endpointing = endpointing
        self._recogniser = recogniser
        self._outbox = outbox
        self._speaker = speaker
        self._pace = pace
        self._listening = listening
        self._tasks = tasks
        self._reporting = reporting
        self._trace = trace
        self._utterances: dict[str, tuple[Utterance, asyncio.Task[None]]] = {}
        self._speaking: Utterance | None = None

    # --- in ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Greet the client."""
        await self._carry_out(self._session.start())

    async def receive(self, frame: str) -> None:
        """Take one text frame and do all it asks for, before the next one is looked at."""
        try:
            if len(frame) > LARGE_FRAME_CHARS:
                event = await self._in_thread(decode_client_event, frame)
            else:
                event = decode_client_event(frame)
        except ProtocolError as error:
            outputs = self._session.refuse(error)
        else:
            outputs = self._session.receive(event)
        await self._carry_out(outputs)
        if after := self._session.settled():
            await self._carry_out(after)

    async def expire(self) -> None:
        """The client has been silent for too long."""
        await self._carry_out(self._session.expire())

    async def outlive(self) -> None:
        """The session has lasted as long as one may."""
        await self._carry_out(self._session.outlive())

    async def retire(self) -> None:
        """The server is about to stop: end when no item is open."""
        await self._carry_out(self._session.retire())

    async def cut(self) -> None:
        """The server can wait no longer."""
        await self._carry_out(self._session.cut())

    async def refuse(self, error: ProtocolError) -> None:
        """Answer a frame that is no text."""
        await self._carry_out(self._session.refuse(error))

    # --- out ---------------------------------------------------------------------------------------------------------

    async def _carry_out(self, outputs: Outputs) -> None:
        """Send the events and do the commands, in order."""
        for output in outputs:
            match output:
                case AddAudio(audio, event_id):
                    await self._add_audio(audio, event_id)
                case FlushAudio():
                    await self._listen(self._intake.flush())
                    await self._heard(self._detector.flush())
                    await self._carry_out(self._session.audio_flushed())
                case DiscardAudio():
                    await self._discard_audio()
                case ConfigureIntake(audio_format, sample_rate):
                    self._intake = AudioIntake(audio_format, sample_rate)
                case ConfigureDetection(turn_detection):
                    self._detector.parameters = self._endpointing(turn_detection)
                case OpenUtterance(item_id, language, context):
                    self._open_utterance(item_id, SegmentOptions(language, context))
                case StartSegment(item_id, start_sample):
                    self._speaking = self._utterances[item_id][0]
                    self._speaking.start_segment(start_sample)
                case EndSegment(item_id, end_sample, goes_on):
                    self._utterances[item_id][0].end_segment(end_sample, goes_on=goes_on)
                case FinishUtterance(item_id):
                    self._utterances[item_id][0].finish()
                case CancelUtterance(item_id):
                    self._utterances.pop(item_id)[1].cancel()
                case ServerEvent() | Close():
                    self._outbox.put(output)

    # --- audio -------------------------------------------------------------------------------------------------------

    async def _add_audio(self, audio: str, event_id: str | None) -> None:
        try:
            if len(audio) > LARGE_FRAME_CHARS:
                data = await self._in_thread(decode_base64, audio)
            else:
                data = decode_base64(audio)
            for first in range(0, len(data), SLICE_BYTES):
                if self._speaker.backlog.is_full:
                    self._reporting.metrics.limits_reached.labels("MAX_BACKLOG_SEC").inc()
                    await self._speaker.backlog.room()
                if self._speaker.backlog.is_lifted:  # the session has been cut
                    return
                piece = data[first : first + SLICE_BYTES]
                if self._intake.may_be_long(piece):
                    await self._listen(await self._in_thread(self._intake.push, piece))
                else:
                    await self._listen(self._intake.push(piece))
        except AudioError as error:
            param = "audio" if error.field == "audio" else f"session.{error.field}"
            refusal = ProtocolError(error.message, param=param, event_id=event_id)
            await self._carry_out(self._session.refuse(refusal))

    async def _listen(self, samples: Samples) -> None:
        """Find speech in new audio and pass it on; empty while intake holds it back."""
        self._reporting.metrics.audio_seconds.inc(len(samples) / SAMPLE_RATE)
        for first in range(0, len(samples), SLICE_SAMPLES):
            piece = samples[first : first + SLICE_SAMPLES]
            position = self._detector.position + len(piece)
            self._speaker.arrivals.note(position, asyncio.get_running_loop().time())
            if outputs := self._session.audio_received(position):
                await self._carry_out(outputs)
            await self._heard(await self._detect(piece))
            await self._pace.take(len(piece) / SAMPLE_RATE)

    async def _detect(self, samples: Samples) -> Iterable[VoiceEvent]:
        """Find speech in new audio; the event loop is free while its frames are judged."""
        frames = self._detector.take(samples)
        if frames is None:
            return ()
        await self._judge.judge(frames)
        return self._detector.conclude(frames)

    async def _heard(self, events: Iterable[VoiceEvent]) -> None:
        for event in events:
            match event:
                case SpeechStarted(start_sample):
                    await self._carry_out(self._session.speech_started(start_sample))
                case SpeechAudio(samples, _, voiced_until, voice_s):
                    if self._speaking is not None:
                        self._speaking.add(samples, voiced_until, voice_s)
                        self._detector.no_cut_before(self._speaking.earliest_end)
                case SpeechStopped(end_sample, goes_on):
                    await self._carry_out(self._session.speech_stopped(end_sample, goes_on=goes_on))

    async def _discard_audio(self) -> None:
        for _ in await self._detect(self._intake.flush()):
            pass  # what it says is of no interest, but it has to be heard to its end
        self._detector.flush()

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._listening, work, *args)

    # --- recognition -------------------------------------------------------------------------------------------------

    def _open_utterance(self, item_id: str, options: SegmentOptions) -> None:
        results = _ItemResults(item_id, self._session, self._report, trace=self._trace)
        utterance = self._recogniser.open(
            options,
            results,
            self._speaker,
        )

        def ended(_: asyncio.Task[None]) -> None:
            self._utterances.pop(item_id, None)
            self._reporting.utterance_ended(results.outcome, utterance.ledger, results.transcript)

        with structlog.contextvars.bound_contextvars(item_id=item_id):
            task = self._tasks.create_task(utterance.run(), name=f"utterance {item_id}")
            task.add_done_callback(ended)
        self._utterances[item_id] = utterance, task

    def _report(self, outputs: Outputs) -> None:
        """Send what the session makes of a result: events, and perhaps a close."""
        for output in outputs:
            if isinstance(output, ServerEvent | Close):
                self._outbox.put(output)


class _ItemResults:
    """Brings the results of one utterance to the session, under its item's id.

    Attributes:
        outcome: How it ended; cancelled, unless one of the results has said otherwise.
        transcript: Its text.
    """

    def __init__(self, item_id: str, session: Session, report: Callable[[Outputs], None], *, trace: bool) -> None:
        self.outcome = Outcome.CANCELLED
        self.transcript = ""
        self._item_id = item_id
        self._session = session
        self._report = report
        self._trace = trace

    def preview(self, text: str, stash: str, language: str) -> None:
        self._report(self._session.preview(self._item_id, text=text, stash=stash, language=language))

    def completed(self, transcript: str, language: str, ledger: Ledger) -> None:
        trace = ledger.parts_ms()
        self.outcome = Outcome.COMPLETED if transcript else Outcome.EMPTY
        self.transcript = transcript
        self._report(
            self._session.completed(
                self._item_id, transcript=transcript, language=language, trace=trace if self._trace else None
            )
        )

    def failed(self, code: str, message: str) -> None:
        self.outcome = Outcome.FAILED
        self._report(self._session.failed(self._item_id, code=code, message=message))
