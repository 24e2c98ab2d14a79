"""The 2.x client, `dashscope.Client().audio.realtime`, which reads only while the application asks it to."""

from pathlib import Path

from tests.sdk.payloads import PAYLOADS, sent, understood
from tests.sdk.sdk import COMMAND, MANUAL_ITEM, SENTENCE, TEXT, VAD_ITEM, Sdk
from tests.sdk.tap import wire_tap

from qwen3_asr_realtime.client.local_server import LocalServer

FINAL_WITHIN_S = 3.0


def test_a_session_in_vad_mode(newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    seen = newest_sdk.run("client_session", server.url, recordings["sentences"])
    assert [event["type"] for event in seen.events[:2]] == ["session.created", "session.updated"]
    assert seen.items == [VAD_ITEM, VAD_ITEM]
    assert seen.of_type(TEXT)
    assert seen.spoken == [SENTENCE, COMMAND]
    assert seen.events[-1]["type"] == "session.finished"
    assert seen.one("ended").details["session_id"] == seen.events[0]["session"]["id"]
    assert seen.one("ended").at_s - seen.one("ending").at_s < FINAL_WITHIN_S


def test_several_turns_in_manual_mode(newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    seen = newest_sdk.run("client_manual", server.url, recordings["sentence"])
    assert seen.items == [MANUAL_ITEM, MANUAL_ITEM]
    assert seen.spoken == [SENTENCE, SENTENCE]
    assert seen.events[-1]["type"] == "session.finished"


def test_every_update_arrives_and_is_answered(
    newest_sdk: Sdk, scripted_server: LocalServer, recordings: dict[str, Path]
) -> None:
    with wire_tap(scripted_server.url) as tap:
        seen = newest_sdk.run("client_payloads", tap.url, recordings["sentence"])
    assert sent(tap.sent) == [payload.session for payload in PAYLOADS]
    assert understood(seen) == [(payload.turn_detection, payload.language) for payload in PAYLOADS]


def test_an_invalid_update_is_an_exception_and_no_end(
    newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path]
) -> None:
    seen = newest_sdk.run("client_error", server.url, recordings["sentence"])
    refusal = seen.one("exception").details
    assert refusal["kind"] == "DashScopeError"
    assert "7" in refusal["message"]
    assert not seen.of_type("session.updated")
    assert seen.spoken == [SENTENCE]
    assert seen.events[-1]["type"] == "session.finished"
