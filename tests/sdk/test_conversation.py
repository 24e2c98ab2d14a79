"""`OmniRealtimeConversation`, the class of the SDK that most programs for this service are written with."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sdk.conftest import Environments
from tests.sdk.payloads import FLAT_PAYLOADS, PAYLOADS, sent, understood
from tests.sdk.sdk import COMMAND, MANUAL_ITEM, SENTENCE, TEXT, VAD_ITEM, Program, Sdk, Seen
from tests.sdk.tap import wire_tap

from qwen3_asr_realtime.client.local_server import LocalServer

WITHOUT_END_SESSION = "1.25.5"
WITHOUT_NESTED_FORMAT = ("1.25.6", "1.25.24")

FINAL_WITHIN_S = 3.0
"""From the finish to the end: the shortest patience of a client."""

RELEASED_WITHIN_S = 0.5
"""From `session.finished` to the return of `end_session`; its time-out is 20 s."""

CLOSED_WITHIN_S = 1.0
"""Duration of `close`, which waits 3 s for the server's close frame."""

GONE_WITHIN_S = 2.0
"""From the end of a connection to the end of its session."""


def check_end(seen: Seen) -> None:
    """`end_session` returned because of `session.finished`, and soon."""
    finished = seen.events[-1]
    assert finished["type"] == "session.finished"
    assert finished["transcript"] == " ".join(seen.transcripts)
    assert 0 <= seen.one("ended").at_s - seen.at_s("session.finished") < RELEASED_WITHIN_S


def test_vad_mode(sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    seen = sdk.run("conversation_vad", server.url, recordings["sentences"])
    assert [event["type"] for event in seen.events[:2]] == ["session.created", "session.updated"]
    assert seen.items == [VAD_ITEM, VAD_ITEM]
    assert seen.of_type(TEXT)
    assert seen.spoken == [SENTENCE, COMMAND]
    assert not seen.of_type("error")
    check_end(seen)
    ended = seen.one("ended")
    assert ended.at_s - seen.one("ending").at_s < FINAL_WITHIN_S
    assert ended.details["session_id"] == seen.events[0]["session"]["id"]
    assert ended.details["last_message"] == seen.events[-1]
    # Closing was left to the client: its microphone may go on for a moment (and the Java SDK has to be the first).
    before_closing = seen.lines[: seen.lines.index(seen.one("closing"))]
    assert "close" not in [line.saw for line in before_closing]
    assert seen.one("closed").at_s - seen.one("closing").at_s < CLOSED_WITHIN_S


def test_manual_mode(sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    seen = sdk.run("conversation_manual", server.url, recordings["sentence"])
    assert seen.events[1]["session"]["turn_detection"] is None
    assert seen.of_type(TEXT)
    assert seen.items == [MANUAL_ITEM, MANUAL_ITEM, MANUAL_ITEM]
    assert seen.spoken == [SENTENCE, SENTENCE, SENTENCE]
    assert not seen.of_type("error")
    check_end(seen)


def test_every_update_arrives_and_is_answered(
    sdk: Sdk, scripted_server: LocalServer, recordings: dict[str, Path]
) -> None:
    payloads = FLAT_PAYLOADS if sdk.version in WITHOUT_NESTED_FORMAT else PAYLOADS
    with wire_tap(f"{scripted_server.url}?tenant=a") as tap:
        seen = sdk.run("conversation_payloads", tap.url, recordings["sentence"])
    assert sent(tap.sent) == [payload.session for payload in payloads]
    assert understood(seen) == [(payload.turn_detection, payload.language) for payload in payloads]
    # The SDK has put a second question mark into the address.
    assert tap.requests[0].endswith("?tenant=a?model=qwen3-asr-flash-realtime-2025-10-27")
    assert seen.events[0]["session"]["model"] == "qwen3-asr-flash-realtime-2025-10-27"
    assert seen.transcripts[0].startswith("w1 w2"), "enable_input_audio_transcription=False means no deafness"


def test_an_invalid_update_is_an_event_and_no_end(sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    seen = sdk.run("conversation_error", server.url, recordings["sentence"])
    errors = [event["error"] for event in seen.of_type("error")]
    assert [error["param"] for error in errors] == [
        "session.turn_detection.threshold",
        "session.input_audio_transcription.language",
        "session.sample_rate",
    ]
    assert not seen.of_type("session.updated")
    assert seen.spoken == [SENTENCE]
    check_end(seen)


def test_a_callback_that_blocks_loses_nothing(sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    seen = sdk.run("conversation_slow_callback", server.url, recordings["sentence"])
    assert seen.one("unblocked").at_s > seen.one("appended").at_s, "audio went up meanwhile"
    assert seen.items == [VAD_ITEM]
    assert seen.of_type(TEXT)
    assert seen.spoken == [SENTENCE]
    check_end(seen)


def test_close_without_end_session(sdk: Sdk, scripted_server: LocalServer, recordings: dict[str, Path]) -> None:
    with client_in_mid_speech(sdk, scripted_server, recordings["sentence"]) as program:
        program.seen()  # gives it the end of its input, upon which it closes


def test_a_killed_client(newest_sdk: Sdk, scripted_server: LocalServer, recordings: dict[str, Path]) -> None:
    with client_in_mid_speech(newest_sdk, scripted_server, recordings["sentence"]) as program:
        program.kill()


@contextmanager
def client_in_mid_speech(sdk: Sdk, server: LocalServer, audio: Path) -> Iterator[Program]:
    """The context must end the client; its session must then be gone, too."""
    program = sdk.start("conversation_abandoned", server.url, audio)
    try:
        program.wait_for("in mid-speech")
        assert sessions(server) == 1
        yield program
    finally:
        program.kill()
    deadline_s = time.monotonic() + GONE_WITHIN_S
    while sessions(server):
        assert time.monotonic() < deadline_s, "the session has outlived its client"


def sessions(server: LocalServer) -> int:
    """How many a healthy server has."""
    with urllib.request.urlopen(f"{server.http_url}/health") as answer:
        health = json.load(answer)
    assert health["status"] == "ok"
    return int(health["sessions"])


def test_before_end_session_existed(
    environment: Environments, server: LocalServer, recordings: dict[str, Path]
) -> None:
    seen = environment(WITHOUT_END_SESSION).run("conversation_raw_finish", server.url, recordings["sentence"])
    assert seen.one("has end_session").details == {"answer": False}
    assert seen.spoken == [SENTENCE]
    assert seen.events[-1]["type"] == "session.finished"
