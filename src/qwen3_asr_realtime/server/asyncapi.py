"""The WebSocket protocol as an AsyncAPI 3 document, made from the types of its events."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.protocol.configuration import (
    PREFIX_PADDING_MS_MAX,
    SILENCE_MS_MAX,
    SILENCE_MS_MIN,
    THRESHOLD_MAX,
    THRESHOLD_MIN,
)
from qwen3_asr_realtime.protocol.events import ClientEvent, ServerEvent, SessionUpdate
from qwen3_asr_realtime.server.examples import CLIENT_EVENTS, MODEL, SERVER_EVENTS

Json: TypeAlias = dict[str, Any]

SCHEMAS = "#/components/schemas/"

DESCRIPTION = """\
Compatible with the WebSocket API of Alibaba Cloud's Qwen3-ASR-realtime. Each event is one JSON object in one text \
frame, both ways. The server speaks first, with `session.created`; audio may follow at once. Unknown fields are \
ignored; what cannot be carried out is answered by an `error`, and the session goes on. `response.create` and \
`response.cancel`, which some SDKs send out of habit, are accepted and mean nothing."""


Threshold: TypeAlias = Annotated[
    float, Meta(ge=THRESHOLD_MIN, le=THRESHOLD_MAX, description="Lower is more sensitive; not a probability.")
]
Silence: TypeAlias = Annotated[
    int, Meta(ge=SILENCE_MS_MIN, le=SILENCE_MS_MAX, description="Silence that ends a turn, in milliseconds.")
]
Padding: TypeAlias = Annotated[
    int,
    Meta(ge=0, description=f"Milliseconds kept from before speech; over {PREFIX_PADDING_MS_MAX} count as that many."),
]


class TurnDetectionFields(Struct, kw_only=True):
    """VAD mode."""

    type: Literal["server_vad"] = "server_vad"
    threshold: Threshold | UnsetType = UNSET
    silence_duration_ms: Silence | UnsetType = UNSET
    prefix_padding_ms: Padding | UnsetType = UNSET


class CorpusFields(Struct):
    """What may be spoken of."""

    text: Annotated[str, Meta(description="Names, terms, or any text that comes near what will be said.")] | UnsetType


class TranscriptionFields(Struct, kw_only=True):
    """How to recognise. Without both fields, both are reset."""

    language: Annotated[
        str | UnsetType | None, Meta(description="Code of the language, such as `en`; null or `auto`: detected.")
    ] = UNSET
    corpus: CorpusFields | UnsetType = UNSET


class ConfigurationFields(Struct, kw_only=True):
    """What `session.update` may change. What is left out stays as it is."""

    input_audio_format: Annotated[
        Literal["pcm", "pcm16", "wav", "opus"] | UnsetType,
        Meta(description="16-bit mono PCM, WAV, or Opus in Ogg or as raw packets."),
    ] = UNSET
    sample_rate: Annotated[Literal[8000, 16000] | UnsetType, Meta(description="Of the audio, in Hz.")] = UNSET
    input_audio_transcription: TranscriptionFields | UnsetType = UNSET
    turn_detection: Annotated[
        TurnDetectionFields | UnsetType | None,
        Meta(description="null is Manual mode, where the client says with commits where an utterance ends."),
    ] = UNSET


EVENTS: tuple[ClientEvent | ServerEvent, ...] = (*CLIENT_EVENTS, *SERVER_EVENTS)


def asyncapi_document(path: str) -> Json:
    """The document.

    Args:
        path: Of the WebSocket.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Qwen3-ASR realtime server", "version": __version__, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "this": {
                "host": "{host}",
                "protocol": "ws",
                "variables": {"host": {"default": "localhost:8001", "description": "Where the server listens."}},
            }
        },
        "channels": {
            "realtime": {
                "address": path,
                "title": "One session",
                "messages": {_name(event): {"$ref": f"#/components/messages/{_name(event)}"} for event in EVENTS},
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "query": {
                            "type": "object",
                            "properties": {
                                "model": {
                                    "type": "string",
                                    "default": MODEL,
                                    "description": "Echoed in the session.",
                                }
                            },
                        },
                    }
                },
            }
        },
        "operations": {
            "receive": _operation("receive", "What a client may send.", CLIENT_EVENTS),
            "send": _operation("send", "What a client is sent.", SERVER_EVENTS),
        },
        "components": {
            "messages": {_name(event): _message(event) for event in EVENTS},
            "schemas": _schemas(),
        },
    }


def _operation(action: str, summary: str, events: Sequence[Struct]) -> Json:
    channel = "#/channels/realtime"
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{_name(event)}"} for event in events],
    }


def _name(event: Struct) -> str:
    return type(event).__name__


def _message(event: ClientEvent | ServerEvent) -> Json:
    return {
        "name": event.__struct_config__.tag,
        "title": event.__struct_config__.tag,
        "summary": " ".join((type(event).__doc__ or "").split()),
        "payload": {"$ref": f"{SCHEMAS}{_name(event)}"},
        "examples": [{"payload": msgspec.json.decode(msgspec.json.encode(event))}],
    }


def _schemas() -> Json:
    """All types of the wire, by name."""
    client, server = ([type(event) for event in events] for events in (CLIENT_EVENTS, SERVER_EVENTS))
    template = f"{SCHEMAS}{{name}}"
    _, sent = msgspec.json.schema_components(server, ref_template=template)
    for schema in sent.values():
        _say_what_is_always_there(schema)
    _, received = msgspec.json.schema_components([*client, ConfigurationFields], ref_template=template)
    # The type is wide, as every field is checked by itself, to be named in the `error` about it.
    received[SessionUpdate.__name__]["properties"]["session"] = {"$ref": f"{SCHEMAS}{ConfigurationFields.__name__}"}
    schemas: Json = _as_draft_07({**sent, **received})
    return schemas


def _say_what_is_always_there(schema: Json) -> None:
    """What the server writes has every field that has a default, too."""
    properties: dict[str, Json] = schema.get("properties", {})
    schema["required"] = [
        name for name, field in properties.items() if name in schema.get("required", ()) or "default" in field
    ]
    for field in properties.values():
        field.pop("default", None)


def _as_draft_07(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    """AsyncAPI's schemas are those of draft 7, which has another word for tuples than msgspec's, of 2020."""
    match schema:
        case {"prefixItems": pieces, **rest}:
            return _as_draft_07({**rest, "items": pieces, "additionalItems": False})
        case dict():
            return {name: _as_draft_07(value) for name, value in schema.items()}
        case list():
            return [_as_draft_07(value) for value in schema]
        case _:
            return schema
