"""A span for every utterance, for OpenTelemetry (extra `otel`); imported by nobody unless it is asked for.

Where spans go is said by the variables that OpenTelemetry itself defines, such as `OTEL_EXPORTER_OTLP_ENDPOINT`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.samples import SAMPLE_RATE
from qwen3_asr_realtime.server.metrics import Outcome
from qwen3_asr_realtime.start_error import StartError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer

SERVICE_NAME = "qwen3-asr-realtime-server"

FLUSH_TIMEOUT_S = 2.0
"""At the end, longest wait for a collector that does not answer; the exporter itself would try for ten seconds."""

STATIONS = ("speech_found", "first_preview", "end_of_speech", "decided", "engine_started", "engine_ended", "sent")
"""Events of a span: the stations of a ledger that an utterance has passed, named as there."""


class TracingError(StartError):
    """Tracing is asked for and not installed; the message is for the operator."""


class Spans:
    """Turns ledgers into spans.

    Args:
        tracer: Takes them.
    """

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    def add(self, outcome: Outcome, ledger: Ledger) -> None:
        """An utterance has ended, now."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - only where tracing is asked for

        now_ns, now_s = time.time_ns(), asyncio.get_running_loop().time()

        def wall_ns(station_s: float) -> int:
            """Of the event loop's clock, as nanoseconds since 1970."""
            return now_ns - int((now_s - station_s) * 1e9)

        passed = {name: at_s for name in STATIONS if (at_s := getattr(ledger, f"{name}_s")) is not None}
        context = structlog.contextvars.get_contextvars()
        span = self._tracer.start_span(
            "utterance",
            start_time=wall_ns(min(passed.values(), default=now_s)),
            attributes={
                "session.id": context.get("session_id", ""),
                "item.id": context.get("item_id", ""),
                "outcome": outcome,
                "audio_s": ledger.speech_samples / SAMPLE_RATE,
                "speculative": ledger.speculative,
                "retried": ledger.retried,
                **{f"{part}_ms": value for part, value in ledger.parts_ms().items()},
            },
        )
        for name, at_s in sorted(passed.items(), key=lambda station: station[1]):
            span.add_event(name, timestamp=wall_ns(at_s))
        if outcome is Outcome.FAILED:
            span.set_status(StatusCode.ERROR)
        span.end(now_ns)


@asynccontextmanager
async def tracing(processor: "SpanProcessor | None" = None) -> AsyncIterator[Spans]:
    """Send spans for the length of the block; what waits at its end is still sent.

    Args:
        processor: Takes the spans instead of OTLP over HTTP.

    Raises:
        TracingError: The extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise TracingError(
            f"OTEL_TRACES=true needs the extra `otel` ({error.name} is missing): uv sync --inexact --extra otel"
        ) from error
    attributes = {"service.version": __version__}
    if "OTEL_SERVICE_NAME" not in os.environ:
        attributes["service.name"] = SERVICE_NAME
    resource = Resource.create(attributes)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter()
    provider.add_span_processor(processor or BatchSpanProcessor(exporter))
    try:
        yield Spans(provider.get_tracer(__name__))
    finally:
        flushing = asyncio.create_task(asyncio.to_thread(provider.shutdown), name="flush spans")
        done, _ = await asyncio.wait([flushing], timeout=FLUSH_TIMEOUT_S)
        if not done:
            exporter.shutdown()  # type: ignore[no-untyped-call]  # ends its waiting; has no annotations
        await flushing
