"""Spans for utterances."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest
import structlog
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from tests.server.harness import eventually, running_server

from qwen3_asr_realtime.engines.scripted import ScriptedEngine
from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.server.metrics import Outcome
from qwen3_asr_realtime.server.tracing import SERVICE_NAME, STATIONS, TracingError, tracing

COMPLETED = "conversation.item.input_audio_transcription.completed"


def test_the_stations_are_those_of_the_ledger() -> None:
    assert {name for name in Ledger.__slots__ if name.endswith("_s")} - {"confirmation_delays_s"} == {
        f"{name}_s" for name in STATIONS
    }


def test_nothing_of_it_is_imported_unless_it_is_asked_for() -> None:
    script = "import sys, qwen3_asr_realtime.server.serve; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_without_the_extra_there_is_a_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    for name in [name for name in sys.modules if name.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(TracingError, match="needs the extra `otel`"):
        async with running_server(otel_traces=True):
            pass


async def test_a_span_has_the_stations_at_their_times() -> None:
    exporter = InMemorySpanExporter()
    async with tracing(SimpleSpanProcessor(exporter)) as spans:
        now_s = asyncio.get_running_loop().time()
        ledger = Ledger(
            speech_found_s=now_s - 3,
            first_preview_s=now_s - 2,
            end_of_speech_s=now_s - 0.5,
            decided_s=now_s - 0.1,
            sent_s=now_s,
            speech_samples=32000,
        )
        with structlog.contextvars.bound_contextvars(session_id="sess_1", item_id="item_1"):
            spans.add(Outcome.COMPLETED, ledger)
        spans.add(Outcome.FAILED, Ledger())
    completed, failed = exporter.get_finished_spans()
    assert completed.resource.attributes["service.name"] == SERVICE_NAME
    assert [event.name for event in completed.events] == [
        "speech_found",
        "first_preview",
        "end_of_speech",
        "decided",
        "sent",
    ]
    assert completed.end_time is not None
    assert completed.start_time is not None
    assert (completed.end_time - completed.start_time) / 1e9 == pytest.approx(3, abs=0.1)
    assert completed.end_time / 1e9 == pytest.approx(time.time(), abs=5)
    assert completed.attributes is not None
    assert completed.attributes["session.id"] == "sess_1"
    assert completed.attributes["item.id"] == "item_1"
    assert completed.attributes["audio_s"] == 2
    assert completed.attributes["silence_ms"] == pytest.approx(400)
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.events == ()


async def test_every_utterance_of_a_server_has_one(go_forward: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(export, "BatchSpanProcessor", lambda _: SimpleSpanProcessor(exporter))
    async with (
        running_server(ScriptedEngine(), otel_traces=True) as server,
        server.session(turn_detection=None) as client,
    ):
        await client.append(go_forward)
        await client.send("input_audio_buffer.commit")
        [*_, completed] = await client.until(COMPLETED)
        await eventually(lambda: len(exporter.get_finished_spans()) == 1)
    [span] = exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["item.id"] == completed["item_id"]
    assert str(span.attributes["session.id"]).startswith("sess_")
    assert completed["transcript"] not in span.to_json()


class SilentCollector(SpanExporter):
    """Answers nothing until it is given up."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answers: list[bool] = []
        self._given_up = threading.Event()

    def export(self, spans: object) -> SpanExportResult:
        self.asked.set()
        self.answers.append(self._given_up.wait(20))  # sooner than OpenTelemetry itself gives it up
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._given_up.set()


async def test_a_collector_that_does_not_answer_holds_up_nothing(
    go_forward: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = SilentCollector()
    monkeypatch.setattr(trace_exporter, "OTLPSpanExporter", lambda: collector)
    monkeypatch.setattr("qwen3_asr_realtime.server.tracing.FLUSH_TIMEOUT_S", 0.05)
    async with (
        running_server(ScriptedEngine(), otel_traces=True) as server,
        server.session(turn_detection=None) as client,
    ):
        await client.append(go_forward)
        await client.send("input_audio_buffer.commit")
        await client.until(COMPLETED)
    assert collector.asked.is_set()
    assert collector.answers == [True]
