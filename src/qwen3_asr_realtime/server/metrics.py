"""What is measured, for Prometheus. `docs/operations.md` says how to read it."""

import os
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.engines.base import EngineInfo, Priority
from qwen3_asr_realtime.recognition.guards import Doubt
from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.samples import SAMPLE_RATE
from qwen3_asr_realtime.settings import Settings

WAIT_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""For what a speaker waits for beyond the silence that ends a turn: the goal is 30 ms, the longest decode 30 s."""

FINAL_BUCKETS_S = (0.2, 0.3, 0.4, 0.43, 0.5, 0.6, 0.8, 0.83, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""For end of speech to final, the silence included: 0.43 is the default silence and the goal of 30 ms beyond it, 0.83
the same with the cloud's silence."""

PARTIAL_BUCKETS_S = (0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
"""For first partials, where the goal is one second, and for how long it takes until words are confirmed."""

DECODE_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0)

LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""For how late the event loop is; events are to be delayed by less than 50 ms."""

PARTS = ("silence", "queue", "decode", "delivery")
"""Of the way from the end of speech to the final, in order (`Ledger.parts_ms`)."""

Mode = Literal["livesum", "livemin", "livemax", "max"]
"""How the gauges of several processes become one."""

LIMITS = (
    *(name for name in Settings.model_fields if name.startswith("max_")),
    "idle_timeout_sec",
    "drain_timeout_sec",
    "worker_timeout_sec",
    "request_timeout_sec",
    "unread_timeout_sec",
    "decode_timeout_sec",
    "target_decode_sec",
)
"""Settings that bound something."""

REFUSING = (
    "MAX_SESSIONS",
    "MAX_SESSIONS_PER_KEY",
    "MAX_QUEUE_DELAY_SEC",
    "MAX_MEMORY_MIB",
    "API_KEYS",
    "ALLOWED_ORIGINS",
    "UNKNOWN_MODEL",
    "SERVER_WORKERS",
    "draining",
)
"""What keeps sessions out: limits, keys, origins, names of models, a parent that is gone, the end of the server."""

REACHED = (
    "REQUEST_TIMEOUT_SEC",
    "UNREAD_TIMEOUT_SEC",
    "IDLE_TIMEOUT_SEC",
    "DRAIN_TIMEOUT_SEC",
    "WORKER_TIMEOUT_SEC",
    "MAX_FRAME_MIB",
    "MAX_BACKLOG_SEC",
    "MAX_UNSENT_EVENTS",
    "MAX_SESSION_SEC",
    "MAX_AUDIO_AHEAD_SEC",
    "MAX_MESSAGES_PER_SEC",
    "MAX_HEADER_KIB",
    "MAX_PENDING_CONNECTIONS",
)
"""Those that sessions run into, and connections that are none yet."""

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

# Else every series brings a second one, with the time at which it began.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations


class Outcome(StrEnum):
    """How an utterance ended. EMPTY: completed without words; CANCELLED: cleared, or its client went."""

    COMPLETED = "completed"
    EMPTY = "empty"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Shed(StrEnum):
    """Why a partial was not sent.

    REPLACED: a newer one came too soon after the last. UNREAD: the client had not read it when a newer one came.
    GIVEN_UP: something final took its slot in the engine.
    """

    REPLACED = "replaced"
    UNREAD = "unread"
    GIVEN_UP = "given_up"


class Metrics:
    """The measures of one process.

    With `PROMETHEUS_MULTIPROC_DIR` set, the library keeps the values in files there and adds up those of all processes.

    Attributes:
        registry: Holds them. Each of the others is described where it is made.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        # Sessions.
        self.sessions_active = self._gauge("sessions_active", "Sessions now.")
        self.sessions_opened = self._counter("sessions_opened", "Sessions admitted.")
        self.sessions_closed = self._counter("sessions_closed", "Sessions ended, by reason.", "reason")
        self.sessions_refused = self._counter(
            "sessions_refused", "Sessions refused, by limit.", "limit", values=REFUSING
        )
        self.limits_reached = self._counter(
            "limits_reached",
            "How often a limit of a connection was reached, by setting.",
            "limit",
            values=REACHED,
        )
        self.connections_dropped = self._counter(
            "connections_dropped", "Connections that a worker had no file descriptor for."
        )
        self.worker_restarts = self._counter("worker_restarts", "Workers that died and were replaced.")
        self.limit = self._gauge("limit", "What a limit is set to, in the unit of its setting.", "limit", mode="max")

        # The wire.
        self.received_bytes = self._counter("received_bytes", "Bytes in WebSocket frames from clients.")
        self.sent_bytes = self._counter("sent_bytes", "Bytes in WebSocket frames to clients.")
        self.errors_sent = self._counter("errors_sent", "`error` events sent, by code.", "code")
        self.partials_sent = self._counter("partials_sent", "Partials sent.")
        self.partials_shed = self._counter(
            "partials_shed", "Partials decoded, or begun to be, and never sent, by reason.", "reason", values=Shed
        )

        # Audio and utterances.
        self.audio_seconds = self._counter("audio_seconds", "Audio received, in seconds of its own time.")
        self.speech_seconds = self._counter("speech_seconds", "Audio of utterances that have ended, in seconds.")
        self.utterances = self._counter("utterances", "Utterances ended, by outcome.", "outcome", values=Outcome)
        self.speculative_finals = self._counter("speculative_finals", "Finals begun before the turn had ended.")
        self.retried_finals = self._counter("retried_finals", "Finals that took a second decode.")
        self.guard_trips = self._counter(
            "guard_trips", "Finals that a guard doubted, by reason.", "reason", values=Doubt
        )
        self.confirmed_words = self._counter("confirmed_words", "Words confirmed in partials.")
        self.changed_words = self._counter("changed_words", "Confirmed words that the final did not have.")

        # Latency.
        self.final_latency = self._histogram(
            "final_latency_seconds", "From the end of speech to the final, the silence included.", FINAL_BUCKETS_S
        )
        self.final_wait = self._histogram(
            "final_wait_seconds", "From the decision that the turn has ended to the final.", WAIT_BUCKETS_S
        )
        self.final_part = self._histogram(
            "final_part_seconds", "The parts of the final latency.", WAIT_BUCKETS_S, "part", values=PARTS
        )
        self.first_partial = self._histogram(
            "first_partial_seconds", "From speech being found to its first partial.", PARTIAL_BUCKETS_S
        )
        self.confirmation_delay = self._histogram(
            "confirmation_delay_seconds", "Audio between a word's first hypothesis and its confirmation.",
            PARTIAL_BUCKETS_S,
        )  # fmt: skip

        # Engine.
        priorities = [priority.name.lower() for priority in Priority]
        self.queue_wait = self._histogram(
            "queue_wait_seconds", "Waits for a slot of the engine.", WAIT_BUCKETS_S, "priority", values=priorities
        )
        self.decode = self._histogram(
            "decode_seconds", "Times a slot of the engine was held.", DECODE_BUCKETS_S, "priority", values=priorities
        )
        self.decode_errors = self._counter("decode_errors", "Decodes that failed.")
        self.decode_timeouts = self._counter("decode_timeouts", "Decodes stopped after DECODE_TIMEOUT_SEC.")
        self.queue_depth = self._gauge("queue_depth", "Utterances that wait for a slot.")
        self.decodes_running = self._gauge("decodes_running", "Slots in use.")
        self.slots = self._gauge("slots", "Slots there are.")
        self.engine_up = self._gauge("engine_up", "1 unless the engine is down.", mode="livemin")
        self.engine_degraded = self._gauge("engine_degraded", "1 if it has less than it was given.", mode="livemax")
        self.engine_restarts = self._counter("engine_restarts", "How often the engine died and came back.")
        self.prompt_tokens = self._counter("engine_prompt_tokens", "Tokens of prompts, where the engine counts them.")
        self.cached_tokens = self._counter("engine_cached_tokens", "Those of them that the prefix cache had.")

        # Process.
        self.loop_lag = self._histogram("event_loop_lag_seconds", "How late the event loop is.", LAG_BUCKETS_S)
        self.resident_memory = self._gauge("process_resident_memory_bytes", "Resident memory.")
        self.open_fds = self._gauge("process_open_fds", "Open file descriptors.")
        self.cpu_seconds = self._counter("process_cpu_seconds", "Processor time, user and system.")
        self.info = Gauge(
            "qwen3_asr_server_info", "1; the labels say what runs.", ["version", "engine", "model"],
            registry=self.registry, multiprocess_mode="max",
        )  # fmt: skip

    def describe(self, settings: Settings, engine: EngineInfo) -> None:
        """Say what runs, and within which limits."""
        self.info.labels(__version__, engine.name, engine.model).set(1)
        for name in LIMITS:
            self.limit.labels(name.upper()).set(getattr(settings, name))

    def collected(self) -> CollectorRegistry:
        """All of it, of all processes together."""
        if MULTIPROCESS not in os.environ:
            return self.registry
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # it has no annotations
        return together

    def values(self) -> dict[str, dict[tuple[str, ...], float]]:
        """The latest value of every series, of all processes together: by name, then by the values of its labels."""
        values: dict[str, dict[tuple[str, ...], float]] = {}
        for family in self.collected().collect():
            for sample in family.samples:
                values.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return values

    def decode_done(self, priority: Priority, waited_s: float, held_s: float) -> None:
        """A slot of the engine was waited for and held so long."""
        self.queue_wait.labels(priority.name.lower()).observe(waited_s)
        self.decode.labels(priority.name.lower()).observe(held_s)

    def utterance_ended(self, outcome: Outcome, ledger: Ledger) -> None:
        """Count an utterance, and where its time went."""
        self.utterances.labels(outcome).inc()
        self.speech_seconds.inc(ledger.speech_samples / SAMPLE_RATE)
        self.partials_shed.labels(Shed.REPLACED).inc(ledger.previews_replaced)
        self.partials_shed.labels(Shed.GIVEN_UP).inc(ledger.given_up)
        self.decode_errors.inc(ledger.errors)
        self.decode_timeouts.inc(ledger.timeouts)
        if outcome not in {Outcome.COMPLETED, Outcome.EMPTY}:
            return
        self.speculative_finals.inc(ledger.speculative)
        self.retried_finals.inc(ledger.retried)
        self.confirmed_words.inc(len(ledger.confirmation_delays_s))
        self.changed_words.inc(ledger.changed)
        for delay_s in ledger.confirmation_delays_s:
            self.confirmation_delay.observe(delay_s)
        parts_s = {name: value / 1000 for name, value in ledger.parts_ms().items()}
        if parts_s:
            self.final_latency.observe(parts_s["total"])
            self.final_wait.observe(parts_s["total"] - parts_s["silence"])
            for part in PARTS:
                self.final_part.labels(part).observe(parts_s[part])
        if ledger.first_partial_s is not None:
            self.first_partial.observe(ledger.first_partial_s)

    # --- private -----------------------------------------------------------------------------------------------------

    def _counter(self, name: str, text: str, label: str = "", *, values: Iterable[str] = ()) -> Counter:
        counter = Counter(f"qwen3_asr_{name}", text, [label] if label else [], registry=self.registry)
        for value in values:  # a series that is there from the start: its first increase is one, too
            counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str, label: str = "", *, mode: Mode = "livesum") -> Gauge:
        return Gauge(
            f"qwen3_asr_{name}", text, [label] if label else [], registry=self.registry, multiprocess_mode=mode
        )

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], label: str = "", *, values: Iterable[str] = ()
    ) -> Histogram:
        histogram = Histogram(
            f"qwen3_asr_{name}", text, [label] if label else [], buckets=buckets, registry=self.registry
        )
        for value in values:
            histogram.labels(value)
        return histogram
