"""The page `/stats`: how the server is doing, at a glance. Numbers only, nothing that a client sent."""

from dataclasses import dataclass
from time import monotonic

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.engines.base import Condition
from qwen3_asr_realtime.server.latencies import WINDOW_S, Percentiles
from qwen3_asr_realtime.server.service import Service

Series = dict[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class SessionStats:
    """Sessions since the start; `active` ones now."""

    active: int
    opened: int
    closed: dict[str, int]
    refused: dict[str, int]


@dataclass(frozen=True, slots=True)
class LatencyStats:
    """Of the utterances that this process ended in the last `window_s` seconds, in milliseconds.

    `final` is from the end of speech, the silence included; `final_wait` from the decision that the turn has ended;
    the next four are the parts of `final`.
    """

    window_s: float
    final: Percentiles
    final_wait: Percentiles
    silence: Percentiles
    queue: Percentiles
    decode: Percentiles
    delivery: Percentiles
    first_partial: Percentiles


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The engine, and the use of its slots."""

    name: str
    model: str
    status: Condition
    restarts: int
    slots: int
    running: int
    guard_trips: dict[str, int]


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Utterances that wait for a slot, and how long finals have waited lately."""

    waiting: int
    final_delay_s: float


@dataclass(frozen=True, slots=True)
class LimitStats:
    """What a limit is set to, and how often it kept a session out (`refused`) or stopped one (`reached`)."""

    value: float
    refused: int
    reached: int


@dataclass(frozen=True, slots=True)
class Stats:
    """The whole page. With several processes, counts are of all of them."""

    version: str
    uptime_s: float
    sessions: SessionStats
    audio_s: float
    speech_s: float
    utterances: dict[str, int]
    partials_sent: int
    partials_shed: dict[str, int]
    latency_ms: LatencyStats
    engine: EngineStats
    queue: QueueStats
    limits: dict[str, LimitStats]


def collect_stats(service: Service) -> Stats:
    """Put the page together."""
    service.sampler.sample()
    values = service.metrics.values()
    latencies, scheduler = service.reporting.latencies, service.recogniser.scheduler
    engine = service.recogniser.engine

    def series(name: str) -> Series:
        return values.get(f"qwen3_asr_{name}", {})

    def total(name: str) -> float:
        return sum(series(name).values())

    def counts(name: str) -> dict[str, int]:
        return {labels[0]: int(value) for labels, value in series(name).items()}

    refused, reached = counts("sessions_refused_total"), counts("limits_reached_total")
    return Stats(
        version=__version__,
        uptime_s=round(monotonic() - service.started_at_s, 1),
        sessions=SessionStats(
            active=int(total("sessions_active")),
            opened=int(total("sessions_opened_total")),
            closed=counts("sessions_closed_total"),
            refused=refused,
        ),
        audio_s=round(total("audio_seconds_total"), 1),
        speech_s=round(total("speech_seconds_total"), 1),
        utterances=counts("utterances_total"),
        partials_sent=int(total("partials_sent_total")),
        partials_shed=counts("partials_shed_total"),
        latency_ms=LatencyStats(
            window_s=WINDOW_S,
            final=latencies.percentiles("final"),
            final_wait=latencies.percentiles("final_wait"),
            silence=latencies.percentiles("silence"),
            queue=latencies.percentiles("queue"),
            decode=latencies.percentiles("decode"),
            delivery=latencies.percentiles("delivery"),
            first_partial=latencies.percentiles("first_partial"),
        ),
        engine=EngineStats(
            name=engine.info.name,
            model=engine.info.model,
            status=engine.status.condition,
            restarts=int(total("engine_restarts_total")),
            slots=int(total("slots")),
            running=int(total("decodes_running")),
            guard_trips=counts("guard_trips_total"),
        ),
        queue=QueueStats(
            waiting=int(total("queue_depth")), final_delay_s=round(scheduler.final_delay_s(monotonic()), 3)
        ),
        limits={
            name: LimitStats(value, refused.get(name, 0), reached.get(name, 0))
            for (name,), value in series("limit").items()
        },
    )
