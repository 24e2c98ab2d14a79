"""What all connections of the process share, from start to stop."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from qwen3_asr_realtime.audio.intake import AudioIntake
from qwen3_asr_realtime.engines.base import Engine
from qwen3_asr_realtime.protocol.configuration import Configuration, Support, TurnDetection
from qwen3_asr_realtime.protocol.session import SessionRules
from qwen3_asr_realtime.recognition.cadence import Cadence
from qwen3_asr_realtime.recognition.guards import GuardLimits
from qwen3_asr_realtime.recognition.recogniser import Recogniser
from qwen3_asr_realtime.server.admission import Admission, AdmissionLimits
from qwen3_asr_realtime.server.counting import LocalCount, SessionCount
from qwen3_asr_realtime.server.credentials import Keyring
from qwen3_asr_realtime.server.drain import Drain
from qwen3_asr_realtime.server.handshake import Reception
from qwen3_asr_realtime.server.judging import FrameJudge
from qwen3_asr_realtime.server.metrics import Metrics
from qwen3_asr_realtime.server.reporting import Reporting
from qwen3_asr_realtime.server.sampling import Sampler
from qwen3_asr_realtime.server.tracing import tracing
from qwen3_asr_realtime.settings import Settings, cpu_cores
from qwen3_asr_realtime.vad.endpointing import (
    EndpointingParameters,
    probability_from_threshold,
    threshold_from_probability,
)
from qwen3_asr_realtime.vad.silero import SileroModel

MANUAL_THRESHOLD = 0.35
"""Speech probability in Manual mode, where the client says that there is speech: leave out silence, lose no word."""

MANUAL_PAUSE_MS = 1500
"""Silence that is left out in Manual mode; shorter pauses are kept, for the engine to hear the rhythm of a sentence."""

MANUAL_MAX_UTTERANCE_MS = 7 * 24 * 3600 * 1000
"""In Manual mode the client says where an item ends. What an engine takes at a time is cut in `recognition/`."""


@dataclass(frozen=True)
class Service:
    """The running server, without its sockets.

    Attributes:
        settings: Its configuration.
        recogniser: The engine and who uses it next.
        judge: The one voice activity model, for the frames of all sessions.
        rules: What new sessions begin with.
        listening: Threads that decode large frames and compressed audio.
        started_at_s: On the monotonic clock.
        admission: Which sessions there may be.
        reception: Who may connect.
        reporting: Where it is told what happens.
        sampler: Looks at what nobody reports.
        drain: Ends the sessions when the server is stopped.
        connections: Tasks of the connections that are open.
    """

    settings: Settings
    recogniser: Recogniser
    judge: FrameJudge
    rules: SessionRules
    listening: ThreadPoolExecutor
    admission: Admission
    reception: Reception
    reporting: Reporting
    sampler: Sampler
    drain: Drain = field(default_factory=Drain)
    started_at_s: float = field(default_factory=monotonic)
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def metrics(self) -> Metrics:
        """What is measured."""
        return self.reporting.metrics

    @contextmanager
    def connected(self) -> Iterator[None]:
        """The current task is a connection for the length of the block."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection runs in a task")
        self.connections.add(task)
        try:
            with self.metrics.sessions_active.track_inprogress():
                yield
        finally:
            self.connections.discard(task)

    async def end_sessions(self) -> None:
        """Admit no more sessions and end those there are, in `DRAIN_TIMEOUT_SEC` and some seconds at most."""
        on_cut = self.metrics.limits_reached.labels("DRAIN_TIMEOUT_SEC").inc
        await self.drain.run(self.settings.drain_timeout_sec, on_cut)

    def limit_reached(self, limit: str) -> None:
        """Count that a connection came up against a limit, by the name of its setting."""
        self.metrics.limits_reached.labels(limit).inc()

    def endpointing(self, turn_detection: TurnDetection | None) -> EndpointingParameters:
        """The detector's parameters for a session's turn detection; None is Manual mode."""
        settings = self.settings
        if turn_detection is None:
            threshold, silence_ms, max_utterance_ms = MANUAL_THRESHOLD, MANUAL_PAUSE_MS, MANUAL_MAX_UTTERANCE_MS
            padding_ms = settings.vad_prefix_padding_ms
        else:
            threshold = probability_from_threshold(turn_detection.threshold)
            silence_ms, padding_ms = turn_detection.silence_duration_ms, turn_detection.prefix_padding_ms
            max_utterance_ms = int(settings.max_utterance_sec * 1000)
        return EndpointingParameters(
            threshold=threshold,
            silence_ms=silence_ms,
            prefix_padding_ms=padding_ms,
            min_speech_ms=settings.vad_min_speech_ms,
            max_utterance_ms=max_utterance_ms,
        )


def session_rules(settings: Settings, engine: Engine) -> SessionRules:
    """How sessions begin and what they may ask for, given the settings and the engine."""
    turn_detection = TurnDetection(
        threshold=round(threshold_from_probability(settings.vad_threshold), 6),
        silence_duration_ms=settings.vad_silence_duration_ms,
        prefix_padding_ms=settings.vad_prefix_padding_ms,
    )
    info = engine.info
    return SessionRules(
        support=Support(
            turn_detection=turn_detection,
            audio_formats=AudioIntake.formats,
            languages=info.languages,
            engine=f"{info.name}, {info.model}",
        ),
        initial=Configuration(turn_detection=turn_detection if settings.vad_enabled else None),
        vad_commit=settings.vad_commit,
        finished_transcript=settings.finished_transcript,
        append_chars_max=settings.max_append_mib * 1024 * 1024,
    )


def reception(settings: Settings) -> Reception:
    """Who may connect.

    Raises:
        SettingsError: The keys cannot be read.
    """
    path = Path(settings.api_keys_file) if settings.api_keys_file else None
    return Reception(Keyring(settings.api_keys.get_secret_value(), path), settings.allowed_origins)


def guard_limits(settings: Settings) -> GuardLimits:
    """Where finals are doubted."""
    return GuardLimits(
        no_voice_s=settings.guard_no_voice_sec,
        weak_voice_s=settings.guard_weak_voice_sec,
        weak_voice_share=settings.guard_weak_voice_share,
        letters_per_s=settings.guard_letters_per_sec,
        syllables_per_s=settings.guard_syllables_per_sec,
        copied_units=settings.guard_copied_units,
        copied_share=settings.guard_copied_share,
        copied_length_ratio=settings.guard_copied_length_ratio,
        agreement=settings.guard_agreement,
    )


@asynccontextmanager
async def running_service(
    settings: Settings, engine: Engine, count: SessionCount | None = None
) -> AsyncIterator[Service]:
    """Start what connections need, and stop it again.

    Args:
        settings: Its configuration.
        engine: What decodes; started and stopped here.
        count: Where sessions are counted; here if None.

    Raises:
        EngineError: The engine does not start.
        ChecksumError: The VAD model is damaged.
        TracingError: Tracing is asked for and not installed.
        SettingsError: The keys cannot be read.
    """
    door = reception(settings)
    vad = SileroModel.load()
    async with AsyncExitStack() as stack:
        spans = await stack.enter_async_context(tracing()) if settings.otel_traces else None
        reporting = Reporting(spans=spans, transcripts=settings.log_transcripts)
        stack.push_async_callback(engine.stop)
        await engine.start()
        reporting.metrics.describe(settings, engine.info)
        with (
            FrameJudge(vad) as judge,
            ThreadPoolExecutor(cpu_cores(), thread_name_prefix="listening") as listening,
        ):
            cadence = Cadence(
                first_s=settings.first_partial_sec,
                idle_s=settings.partial_interval_sec,
                busy_s=settings.streaming_chunk_size_sec,
                timeout_s=settings.decode_timeout_sec,
                speculation=settings.speculative_finals,
            )
            recogniser = Recogniser(
                engine,
                cadence,
                concurrency=settings.worker_share(settings.engine_concurrency),
                guards=guard_limits(settings),
                target_decode_s=settings.target_decode_sec,
                observe=reporting.metrics.decode_done,
            )
            limits = AdmissionLimits(
                sessions_per_key=settings.max_sessions_per_key,
                memory_mib=settings.worker_share(settings.max_memory_mib),
                queue_delay_s=settings.max_queue_delay_sec,
            )
            sampler = Sampler(reporting.metrics, recogniser)
            async with sampler.running():
                yield Service(
                    settings=settings,
                    recogniser=recogniser,
                    judge=judge,
                    rules=session_rules(settings, engine),
                    listening=listening,
                    admission=Admission(limits, recogniser.scheduler, count or LocalCount(settings.max_sessions)),
                    reception=door,
                    reporting=reporting,
                    sampler=sampler,
                )
