"""Section 4: the fields of every event, and what holds of all events together. Standing rules, for all connections."""

from typing import Final

from qwen3_asr_realtime.conformance import rules
from qwen3_asr_realtime.conformance.events import (
    CLEARED,
    COMMITTED,
    COMPLETED,
    CREATED,
    ERROR,
    FAILED,
    FINISHED,
    ITEM_CREATED,
    STARTED,
    STOPPED,
    TEXT,
    UPDATED,
)
from qwen3_asr_realtime.conformance.phrases import (
    CLEAR,
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    SPOKEN,
    VAD,
    committed,
    connected,
    expect_error,
    expect_updated,
    manual,
    turn,
    update,
    vad,
)
from qwen3_asr_realtime.conformance.predicates import NOT_EMPTY, matches, same
from qwen3_asr_realtime.conformance.speech import FIRST, FIRST_INTERRUPTED
from qwen3_asr_realtime.conformance.vocabulary import Append, Case, Connect, Expect, Send, Step

_TURN: Final[tuple[Step, ...]] = (*vad(), Append(SPOKEN), *turn("a", FIRST), FINISH, EXPECT_FINISHED)
_ITEM: Final[tuple[Step, ...]] = (
    *manual(),
    Append(FIRST_INTERRUPTED),
    COMMIT,
    *committed("a", NOT_EMPTY),
    FINISH,
    EXPECT_FINISHED,
)
_STYLE = "the cloud's ids look so today"
_NULL_PREVIOUS = "the cloud may send no string as the first item's previous_item_id"


def _fields(
    id_: str, types: tuple[str, ...], sections: tuple[str, ...], script: tuple[Step, ...], uncertain: str = ""
) -> Case:
    """All fields of an event, each of its JSON type."""
    return Case(
        f"fields-of-{id_}",
        f"{' and '.join(types)}: every field is there, and of its type",
        sections,
        "DOC",
        script,
        uncertain=uncertain,
        always=rules.fields_of(*types),
    )


FIELDS = (
    _fields("created", (CREATED,), ("§4.1",), connected()),
    _fields(
        "updated",
        (UPDATED,),
        ("§4.2",),
        (
            *connected(),
            update(input_audio_transcription={"language": "en", "corpus": {"text": "Norland"}}, turn_detection=VAD),
            expect_updated(input_audio_transcription={"language": "en", "corpus": {"text": "Norland"}}),
        ),
        uncertain="the cloud may leave out what is null",
    ),
    _fields("speech-started", (STARTED,), ("§4.3",), _TURN),
    _fields("speech-stopped", (STOPPED,), ("§4.4",), _TURN),
    _fields("committed", (COMMITTED,), ("§4.5",), _ITEM, uncertain=_NULL_PREVIOUS),
    _fields("item-created", (ITEM_CREATED,), ("§4.6",), _ITEM, uncertain=_NULL_PREVIOUS),
    _fields("text", (TEXT,), ("§4.7",), (*manual(), Append(FIRST), Expect(TEXT), COMMIT, *committed("a", FIRST))),
    _fields("final", (COMPLETED, FAILED), ("§4.8", "§4.9"), _ITEM),
    _fields("finished", (FINISHED,), ("§4.10",), (*vad(), FINISH, EXPECT_FINISHED)),
    _fields("error", (ERROR,), ("§4.11",), (*connected(), Send("no.such.event"), expect_error("type"))),
    _fields(
        "cleared",
        (CLEARED,),
        ("§3.5",),
        (*manual(), CLEAR, Expect(CLEARED)),
        uncertain="clear is in SDKs, but not in the documentation",
    ),
)

EVENTS = (
    Case(
        "only-documented-types",
        "no event types but the 11 documented ones, and cleared on request",
        ("§15.21", "§4"),
        "DOC",
        _TURN,
        always=rules.types_are_documented,
    ),
    Case(
        "no-further-fields",
        "no event has fields that are not documented or observed",
        ("§4",),
        "JUDGE",
        _TURN,
        uncertain="the cloud may add fields at any time",
        always=rules.no_undocumented_fields,
    ),
    Case(
        "frames-are-events",
        "every frame is a text frame with one JSON object with a string type",
        ("§1.4",),
        "WIRE",
        _TURN,
        always=rules.frames_are_events,
    ),
    Case(
        "nothing-is-null",
        "no string is ever null, but where the documentation has it so",
        ("§15.17", "§4"),
        "SDK",
        (*manual(), Append(FIRST_INTERRUPTED), COMMIT, *committed("a", NOT_EMPTY), Send("x"), expect_error()),
        always=rules.nothing_is_null,
    ),
    Case(
        "event-ids-are-unique",
        "no two events of a connection have the same event_id",
        ("§4",),
        "DOC",
        _TURN,
        always=rules.event_ids_are_unique,
    ),
    Case(
        "ids-in-style",
        "ids look like event_…, sess_… and item_…, with 21 letters and digits",
        ("§4",),
        "OBS",
        (
            Connect(),
            Expect(CREATED, {"event_id": matches(r"event_[A-Za-z0-9]{21}"), "session": {"id": matches(r"sess_\w+")}}),
            update(turn_detection=None),
            Expect(UPDATED),
            Append(FIRST_INTERRUPTED),
            COMMIT,
            Expect(COMMITTED, {"item_id": matches(r"item_\w+")}),
            Expect(ITEM_CREATED),
            Expect(COMPLETED),
        ),
        uncertain=_STYLE,
    ),
    Case(
        "created-once",
        "session.created is the first event, and comes once",
        ("§2.2", "§4.1"),
        "DOC",
        (*connected(), update(), Expect(UPDATED)),
        always=rules.created_is_first_and_only,
    ),
    Case(
        "session-stays-the-same",
        "session.updated has the id and the model of session.created",
        ("§4.2",),
        "OBS",
        (
            Connect(),
            Expect(CREATED, {"session": {"id": same("id"), "model": same("model")}}),
            update(turn_detection=None),
            Expect(UPDATED, {"session": {"id": same("id"), "model": same("model")}}),
        ),
        always=rules.session_stays_the_same,
    ),
)
