"""The server events as the protocol reference documents them: which fields, of which type, and nothing else."""

import json
import re
from typing import Any

from qwen3_asr_realtime.protocol.events import ServerEvent, encode_server_event

Event = dict[str, Any]

ID = re.compile(r"[a-z]+_[A-Za-z0-9]{21}")

_TRANSCRIPTION = {"model": str, "language?": str, "corpus?": {"text": str}}
_TURN_DETECTION = {"type": "server_vad", "threshold": float, "silence_duration_ms": int}
_SESSION = {
    "id": str,
    "object": "realtime.session",
    "model": str,
    "modalities": ["text"],
    "input_audio_format": str,
    "sample_rate": int,
    "input_audio_transcription": _TRANSCRIPTION,
    "turn_detection": (_TURN_DETECTION, None),
}
_ITEM = {
    "id": str,
    "object": "realtime.item",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_audio", "transcript": None}],
}
_ERROR = {
    "type": ("invalid_request_error", "server_error"),
    "code": str,
    "message": str,
    "param": (str, None),
    "event_id": (str, None),
}
_OF_ITEM = {"item_id": str, "content_index": 0}

SERVER_EVENTS: dict[str, dict[str, Any]] = {
    "session.created": {"session": _SESSION},
    "session.updated": {"session": _SESSION},
    "input_audio_buffer.speech_started": {"audio_start_ms": int, "item_id": str},
    "input_audio_buffer.speech_stopped": {"audio_end_ms": int, "item_id": str},
    "input_audio_buffer.committed": {"previous_item_id": str, "item_id": str},
    "input_audio_buffer.cleared": {},
    "conversation.item.created": {"previous_item_id": str, "item": _ITEM},
    "conversation.item.input_audio_transcription.text": {
        **_OF_ITEM,
        "language": str,
        "emotion": "neutral",
        "text": str,
        "stash": str,
    },
    "conversation.item.input_audio_transcription.completed": {
        **_OF_ITEM,
        "language": str,
        "emotion": ("neutral", ""),
        "transcript": str,
        "usage": {"duration": int},
    },
    "conversation.item.input_audio_transcription.failed": {
        **_OF_ITEM,
        "error": {"code": str, "message": str, "param": (str, None)},
    },
    "session.finished": {"transcript?": str},
    "error": {"error": _ERROR},
}
"""Fields beside `event_id` and `type`. A type stands for itself, a tuple for a choice, `?` for a field that may be
absent, anything else for that very value. null is allowed only where it is named."""


def documented(event: ServerEvent) -> Event:
    """The event as the client reads it, once it has been found to be as documented."""
    frame = encode_server_event(event)
    read: Event = json.loads(frame)
    shape = {"event_id": str, "type": read["type"], **SERVER_EVENTS[read["type"]]}
    assert _matches(read, shape), f"not as documented: {frame}"
    return read


def _matches(value: object, shape: object) -> bool:
    match shape:
        case type():
            return type(value) is shape  # True is no integer here
        case tuple():
            return any(_matches(value, choice) for choice in shape)
        case list():
            return isinstance(value, list) and len(value) == len(shape) and all(map(_matches, value, shape))
        case dict():
            if not isinstance(value, dict):
                return False
            known = {name.removesuffix("?"): (name, shape[name]) for name in shape}
            return (
                value.keys() <= known.keys()
                and all(name in value or key.endswith("?") for name, (key, _) in known.items())
                and all(_matches(value[name], known[name][1]) for name in value)
            )
        case _:
            return type(value) is type(shape) and value == shape
