"""`/asyncapi.json` of a running server, read by the official parser."""

import json
import subprocess
import urllib.request
from typing import Any

import pytest

from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.server.examples import CLIENT_EVENTS, SERVER_EVENTS

WARNING = 1
"""Severities: 0 is an error, 1 a warning, 2 information, 3 a hint."""


@pytest.fixture(scope="module")
def document() -> bytes:
    with (
        local_server(env={"ASR_ENGINE": "scripted"}) as server,
        urllib.request.urlopen(f"{server.http_url}/asyncapi.json") as answer,
    ):
        body: bytes = answer.read()
    return body


def validated(parser: list[str], document: bytes) -> dict[str, Any]:
    done = subprocess.run(parser, input=document, capture_output=True, timeout=60, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_official_parser_finds_nothing_wrong(parser: list[str], document: bytes) -> None:
    result = validated(parser, document)
    assert [problem for problem in result["problems"] if problem["severity"] <= WARNING] == []
    assert result["version"] == "3.0.0"
    assert result["events"] == {
        "receive": [event.__struct_config__.tag for event in CLIENT_EVENTS],
        "send": [event.__struct_config__.tag for event in SERVER_EVENTS],
    }


def test_the_official_parser_finds_a_type_that_is_none(parser: list[str], document: bytes) -> None:
    broken = json.loads(document)
    broken["components"]["schemas"]["SpeechStarted"]["properties"]["audio_start_ms"]["type"] = "whole number"
    problems = validated(parser, json.dumps(broken).encode())["problems"]
    assert 0 in {problem["severity"] for problem in problems}


def test_the_official_parser_finds_a_reference_to_nothing(parser: list[str], document: bytes) -> None:
    broken = json.loads(document)
    del broken["components"]["schemas"]["SessionView"]
    problems = validated(parser, json.dumps(broken).encode())["problems"]
    assert "invalid-ref" in {problem["code"] for problem in problems}
