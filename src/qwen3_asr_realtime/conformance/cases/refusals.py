"""Sections 3.5 and 4.11, and the values that section 3.1 does not allow: one `error` each, and nothing else changes."""

from qwen3_asr_realtime.conformance.cases.configuration import DEFAULT_VAD
from qwen3_asr_realtime.conformance.events import CREATED, UPDATED
from qwen3_asr_realtime.conformance.phrases import (
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    USABLE,
    VAD,
    committed,
    connected,
    expect_error,
    expect_updated,
    manual,
    update,
    vad,
)
from qwen3_asr_realtime.conformance.predicates import ABSENT, ABSENT_OR_NULL, NOT_EMPTY, contains
from qwen3_asr_realtime.conformance.rules import events_are_small
from qwen3_asr_realtime.conformance.speech import FIRST, FIRST_INTERRUPTED
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Case,
    Connect,
    Expect,
    ExpectClose,
    Send,
    SendBinary,
    SendText,
)

MALFORMED_MAX = 20
"""Malformed messages in a row after which the connection ends."""

_ROW = "§5.4 unsupported sample rate / format / language / threshold / silence"
_LANGUAGE = "session.input_audio_transcription.language"
_UNSEEN = "nobody has tried it on the cloud"
_AS_CREATED = {
    "input_audio_format": "pcm",
    "sample_rate": 16000,
    "input_audio_transcription": {"language": ABSENT, "corpus": ABSENT},
    "turn_detection": DEFAULT_VAD,
}


def _refused(id_: str, title: str, param: str, session: dict[str, object], uncertain: str = "") -> Case:
    """A value that `session.update` refuses with one error, after which all is as it was."""
    return Case(
        id_,
        title,
        (_ROW, "§15.19", "§3.1"),
        "JUDGE" if uncertain else "DOC",
        (
            Connect(),
            Expect(CREATED, {"session": _AS_CREATED}),
            Send("session.update", {"event_id": "mine", "session": session}),
            expect_error(param, event_id="mine"),
            update(),
            Expect(UPDATED, {"session": _AS_CREATED}),
        ),
        uncertain=uncertain,
    )


def _turn_detection(**fields: object) -> dict[str, object]:
    return {"turn_detection": {**VAD, **fields}}


VALUES = (
    _refused("refuses-rate", "a sample rate of 44100 is refused", "session.sample_rate", {"sample_rate": 44100}),
    _refused(
        "refuses-rate-not-a-number",
        "a sample rate that is no number is refused",
        "session.sample_rate",
        {"sample_rate": True},
        uncertain=_UNSEEN,
    ),
    _refused(
        "refuses-format", "an unknown format is refused", "session.input_audio_format", {"input_audio_format": "mp3"}
    ),
    _refused(
        "refuses-format-nested",
        "an unknown format in audio.input.format is refused like the flat one",
        "session.input_audio_format",
        {"audio": {"input": {"format": {"type": "mp3", "sample_rate": 16000}}}},
        uncertain=_UNSEEN,
    ),
    _refused(
        "refuses-language",
        "an unknown language is refused",
        _LANGUAGE,
        {"input_audio_transcription": {"language": "xx"}},
    ),
    _refused(
        "refuses-language-list",
        "a list of languages is refused at once, not at the first final",
        _LANGUAGE,
        {"input_audio_transcription": {"language": ["en"]}},
        uncertain="the cloud accepts it and then fails on every item",
    ),
    _refused(
        "refuses-threshold-above",
        "a threshold above 1 is refused",
        "session.turn_detection.threshold",
        _turn_detection(threshold=1.01),
    ),
    _refused(
        "refuses-threshold-below",
        "a threshold below -1 is refused",
        "session.turn_detection.threshold",
        _turn_detection(threshold=-1.01),
    ),
    _refused(
        "refuses-silence-below",
        "silence below 200 ms is refused",
        "session.turn_detection.silence_duration_ms",
        _turn_detection(silence_duration_ms=199),
    ),
    _refused(
        "refuses-silence-above",
        "silence above 6000 ms is refused",
        "session.turn_detection.silence_duration_ms",
        _turn_detection(silence_duration_ms=6001),
    ),
    _refused(
        "refuses-detection-type",
        "a turn detection other than server_vad is refused",
        "session.turn_detection.type",
        _turn_detection(type="semantic_vad"),
    ),
    _refused(
        "refuses-corpus",
        "a corpus text that is no string is refused",
        "session.input_audio_transcription.corpus.text",
        {"input_audio_transcription": {"corpus": {"text": ["Norland"]}}},
        uncertain=_UNSEEN,
    ),
    Case(
        "refuses-no-session",
        "session.update without a session object is refused",
        ("§3.1", "§15.19"),
        "DOC",
        (*connected(), Send("session.update"), expect_error("session"), update(), Expect(UPDATED)),
    ),
    Case(
        "refuses-as-a-whole",
        "one bad field among good ones: one error, and none of the good ones is taken",
        ("§3.1", "§15.19"),
        "JUDGE",
        (
            Connect(),
            Expect(CREATED, {"session": _AS_CREATED}),
            update(
                turn_detection=None,
                input_audio_transcription={"language": "en", "corpus": {"text": "Norland"}},
                input_audio_format="wav",
                sample_rate=44100,
            ),
            expect_error("session.sample_rate"),
            update(),
            Expect(UPDATED, {"session": _AS_CREATED}),
        ),
        uncertain="documented is only that the error comes instead of session.updated",
    ),
    Case(
        "refuses-in-words",
        "the message of a refused value names the value and those supported",
        ("§4.11",),
        "DOC",
        (
            *connected(),
            update(sample_rate=44100),
            expect_error("session.sample_rate", message=contains("44100")),
            update(sample_rate=11025),
            expect_error("session.sample_rate", message=contains("16000")),
        ),
    ),
)

EVENTS = (
    Case(
        "unknown-type",
        "an unknown event type is answered with an error; the connection stays usable",
        ("§5.4 unknown event type", "§15.19", "§3.5"),
        "OBS",
        (*vad(), Send("no.such.event", {"event_id": "mine"}), expect_error("type", event_id="mine"), *USABLE),
    ),
    Case(
        "unsupported-types",
        "conversation.item.create and input_image_buffer.append are answered with an error",
        ("§3.5",),
        "JUDGE",
        (
            *connected(),
            Send("conversation.item.create", {"event_id": "one", "item": {}}),
            expect_error("type", event_id="one"),
            Send("input_image_buffer.append", {"event_id": "two", "image": ""}),
            expect_error("type", event_id="two"),
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "ignored-types",
        "response.create and response.cancel, which official samples send, are ignored in silence",
        ("§3.5",),
        "SDK",
        (*manual(), Send("response.create"), Send("response.cancel"), FINISH, EXPECT_FINISHED),
        uncertain="it is not known what the cloud answers",
    ),
    Case(
        "malformed-json",
        "malformed JSON is answered with an error without an event id; the connection stays usable",
        ("§5.4 malformed JSON / not an object", "§15.19", "§3.5"),
        "JUDGE",
        (*vad(), SendText('{"type": "session.fin'), expect_error(ABSENT_OR_NULL, event_id=ABSENT_OR_NULL), *USABLE),
        uncertain=_UNSEEN,
    ),
    Case(
        "not-an-object",
        "JSON that is no object, or has no type, or none that is a string: an error each, and the connection stays",
        ("§5.4 malformed JSON / not an object", "§3.5"),
        "JUDGE",
        (
            *connected(),
            SendText("[]"),
            expect_error(ABSENT_OR_NULL),
            SendText('"session.finish"'),
            expect_error(ABSENT_OR_NULL),
            SendText('{"event_id": "mine"}'),
            expect_error("type", event_id="mine"),
            SendText('{"type": 7}'),
            expect_error("type"),
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "malformed-too-often",
        "twenty malformed messages in a row end the connection with 1007, nineteen do not",
        ("§5.4 malformed JSON / not an object", "§3.5"),
        "JUDGE",
        (
            *connected(),
            SendText("{", times=MALFORMED_MAX - 1),
            *(expect_error() for _ in range(MALFORMED_MAX - 1)),
            update(),
            Expect(UPDATED),
            SendText("{", times=MALFORMED_MAX),
            *(expect_error() for _ in range(MALFORMED_MAX)),
            ExpectClose((1007,)),
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "binary-frame",
        "a binary frame is answered with an error, and its audio is not heard; the connection stays usable",
        ("§5.4 binary frame", "§15.19", "§3.5"),
        "JUDGE",
        (*manual(), SendBinary(FIRST), expect_error(), FINISH, EXPECT_FINISHED),
        uncertain="the documentation calls the input binary in one place; a server may take it as audio",
    ),
    Case(
        "bad-base64",
        "bad base64 costs its own chunk and no other: one error with param audio, and the rest is heard",
        ("§5.4 bad base64", "§15.19", "§3.2"),
        "JUDGE",
        (
            *manual(),
            Append(FIRST),
            Send("input_audio_buffer.append", {"event_id": "mine", "audio": "!!!!"}),
            expect_error("audio", event_id="mine"),
            COMMIT,
            *committed("a", FIRST),
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "append-without-audio",
        "an append without audio, or with one that is no string, is answered with an error with param audio",
        ("§3.2", "§15.19"),
        "JUDGE",
        (
            *connected(),
            Send("input_audio_buffer.append", {"event_id": "one"}),
            expect_error("audio", event_id="one"),
            Send("input_audio_buffer.append", {"event_id": "two", "audio": 7}),
            expect_error("audio", event_id="two"),
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "error-codes",
        "the codes of errors: invalid_json, invalid_value, input_audio_buffer_commit_empty",
        ("§4.11", "§13.2.4"),
        "JUDGE",
        (
            *manual(),
            SendText("{"),
            expect_error(code="invalid_json"),
            Send("no.such.event"),
            expect_error(code="invalid_value"),
            Send("input_audio_buffer.append", {"audio": "!!!!"}),
            expect_error(code="invalid_value"),
            update(sample_rate=1),
            expect_error(code="invalid_value"),
            COMMIT,
            expect_error(code="input_audio_buffer_commit_empty"),
        ),
        uncertain="codes of this endpoint are not known, but for invalid_value",
    ),
    Case(
        "event-id-left-out",
        "a client that sends no event ids gets its answers, and errors without one",
        ("§3", "§4.11"),
        "OBS",
        (
            *connected(),
            Send("session.update", {"event_id": None, "session": {"sample_rate": 1}}),
            expect_error("session.sample_rate", event_id=ABSENT_OR_NULL, message=NOT_EMPTY),
            Send("session.update", {"event_id": None, "session": {"turn_detection": None}}),
            expect_updated(turn_detection=None),
            Append(FIRST_INTERRUPTED),
            Send("session.finish", {"event_id": None}),
            *committed("a", NOT_EMPTY),
            EXPECT_FINISHED,
        ),
    ),
    Case(
        "events-are-small",
        "no event but an echoed configuration or a final exceeds 6,144 bytes, not even an error about something long",
        ("§4", "§11.3 cogd (ESP32)"),
        "JUDGE",
        (
            *connected(),
            Send("x" * 100_000),
            expect_error("type"),
            update(sample_rate=["y" * 100_000]),
            expect_error("session.sample_rate"),
        ),
        uncertain=_UNSEEN,
        always=events_are_small,
    ),
)
