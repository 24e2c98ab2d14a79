"""The wire, through a real socket, in the order of the protocol's sections."""

import asyncio
import base64
import json
import math

import pytest
from tests.server.harness import REALTIME, Client, Event, eventually, reached, running_server

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.engines.scripted import Reply, ScriptedEngine
from qwen3_asr_realtime.samples import SAMPLE_RATE
from qwen3_asr_realtime.server.inbox import Notice

MANUAL = {"turn_detection": None}
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
TEXT = "conversation.item.input_audio_transcription.text"
END_OF_TURN = [
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.created",
    COMPLETED,
    "session.finished",
]


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events if event["type"] != TEXT]


def transcripts(events: list[Event]) -> list[str]:
    return [event["transcript"] for event in events if event["type"] == COMPLETED]


def assert_heard(events: list[Event], times: int = 1) -> None:
    """The clip was recognised so many times, from its first half second to its fourth (the engine counts them)."""
    heard = transcripts(events)
    assert len(heard) == times
    assert all(transcript.startswith("w1 w2 w3 w4") for transcript in heard)


async def error(client: Client) -> Event:
    event = await client.receive()
    assert event["type"] == "error"
    assert event["error"]["type"] == "invalid_request_error"
    return event["error"]


async def assert_usable(client: Client, speech: bytes) -> None:
    """The session still does what it is for."""
    await client.append(speech)
    assert_heard(await client.finish())


class TestSection1Connection:
    async def test_greets_without_waiting_for_the_client(self) -> None:
        async with running_server() as server, server.connect() as client:
            event = await client.receive()
        assert event["type"] == "session.created"
        assert event["session"]["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.0,
            "silence_duration_ms": 400,
        }

    @pytest.mark.parametrize(
        ("path", "model"),
        [
            (REALTIME, "qwen3-asr-flash-realtime"),
            (f"{REALTIME}/", "qwen3-asr-flash-realtime"),
            ("/v1/realtime", "qwen3-asr-flash-realtime"),
            (f"{REALTIME}?model=qwen3-asr-flash-realtime-2026-02-10", "qwen3-asr-flash-realtime-2026-02-10"),
            (f"{REALTIME}?token=abc?model=qwen3-asr-flash-realtime-2025-10-27", "qwen3-asr-flash-realtime-2025-10-27"),
            (f"{REALTIME}?model=somebody-elses", "somebody-elses"),
        ],
    )
    async def test_echoes_the_model_in_both_places(self, path: str, model: str) -> None:
        async with running_server() as server, server.connect(path) as client:
            session = (await client.receive())["session"]
        assert session["model"] == session["input_audio_transcription"]["model"] == model

    async def test_selects_the_sub_protocol_only_if_offered(self) -> None:
        async with running_server() as server:
            async with server.connect() as client:
                assert client.socket.subprotocol is None
            offered = ["realtime", "openai-insecure-api-key.x", "openai-beta.realtime-v1"]
            async with server.connect(subprotocols=offered) as client:
                assert client.socket.subprotocol == "realtime"

    async def test_ignores_headers_it_does_not_need(self) -> None:
        headers = {"Authorization": "bearer x", "OpenAI-Beta": "realtime=v1", "X-DashScope-WorkSpace": "w"}
        async with (
            running_server() as server,
            server.connect(additional_headers=headers, origin="http://elsewhere:1") as client,
        ):
            assert (await client.receive())["type"] == "session.created"

    async def test_refuses_an_unknown_model_if_told_to(self) -> None:
        name = "x" * 1000  # longer than a close frame may be
        path = f"{REALTIME}?model={name}"
        async with running_server(unknown_model="refuse") as server, server.connect(path) as client:
            event = await client.receive()
            assert event["type"] == "error"
            assert event["error"]["code"] == "model_not_found"
            assert await client.closed() == (1008, "model_not_found")

    async def test_answers_pings_and_outlives_missing_pongs(self) -> None:
        async with running_server() as server, server.session() as client:
            await (await client.socket.ping())
            assert types(await client.finish()) == ["session.finished"]


class TestSection2LifeCycle:
    async def test_a_silent_client_is_closed_after_its_open_items(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await eventually(lambda: bool(server.engine.calls))
            server.tell(Notice.SILENCE)
            assert_heard(await client.until(COMPLETED))
            assert await client.closed() == (1000, "idle timeout")

    @pytest.mark.parametrize("configuration", [{}, MANUAL])
    async def test_finish_at_once(self, configuration: dict[str, object]) -> None:
        async with running_server() as server, server.session(**configuration) as client:
            assert types(await client.finish()) == ["session.finished"]

    async def test_leaves_the_close_to_the_client_for_a_while(self) -> None:
        async with running_server(finish_grace_sec=60) as server, server.session() as client:
            await client.finish()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.socket.recv()

    async def test_and_closes_if_the_client_does_not(self) -> None:
        async with running_server(finish_grace_sec=0.05) as server, server.session() as client:
            await client.finish()
            assert await client.closed() == (1000, "session finished")

    async def test_finish_flushes_speech_that_is_still_going_on(self, go_forward: bytes) -> None:
        half = go_forward[: len(go_forward) // 2 // 2 * 2]
        async with running_server() as server, server.session() as client:
            await client.append(half)
            events = await client.finish()
        assert types(events) == ["input_audio_buffer.speech_started", *END_OF_TURN]
        assert events[-1]["transcript"] == transcripts(events)[0] != ""

    async def test_what_comes_after_finish_is_ignored(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session() as client:
            await client.send("session.finish")
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            await client.send("session.update", session={"sample_rate": 1})
            await client.socket.send("no json")
            assert types(await client.finish()) == ["session.finished"]

    async def test_a_client_that_vanishes_takes_nothing_with_it(self, go_forward: bytes) -> None:
        engine = ScriptedEngine(lambda call: Reply(Hypothesis("never"), latency_s=math.inf))
        async with running_server(engine) as server, server.session() as survivor:
            async with server.session(**MANUAL) as client:
                await client.append(go_forward)
                await client.send("input_audio_buffer.commit")
                await client.until("conversation.item.created")
                await eventually(lambda: bool(engine.calls))
                client.socket.transport.abort()
            await eventually(lambda: len(server.service.connections) == 1)
            assert server.service.recogniser.scheduler.running == 0
            engine.script = ScriptedEngine().script
            await assert_usable(survivor, go_forward)


class TestSection3ClientEvents:
    @pytest.mark.parametrize(
        ("frame", "code", "param", "event_id"),
        [
            ("{", "invalid_json", None, None),
            ("[]", "invalid_json", None, None),
            ("[" * 100_000, "invalid_json", None, None),
            ('{"event_id": "e1"}', "invalid_value", "type", "e1"),
            ('{"type": 7}', "invalid_value", "type", None),
            ('{"type": "nonsense", "event_id": "e2"}', "invalid_value", "type", "e2"),
            ('{"type": "conversation.item.create"}', "invalid_value", "type", None),
            ('{"type": "input_audio_buffer.append", "event_id": "e3"}', "invalid_value", "audio", "e3"),
            ('{"type": "input_audio_buffer.append", "audio": "!!!!"}', "invalid_value", "audio", None),
            ('{"type": "session.update"}', "invalid_value", "session", None),
            (
                '{"type": "session.update", "event_id": "e4", "session": {"sample_rate": 44100}}',
                "invalid_value",
                "session.sample_rate",
                "e4",
            ),
        ],
    )
    async def test_a_bad_event_is_answered_and_harms_nothing(
        self, go_forward: bytes, frame: str, code: str, param: str | None, event_id: str | None
    ) -> None:
        async with running_server() as server, server.session() as client:
            await client.socket.send(frame)
            problem = await error(client)
            assert (problem["code"], problem["param"], problem["event_id"]) == (code, param, event_id)
            await assert_usable(client, go_forward)

    async def test_a_language_the_engine_does_not_know(self) -> None:
        engine = ScriptedEngine()
        engine.info = engine.info.__class__("embedded", "tiny", frozenset({"en"}), 15.0, 2)
        async with running_server(engine) as server, server.session() as client:
            await client.send("session.update", session={"input_audio_transcription": {"language": "zh"}})
            problem = await error(client)
            assert problem["param"] == "session.input_audio_transcription.language"
            assert "embedded" in problem["message"]

    async def test_an_empty_commit(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            await client.send("input_audio_buffer.commit", event_id="c1")
            problem = await error(client)
            assert problem["code"] == "input_audio_buffer_commit_empty"
            assert problem["event_id"] == "c1"
            await assert_usable(client, go_forward)

    async def test_a_redundant_commit_is_ignored(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            await client.send("input_audio_buffer.commit")
            events = await client.finish()
        assert types(events) == [
            "input_audio_buffer.committed",
            "conversation.item.created",
            COMPLETED,
            "session.finished",
        ]

    async def test_clear_forgets_the_audio(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
            assert types(await client.finish()) == ["session.finished"]

    async def test_a_binary_frame_is_refused(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session() as client:
            await client.socket.send(go_forward)
            assert "base64" in (await error(client))["message"]
            await assert_usable(client, go_forward)

    async def test_a_binary_frame_is_audio_if_the_server_is_told_so(self, go_forward: bytes) -> None:
        async with running_server(binary_append=True) as server, server.session() as client:
            await client.socket.send(go_forward)
            assert_heard(await client.finish())

    async def test_a_wave_file_of_another_rate_is_refused_once(self) -> None:
        header = (
            b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0"
            + (44100).to_bytes(4, "little")
            + (88200).to_bytes(4, "little")
            + b"\x02\0\x10\0data\xff\xff\xff\xff"
        )
        async with running_server() as server, server.session() as client:
            await client.append(header + bytes(3200))
            await client.append(bytes(3200))
            assert (await error(client))["param"] == "session.sample_rate"
            assert types(await client.finish()) == ["session.finished"]

    async def test_twenty_malformed_frames_in_a_row_end_the_connection(self) -> None:
        async with running_server() as server, server.session() as client:
            for _ in range(20):
                await client.socket.send("{")
            for _ in range(20):
                assert (await error(client))["code"] == "invalid_json"
            assert (await client.closed())[0] == 1007


class TestSection5Ordering:
    @pytest.mark.parametrize("chunk_bytes", [3201, 640, 1_000_000])
    async def test_vad_mode(self, go_forward: bytes, chunk_bytes: int) -> None:
        async with running_server() as server, server.session() as client:
            for first in range(0, len(go_forward), chunk_bytes):
                await client.append(go_forward[first : first + chunk_bytes])
            events = await client.finish()
        assert types(events) == ["input_audio_buffer.speech_started", *END_OF_TURN]
        assert_heard(events)
        assert len({event["item_id"] for event in events if "item_id" in event}) == 1

    async def test_manual_mode_previews_before_the_commit(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            previous_id = ""
            for _ in range(2):
                await client.append(go_forward)
                preview = await client.receive()
                await client.send("input_audio_buffer.commit")
                events = await client.until(COMPLETED)
                assert preview["type"] == TEXT
                assert types(events) == ["input_audio_buffer.committed", "conversation.item.created", COMPLETED]
                assert {preview["item_id"]} == {event["item_id"] for event in events if "item_id" in event}
                committed = next(event for event in events if event["type"] == "input_audio_buffer.committed")
                assert committed["previous_item_id"] == previous_id
                previous_id = committed["item_id"]

    async def test_silence_in_manual_mode_is_an_empty_transcript(self) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            await client.append(bytes(2 * SAMPLE_RATE))
            events = await client.finish()
            assert transcripts(events) == [""]
            assert not server.engine.calls

    async def test_a_failed_final_is_a_failed_item_and_the_session_goes_on(self, go_forward: bytes) -> None:
        engine = ScriptedEngine(lambda call: Reply(error="out of memory"))
        async with running_server(engine) as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            failed = (await client.until(FAILED))[-1]
            assert failed["error"] == {
                "code": "server_error",
                "message": "Recognition failed.",
                "param": None,
            }
            engine.script = ScriptedEngine().script
            await assert_usable(client, go_forward)


class TestTrace:
    async def test_a_final_tells_where_its_time_went_if_asked(self, go_forward: bytes) -> None:
        async with running_server(trace_events=True) as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            [*_, final] = await client.until(COMPLETED)
        parts = final["x_trace"]
        total_ms = parts.pop("total")
        assert parts.keys() == {"silence", "queue", "decode", "delivery"}
        assert sum(parts.values()) == pytest.approx(total_ms, abs=0.01)
        assert 0 < total_ms < 10_000

    async def test_and_not_if_not(self, go_forward: bytes) -> None:
        async with running_server() as server, server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            [*_, final] = await client.until(COMPLETED)
        assert "x_trace" not in final


class TestSection8Limits:
    async def test_sessions(self) -> None:
        async with running_server(max_sessions=1) as server, server.session() as first:
            async with server.connect() as second:
                event = await second.receive()
                assert event["error"]["code"] == "rate_limit_exceeded"
                assert (await second.closed())[0] == 1013
            assert types(await first.finish()) == ["session.finished"]

    async def test_frame_size(self) -> None:
        async with running_server(max_frame_mib=1) as server, server.session() as client:
            await client.append(bytes(1024 * 1024))
            assert (await client.closed())[0] == 1009

    async def test_append_size(self, go_forward: bytes) -> None:
        async with running_server(max_append_mib=1) as server, server.session() as client:
            await client.append(bytes(1024 * 1024))
            assert (await error(client))["param"] == "audio"
            await assert_usable(client, go_forward)

    async def test_the_documented_append_is_accepted(self) -> None:
        audio = base64.b64encode(bytes(15 * 1024 * 1024 * 3 // 4)).decode()
        assert len(audio) == 15 * 1024 * 1024
        async with running_server() as server, server.session() as client:
            await client.send("input_audio_buffer.append", audio=audio)
            assert types(await client.finish()) == ["session.finished"]

    async def test_audio_that_waits_for_the_engine_slows_the_client_and_is_not_lost(self, go_forward: bytes) -> None:
        engine = ScriptedEngine(lambda call: Reply(Hypothesis("words"), latency_s=math.inf))
        # Each clip is an item of some two seconds. With one second allowed to wait, the server stops listening during
        # the second one, and stops reading once two frames' worth of bytes have piled up behind it.
        async with (
            running_server(engine, max_backlog_sec=1.0, max_frame_mib=1, decode_timeout_sec=1.0) as server,
            server.session() as client,
        ):
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(100):
                    await client.append(go_forward)
                    sent += 1

            sending = asyncio.create_task(send())
            await eventually(lambda: reached(server, "MAX_BACKLOG_SEC") > 0 and server.is_holding_back(client))
            assert 0 < sent < 100
            [inbox] = server.inboxes
            async with server.session() as other:  # time enough for all the rest to come in
                await other.finish()
            assert inbox._waiting.amount < inbox._waiting.limit + 2 * len(go_forward)
            engine.script = ScriptedEngine().script
            await sending
            ends = [event for event in await client.finish() if event["type"] in (COMPLETED, FAILED)]
            assert len(ends) == 100
            assert all(event["transcript"].startswith("w1 w2") for event in ends if event["type"] == COMPLETED)

    async def test_events_a_client_does_not_read(self, go_forward: bytes) -> None:
        corpus = {"text": "x" * 1_000_000}
        async with (
            running_server(max_unsent_events=10) as server,
            server.session(input_audio_transcription={"corpus": corpus}) as client,
            server.session() as other,
        ):
            client.socket.transport.pause_reading()
            for _ in range(40):
                await client.send("session.update", session={})  # is answered with all of the configuration
            await eventually(lambda: len(server.service.connections) == 1)
            await assert_usable(other, go_forward)
            assert reached(server, "MAX_UNSENT_EVENTS") == 1


class TestOtherSessions:
    async def test_eight_sessions_do_not_mix(self, go_forward: bytes) -> None:
        async with running_server() as server:

            async def run() -> list[Event]:
                async with server.session() as client:
                    for first in range(0, len(go_forward), 3200):
                        await client.append(go_forward[first : first + 3200])
                    return await client.finish()

            for events in await asyncio.gather(*(run() for _ in range(8))):
                assert_heard(events)


async def test_frames_are_json_objects_with_a_string_type(go_forward: bytes) -> None:
    async with running_server() as server, server.connect() as client:
        await client.append(go_forward)
        await client.send("session.finish")
        while True:
            frame = await client.socket.recv()
            assert isinstance(frame, str)
            event = json.loads(frame)
            assert isinstance(event["type"], str)
            assert isinstance(event["event_id"], str)
            if event["type"] == "session.finished":
                break
