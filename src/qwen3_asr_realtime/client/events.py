"""What a server says about speech, read from the wire into typed values.

Nothing on the wire is taken for granted beyond `type`: the cloud leaves out item ids in Manual mode now and then, and a
missing or null string reads as "".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """When an event came.

    Attributes:
        received_s: Monotonic time at which the client read it, in seconds.
        sent_ms: Milliseconds of audio the client had handed to the connection by then.
    """

    received_s: float
    sent_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(_Received):
    """The text of an utterance so far; each one replaces the previous one of the same item.

    Attributes:
        item_id: The utterance.
        text: Prefix that will not change any more.
        stash: Draft that follows `text` without a blank in between and may be rewritten.
        language: Code of the language, or "" if unknown.
    """

    item_id: str
    text: str
    stash: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Final(_Received):
    """The result of an utterance; nothing follows for this item.

    Attributes:
        item_id: The utterance.
        transcript: Its text, "" if nothing was said.
        language: Code of the language, or "" if unknown.
        start_ms: Where the speech starts in the session's audio; None in Manual mode.
        end_ms: Where it ends; None in Manual mode.
    """

    item_id: str
    transcript: str
    language: str
    start_ms: int | None
    end_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Received):
    """An utterance could not be recognised; the session goes on.

    Attributes:
        item_id: The utterance.
        code: Short name of the reason, or "".
        message: The reason, for people.
    """

    item_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError(_Received):
    """The server reported an error that belongs to no utterance.

    Attributes:
        code: Short name of the reason, or "".
        message: The reason, for people.
        param: Field of the request that was at fault, if any.
    """

    code: str
    message: str
    param: str | None


TranscriptEvent: TypeAlias = Preview | Final | Failed | ServerError


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """The `error` object of an `error` or `failed` event."""

    code: str
    message: str
    param: str | None

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "ErrorDetails":
        """Read them; a server that gives no message is quoted as saying so."""
        error = event.get("error")
        if not isinstance(error, Mapping):
            error = {}
        return cls(
            code=_string(error, "code"),
            message=_string(error, "message") or "the server gave no reason",
            param=_string(error, "param") or None,
        )


class TranscriptReader:
    """Turns the events of one session into `TranscriptEvent` values.

    It keeps the bounds of each utterance between `speech_started` and its result.
    """

    def __init__(self) -> None:
        self._starts_ms: dict[str, int | None] = {}
        self._ends_ms: dict[str, int | None] = {}

    def read(self, event: Mapping[str, Any], *, received_s: float, sent_ms: int) -> TranscriptEvent | None:
        """Read one event of the session; None if it says nothing about the transcript.

        Args:
            event: The decoded JSON object.
            received_s: Monotonic time at which it came.
            sent_ms: Milliseconds of audio sent by then.
        """
        item_id = _string(event, "item_id")
        result: TranscriptEvent | None = None
        match event.get("type"):
            case "input_audio_buffer.speech_started":
                self._starts_ms[item_id] = _milliseconds(event, "audio_start_ms")
            case "input_audio_buffer.speech_stopped":
                self._ends_ms[item_id] = _milliseconds(event, "audio_end_ms")
            case "conversation.item.input_audio_transcription.text":
                result = Preview(
                    received_s=received_s,
                    sent_ms=sent_ms,
                    item_id=item_id,
                    text=_string(event, "text"),
                    stash=_string(event, "stash"),
                    language=_string(event, "language"),
                )
            case "conversation.item.input_audio_transcription.completed":
                result = Final(
                    received_s=received_s,
                    sent_ms=sent_ms,
                    item_id=item_id,
                    transcript=_string(event, "transcript"),
                    language=_string(event, "language"),
                    start_ms=self._starts_ms.pop(item_id, None),
                    end_ms=self._ends_ms.pop(item_id, None),
                )
            case "conversation.item.input_audio_transcription.failed":
                details = ErrorDetails.of(event)
                result = Failed(
                    received_s=received_s,
                    sent_ms=sent_ms,
                    item_id=item_id,
                    code=details.code,
                    message=details.message,
                )
            case "error":
                details = ErrorDetails.of(event)
                result = ServerError(
                    received_s=received_s,
                    sent_ms=sent_ms,
                    code=details.code,
                    message=details.message,
                    param=details.param,
                )
        return result


def _string(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _milliseconds(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return int(value) if isinstance(value, int | float) else None
