"""What sessions leave on `/metrics`."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.server.harness import REALTIME, Server, eventually, running_server

from qwen3_asr_realtime.engines.base import Condition, EngineStatus, Hypothesis
from qwen3_asr_realtime.engines.scripted import Reply, ScriptedEngine
from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.server.link import PARENT_GONE
from qwen3_asr_realtime.server.metrics import LIMITS, PARTS, Metrics, Outcome
from qwen3_asr_realtime.settings import Settings

MANUAL = {"turn_detection": None}
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
TEXT = "conversation.item.input_audio_transcription.text"


def value(of: Server | Metrics, name: str, *labels: str) -> float:
    """Of one series; 0 if it is not there yet."""
    if isinstance(of, Server):
        of.service.sampler.sample()
        of = of.service.metrics
    return of.values().get(f"qwen3_asr_{name}", {}).get(labels, 0.0)


async def ended(server: Server) -> None:
    """All sessions are over and accounted for."""
    await eventually(lambda: not server.service.connections)


class TestSessions:
    async def test_are_counted_while_they_last_and_by_how_they_end(self) -> None:
        async with running_server() as server:
            async with server.session():
                assert value(server, "sessions_active") == 1
            await ended(server)
            async with server.session() as client:
                await client.finish()
            await ended(server)
            assert value(server, "sessions_active") == 0
            assert value(server, "sessions_opened_total") == 2
            assert value(server, "sessions_closed_total", "closed by client") == 1
            assert value(server, "sessions_closed_total", "session finished") == 1

    async def test_that_are_not_admitted_count_as_refused(self) -> None:
        async with running_server(max_sessions=1) as server, server.session():
            async with server.connect() as client:
                await client.until("error")
            assert value(server, "sessions_refused_total", "MAX_SESSIONS") == 1
            assert value(server, "sessions_opened_total") == 1

    async def test_for_a_model_that_is_not_served_count_as_refused(self) -> None:
        async with running_server(unknown_model="refuse") as server:
            async with server.connect(f"{REALTIME}?model=whisky") as client:
                await client.until("error")
            assert value(server, "sessions_refused_total", "UNKNOWN_MODEL") == 1

    async def test_whatever_may_refuse_them_is_there_from_the_start(self) -> None:
        assert (PARENT_GONE.limit,) in Metrics().values()["qwen3_asr_sessions_refused_total"]

    async def test_that_fall_silent_reach_a_limit(self) -> None:
        async with running_server(idle_timeout_sec=0.05) as server:
            async with server.session() as client:
                await client.closed()
            await ended(server)
            assert value(server, "sessions_closed_total", "idle timeout") == 1
            assert value(server, "limits_reached_total", "IDLE_TIMEOUT_SEC") == 1

    async def test_with_a_frame_too_large_reach_a_limit(self) -> None:
        async with running_server(max_frame_mib=1) as server:
            async with server.session() as client:
                await client.append(bytes(1024 * 1024))
                assert (await client.closed())[0] == 1009
            await ended(server)
            assert value(server, "sessions_closed_total", "frame too large") == 1
            assert value(server, "limits_reached_total", "MAX_FRAME_MIB") == 1

    async def test_that_the_server_fails_are_told_apart(
        self, go_forward: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(_: object) -> None:
            raise RuntimeError("a fault of ours")

        async with running_server() as server:
            monkeypatch.setattr(server.engine, "open", broken)
            async with server.session(**MANUAL) as client:
                await client.append(go_forward)
                await client.closed()
            await ended(server)
            assert value(server, "sessions_closed_total", "server error") == 1

    async def test_leave_their_bytes_and_errors(self) -> None:
        async with running_server() as server, server.session() as client:
            received, sent = value(server, "received_bytes_total"), value(server, "sent_bytes_total")
            await client.socket.send("{")
            await client.until("error")
            await eventually(lambda: value(server, "errors_sent_total", "invalid_json") == 1)
            assert value(server, "received_bytes_total") == received + 1
            assert value(server, "sent_bytes_total") > sent


class TestUtterances:
    @pytest.mark.parametrize(
        ("reply", "last", "outcome"),
        [
            (Reply(Hypothesis("something", "en")), COMPLETED, Outcome.COMPLETED),
            (Reply(Hypothesis("")), COMPLETED, Outcome.EMPTY),
            (Reply(error="no"), FAILED, Outcome.FAILED),
        ],
    )
    async def test_are_counted_by_outcome(self, go_forward: bytes, reply: Reply, last: str, outcome: str) -> None:
        async with running_server(ScriptedEngine(lambda _: reply)) as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            await client.until(last)
            await eventually(lambda: value(server, "utterances_total", outcome) == 1)
            assert value(server, "speech_seconds_total") > 1
            assert value(server, "decode_errors_total") == (3 if outcome is Outcome.FAILED else 0)

    async def test_that_are_cleared_or_abandoned_are_cancelled(self, go_forward: bytes) -> None:
        async with running_server() as server:
            async with server.session(**MANUAL) as client:
                await client.append(go_forward)
                await client.send("input_audio_buffer.clear")
                await client.until("input_audio_buffer.cleared")
                await eventually(lambda: value(server, "utterances_total", "cancelled") == 1)
                await client.append(go_forward)
                await client.until(TEXT)
            await eventually(lambda: value(server, "utterances_total", "cancelled") == 2)
            assert value(server, "final_latency_seconds_count") == 0

    async def test_leave_their_times(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session() as client:
            for start in range(0, len(go_forward), 3200):
                await client.append(go_forward[start : start + 3200])
                await asyncio.sleep(0)
            await client.finish()
            await eventually(lambda: value(server, "utterances_total", "completed") == 1)
            assert value(server, "final_latency_seconds_count") == 1
            assert value(server, "final_wait_seconds_count") == 1
            parts = [value(server, "final_part_seconds_sum", part) for part in PARTS]
            assert sum(parts) == pytest.approx(value(server, "final_latency_seconds_sum"), abs=1e-5)
            decodes = server.service.metrics.values()["qwen3_asr_decode_seconds_count"]
            assert sum(decodes.values()) == len(server.engine.calls)
            assert value(server, "audio_seconds_total") == pytest.approx(len(go_forward) / 32000, abs=0.1)

    async def test_count_the_partials_that_were_sent(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.until(TEXT)
            await eventually(lambda: value(server, "partials_sent_total") >= 1)

    def test_count_what_was_shed_and_changed(self) -> None:
        metrics = Metrics()
        metrics.utterance_ended(
            Outcome.COMPLETED,
            Ledger(
                speech_found_s=1.0,
                first_preview_s=1.75,
                end_of_speech_s=3.0,
                decided_s=3.4,
                sent_s=3.42,
                previews_replaced=3,
                given_up=2,
                timeouts=1,
                confirmation_delays_s=[0.5, 1.0],
                changed=1,
                speculative=True,
                retried=True,
            ),
        )
        assert value(metrics, "partials_shed_total", "replaced") == 3
        assert value(metrics, "partials_shed_total", "given_up") == 2
        assert value(metrics, "decode_timeouts_total") == 1
        assert (value(metrics, "confirmed_words_total"), value(metrics, "changed_words_total")) == (2, 1)
        assert value(metrics, "confirmation_delay_seconds_sum") == 1.5
        assert value(metrics, "first_partial_seconds_sum") == 0.75
        assert value(metrics, "final_wait_seconds_bucket", "0.02") == 1
        assert value(metrics, "final_latency_seconds_bucket", "0.43") == 1
        assert (value(metrics, "speculative_finals_total"), value(metrics, "retried_finals_total")) == (1, 1)


class TestEngine:
    async def test_is_looked_at(self, go_forward: bytes) -> None:
        async with running_server() as server:
            server.engine.status = EngineStatus(Condition.DOWN, "gone", restarts=2, prompt_tokens=100, cached_tokens=60)
            assert value(server, "engine_up") == 0
            assert value(server, "engine_restarts_total") == 2
            assert value(server, "engine_prompt_tokens_total") == 100
            assert value(server, "engine_cached_tokens_total") == 60
            server.engine.status = EngineStatus(Condition.DEGRADED, restarts=3)
            assert (value(server, "engine_up"), value(server, "engine_degraded")) == (1, 1)
            assert value(server, "engine_restarts_total") == 3

    async def test_has_a_queue(self, go_forward: bytes) -> None:
        async with (
            running_server(ScriptedEngine(lambda _: Reply(latency_s=3600.0), concurrency=1)) as server,
            server.session(**MANUAL) as one,
            server.session(**MANUAL) as other,
        ):
            for client in (one, other):
                await client.append(go_forward)
                await client.send("input_audio_buffer.commit")
            await eventually(lambda: value(server, "queue_depth") == 1)
            assert (value(server, "decodes_running"), value(server, "slots")) == (1, 1)

    async def test_has_guards(self, go_forward: bytes) -> None:
        engine = ScriptedEngine(lambda _: Reply(Hypothesis("many words " * 200, "en")))
        async with running_server(engine) as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            await client.until(COMPLETED)
            trips = sum(server.service.recogniser.doubts.values())
            assert trips > 0
            server.service.sampler.sample()
            assert sum(server.service.metrics.values()["qwen3_asr_guard_trips_total"].values()) == trips


async def test_the_process_is_looked_at() -> None:
    async with running_server() as server:
        await eventually(lambda: value(server, "event_loop_lag_seconds_count") > 0)
        assert value(server, "process_resident_memory_bytes") > 10_000_000
        assert value(server, "process_cpu_seconds_total") > 0
        assert value(server, "process_open_fds") > 3
        assert value(server, "server_info", "0.1.0", "scripted", "scripted") == 1


async def test_a_backlog_that_is_full_is_counted(go_forward: bytes) -> None:
    engine = ScriptedEngine(lambda _: Reply(Hypothesis("a"), latency_s=3600.0))
    async with running_server(engine, max_backlog_sec=1) as server, server.session(**MANUAL) as client:
        await client.append(go_forward)
        await client.send("input_audio_buffer.commit")
        await client.append(go_forward)
        await eventually(lambda: value(server, "limits_reached_total", "MAX_BACKLOG_SEC") > 0)


def test_every_limit_is_there_with_its_value() -> None:
    metrics, settings = Metrics(), Settings(_env_file=None, max_sessions=7)
    metrics.describe(settings, ScriptedEngine().info)
    limits: Mapping[tuple[str, ...], Any] = metrics.values()["qwen3_asr_limit"]
    assert limits["MAX_SESSIONS",] == 7
    assert {name for (name,) in limits} == {name.upper() for name in LIMITS}
    assert {name for name in Settings.model_fields if name.startswith("max_")} <= set(LIMITS)
