"""The events of the protocol as the wire has them: names, fields, types. Section 4 of the specification."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from qwen3_asr_realtime.conformance.predicates import (
    BOOLEAN,
    INTEGER,
    NOT_EMPTY,
    NUMBER,
    PRESENT,
    STRING,
    Optional,
    either,
    matches,
    one_of,
)

APPEND: Final = "input_audio_buffer.append"
FINISH: Final = "session.finish"

CREATED: Final = "session.created"
UPDATED: Final = "session.updated"
STARTED: Final = "input_audio_buffer.speech_started"
STOPPED: Final = "input_audio_buffer.speech_stopped"
COMMITTED: Final = "input_audio_buffer.committed"
CLEARED: Final = "input_audio_buffer.cleared"
ITEM_CREATED: Final = "conversation.item.created"
TEXT: Final = "conversation.item.input_audio_transcription.text"
COMPLETED: Final = "conversation.item.input_audio_transcription.completed"
FAILED: Final = "conversation.item.input_audio_transcription.failed"
FINISHED: Final = "session.finished"
ERROR: Final = "error"

LANGUAGES: Final = frozenset(
    "zh yue en ja de ko ru fr pt ar it es hi id th tr uk vi cs da fil fi is ms no pl sv nl fa el ro hu mk".split()
)
"""Section 7: the 27 of the documentation and the six more that the open weights know."""

EMOTIONS: Final = frozenset("surprised neutral happy sad disgusted angry fearful".split())

_CODE: Final = rf"({'|'.join(sorted(LANGUAGES))})([-_][A-Za-z]+)?"
"""A language as events name it: a code, or what the client sent for one (`zh-CN`), in its spelling."""

_VAD: Final = {
    "type": "server_vad",
    "threshold": NUMBER,
    "silence_duration_ms": INTEGER,
    "prefix_padding_ms": Optional(INTEGER),
    "create_response": Optional(BOOLEAN),
    "interrupt_response": Optional(BOOLEAN),
}
_SESSION: Final = {
    "id": NOT_EMPTY,
    "object": "realtime.session",
    "model": NOT_EMPTY,
    "modalities": ["text"],
    "input_audio_format": one_of("pcm", "wav", "opus"),
    "sample_rate": one_of(8000, 16000),
    "input_audio_transcription": {
        "model": NOT_EMPTY,
        "language": Optional(NOT_EMPTY),
        "corpus": Optional({"text": STRING}),
    },
    "turn_detection": either(None, _VAD),
}
_ITEM: Final = {
    "id": NOT_EMPTY,
    "object": "realtime.item",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_audio", "transcript": None}],
}
_USAGE: Final = {
    "duration": INTEGER,
    "input_tokens": Optional(INTEGER),
    "output_tokens": Optional(INTEGER),
    "total_tokens": Optional(INTEGER),
    "input_tokens_details": Optional({"text_tokens": Optional(INTEGER), "audio_tokens": Optional(INTEGER)}),
    "output_tokens_details": Optional({"text_tokens": Optional(INTEGER)}),
}
_STRING_OR_NULL: Final = either(None, STRING)


def _event(**fields: object) -> Mapping[str, object]:
    return MappingProxyType({"event_id": NOT_EMPTY, "type": PRESENT, **fields})


FIELDS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        CREATED: _event(session=_SESSION),
        UPDATED: _event(session=_SESSION),
        STARTED: _event(audio_start_ms=INTEGER, item_id=NOT_EMPTY),
        STOPPED: _event(audio_end_ms=INTEGER, item_id=NOT_EMPTY),
        COMMITTED: _event(previous_item_id=STRING, item_id=NOT_EMPTY),
        CLEARED: _event(),
        ITEM_CREATED: _event(previous_item_id=STRING, item=_ITEM),
        TEXT: _event(
            item_id=NOT_EMPTY,
            content_index=0,
            language=matches(f"(?i:{_CODE})?"),
            emotion=one_of(*sorted(EMOTIONS)),
            text=STRING,
            stash=STRING,
        ),
        COMPLETED: _event(
            item_id=NOT_EMPTY,
            content_index=0,
            language=matches(f"(?i:{_CODE})?"),
            emotion=one_of("", *sorted(EMOTIONS)),
            transcript=STRING,
            usage=_USAGE,
        ),
        FAILED: _event(
            item_id=NOT_EMPTY,
            content_index=0,
            error={"code": NOT_EMPTY, "message": NOT_EMPTY, "param": _STRING_OR_NULL},
        ),
        FINISHED: _event(transcript=Optional(STRING)),
        ERROR: _event(
            error={
                "type": one_of("invalid_request_error", "server_error"),
                "code": NOT_EMPTY,
                "message": NOT_EMPTY,
                "param": _STRING_OR_NULL,
                "event_id": _STRING_OR_NULL,
            }
        ),
    }
)
"""Every event there is: what each field must be. All are required but those marked `Optional`."""


def item_id_of(event: Mapping[str, Any]) -> str:
    """The item an event is about; "" if it is about none."""
    item = event.get("item")
    value = item.get("id") if isinstance(item, dict) else event.get("item_id")
    return value if isinstance(value, str) else ""
