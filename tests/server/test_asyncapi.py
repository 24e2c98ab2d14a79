"""The document of the WebSocket protocol against the protocol itself. (Its form: `make test-asyncapi`.)"""

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator
from tests.server.harness import running_server

from qwen3_asr_realtime.engines.scripted import Reply, ScriptedEngine
from qwen3_asr_realtime.protocol.configuration import Configuration, Support, TurnDetection
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import (
    ClientEvent,
    IgnoredEvent,
    ServerEvent,
    UnsupportedEvent,
    decode_client_event,
)
from qwen3_asr_realtime.server.asyncapi import asyncapi_document
from qwen3_asr_realtime.server.examples import CLIENT_EVENTS, CONFIGURATION, SERVER_EVENTS

DOCUMENT = asyncapi_document("/api-ws/v1/realtime")
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
SUPPORT = Support(TurnDetection(0.0, 400, 300), ("pcm", "wav", "opus"), None, "an engine")


def validator(schema: str) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]})


def schema_of(event: dict[str, Any]) -> str:
    """Name of the schema of an event that a server sent."""
    (name,) = (type(example).__name__ for example in SERVER_EVENTS if example.__struct_config__.tag == event["type"])
    return name


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[name])


def test_every_event_of_the_protocol_is_in_it() -> None:
    received = {type(event) for event in CLIENT_EVENTS}
    sent = {type(event) for event in SERVER_EVENTS}
    assert received == set(ClientEvent.__subclasses__()) - {IgnoredEvent, UnsupportedEvent}
    assert sent == set(ServerEvent.__subclasses__())
    assert len(DOCUMENT["components"]["messages"]) == len(received | sent)


@pytest.mark.parametrize("event", CLIENT_EVENTS, ids=lambda event: event.__struct_config__.tag)
def test_a_client_may_send_what_it_shows(event: ClientEvent) -> None:
    assert decode_client_event(msgspec.json.encode(event)) == event


@pytest.mark.parametrize("message", DOCUMENT["components"]["messages"].values(), ids=lambda message: message["name"])
def test_an_example_is_of_its_type(message: dict[str, Any]) -> None:
    [example] = message["examples"]
    name = message["payload"]["$ref"].rpartition("/")[2]
    validator(name).validate(example["payload"])
    assert example["payload"]["type"] == message["name"]
    assert message["summary"]


@pytest.mark.parametrize("engine", [ScriptedEngine(), ScriptedEngine(lambda _: Reply(error="no"))])
async def test_a_server_sends_what_it_shows(go_forward: bytes, engine: ScriptedEngine) -> None:
    async with running_server(engine, trace_events=True) as server, server.connect() as client:
        await client.append(go_forward)
        await client.send("session.update", session=CONFIGURATION)
        await client.send("input_audio_buffer.clear")
        await client.send("nonsense")
        await client.append(go_forward)
        events = await client.finish()
    assert len({event["type"] for event in events}) >= 9
    for event in events:
        name = schema_of(event)
        validator(name).validate(event)
        assert set(event) <= set(SCHEMAS[name]["properties"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        CONFIGURATION,
        {"turn_detection": None},
        {"turn_detection": {"type": "server_vad"}},
        {"turn_detection": {"threshold": -1, "silence_duration_ms": 200, "prefix_padding_ms": 0}},
        {"turn_detection": {"threshold": 1.0, "silence_duration_ms": 6000, "prefix_padding_ms": 5000}},
        {"input_audio_format": "pcm16", "sample_rate": 8000},
        {"input_audio_transcription": {"language": "auto", "corpus": {"text": ""}}},
        {"input_audio_transcription": {"language": None}},
        {"something": "else"},
    ],
    ids=json.dumps,
)
def test_a_configuration_that_it_allows_is_allowed(fields: dict[str, Any]) -> None:
    validator("ConfigurationFields").validate(fields)
    Configuration().updated(fields, SUPPORT)


@pytest.mark.parametrize(
    "fields",
    [
        {"turn_detection": {"threshold": 1.1}},
        {"turn_detection": {"threshold": -1.1}},
        {"turn_detection": {"silence_duration_ms": 199}},
        {"turn_detection": {"silence_duration_ms": 6001}},
        {"turn_detection": {"prefix_padding_ms": -1}},
        {"turn_detection": {"type": "semantic_vad"}},
        {"turn_detection": []},
        {"input_audio_format": "mp3"},
        {"sample_rate": 44100},
        {"input_audio_transcription": {"language": 1}},
        {"input_audio_transcription": {"corpus": {"text": 1}}},
    ],
    ids=json.dumps,
)
def test_a_configuration_that_it_forbids_is_refused(fields: dict[str, Any]) -> None:
    assert not validator("ConfigurationFields").is_valid(fields)
    with pytest.raises(ProtocolError):
        Configuration().updated(fields, SUPPORT)


def test_all_that_a_server_sends_is_always_there_but_for_four_fields() -> None:
    received = {type(event).__name__ for event in CLIENT_EVENTS}
    sent = {name for name in SCHEMAS if not name.endswith("Fields")} - received
    optional = {
        f"{name}.{field}"
        for name in sent
        for field in SCHEMAS[name]["properties"]
        if field not in SCHEMAS[name]["required"]
    }
    assert optional == {
        "TranscriptionCompleted.x_trace",
        "SessionFinished.transcript",
        "TranscriptionView.language",
        "TranscriptionView.corpus",
    }
