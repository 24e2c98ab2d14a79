import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.mock_server import SESSION

from qwen3_asr_realtime.conformance import rules
from qwen3_asr_realtime.conformance.events import FIELDS
from qwen3_asr_realtime.conformance.log import Entry, Log
from qwen3_asr_realtime.conformance.predicates import Mismatch

CREATED, UPDATED = "session.created", "session.updated"
STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
COMMITTED, CLEARED = "input_audio_buffer.committed", "input_audio_buffer.cleared"
ITEM_CREATED = "conversation.item.created"
TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
FINISHED, ERROR = "session.finished", "error"


def event(event_type, item_id="", /, **fields):
    """An event with all its fields."""
    whole = {
        CREATED: {"session": SESSION},
        UPDATED: {"session": SESSION},
        STARTED: {"audio_start_ms": 100, "item_id": item_id},
        STOPPED: {"audio_end_ms": 900, "item_id": item_id},
        COMMITTED: {"previous_item_id": "", "item_id": item_id},
        ITEM_CREATED: {
            "previous_item_id": "",
            "item": {
                "id": item_id,
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": None}],
            },
        },
        TEXT: {
            "item_id": item_id,
            "content_index": 0,
            "language": "en",
            "emotion": "neutral",
            "text": "",
            "stash": "a",
        },
        COMPLETED: {
            "item_id": item_id,
            "content_index": 0,
            "language": "en",
            "emotion": "neutral",
            "transcript": "a",
            "usage": {"duration": 1},
        },
        FAILED: {"item_id": item_id, "content_index": 0, "error": {"code": "c", "message": "m", "param": None}},
        ERROR: {
            "error": {
                "type": "invalid_request_error",
                "code": "c",
                "message": "m",
                "param": None,
                "event_id": None,
            }
        },
    }.get(event_type, {})
    return {"event_id": f"event_{event_type}_{item_id}", "type": event_type, **whole, **fields}


def without(event, name):
    return {key: value for key, value in event.items() if key != name}


MANUAL = event(UPDATED, session={**SESSION, "turn_detection": None})
ASKED = {"type": "session.finish"}


def log(*events, audio_ms=1000.0, step_s=1.0):
    """A log in which the events with a server's type were received, the others sent; a second apart."""
    entries = []
    for number, each in enumerate(events):
        sent = isinstance(each, dict) and each.get("type") == ASKED["type"]
        known = isinstance(each, dict)
        size = len(json.dumps(each)) if known else 1
        entries.append(
            Entry(number * step_s, "sent" if sent else "received", each if known else None, "", size, audio_ms)
        )
    return Log("", entries)


def turn(item, previous=""):
    return [
        event(STARTED, item),
        event(STOPPED, item),
        event(COMMITTED, item, previous_item_id=previous),
        event(ITEM_CREATED, item, previous_item_id=previous),
        event(COMPLETED, item),
    ]


def manual_item(item, previous=""):
    return turn(item, previous)[2:]


WHOLE = log(event(CREATED), *turn("a")[:1], event(TEXT, "a"), *turn("a")[1:], ASKED, event(FINISHED))

RULES = [
    rules.frames_are_events,
    rules.types_are_documented,
    rules.fields_of(*FIELDS),
    rules.no_undocumented_fields,
    rules.nothing_is_null,
    rules.event_ids_are_unique,
    rules.events_are_small,
    rules.created_is_first_and_only,
    rules.session_stays_the_same,
    rules.finished_is_asked_for_and_last,
    rules.no_error_after_finish,
    rules.items_live_in_order,
    rules.turns_end_in_one_go,
    rules.items_are_chained,
    rules.items_end_in_order,
    rules.previews_wait_their_turn,
    rules.times_are_on_the_audio,
    rules.durations_accumulate,
    rules.text_only_grows,
    rules.previews_say_something_new,
    rules.previews_are_not_too_many,
    rules.stash_brings_its_own_blank,
    rules.empty_transcripts_have_no_language,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__qualname__)
def test_a_good_session_breaks_no_rule(rule):
    rule(WHOLE)
    rule(Log())


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (rules.frames_are_events, log(event(CREATED), None)),
        (rules.frames_are_events, log({"type": 7})),
        (rules.types_are_documented, log(event("conversation.item.added"))),
        (rules.fields_of(TEXT), log(without(event(TEXT, "a"), "stash"))),
        (rules.fields_of(TEXT), log(event(TEXT, "a", content_index=0.0))),
        (rules.fields_of(TEXT), log(event(TEXT, "a", emotion="calm"))),
        (rules.fields_of(TEXT), log(event(TEXT, "a", language="English"))),
        (rules.fields_of(STARTED), log(event(STARTED, "a", audio_start_ms=1.0))),
        (rules.fields_of(STARTED), log(event(STARTED, ""))),
        (rules.fields_of(COMMITTED), log(event(COMMITTED, "a", previous_item_id=None))),
        (rules.fields_of(COMPLETED), log(without(event(COMPLETED, "a"), "usage"))),
        (rules.fields_of(COMPLETED), log(event(COMPLETED, "a", usage={"duration": 1.5}))),
        (rules.fields_of(ITEM_CREATED), log(event(ITEM_CREATED, "a", item={"id": "a"}))),
        (rules.fields_of(CREATED), log(event(CREATED, session=without(SESSION, "sample_rate")))),
        (rules.fields_of(CREATED), log(event(CREATED, session={**SESSION, "turn_detection": {"type": "server_vad"}}))),
        (rules.fields_of(ERROR), log(event(ERROR, error={**event(ERROR)["error"], "code": 400}))),
        (rules.fields_of(ERROR), log(without(event(ERROR), "event_id"))),
        (rules.no_undocumented_fields, log(event(STOPPED, "a", reason="silence"))),
        (rules.no_undocumented_fields, log(event(CREATED, session={**SESSION, "voice": None}))),
        (rules.nothing_is_null, log(event(COMPLETED, "a", transcript=None))),
        (rules.event_ids_are_unique, log(event(CREATED), event(CREATED))),
        (rules.events_are_small, log(event(ERROR, error={"message": "x" * 7000}))),
        (rules.created_is_first_and_only, log(event(UPDATED), event(CREATED))),
        (rules.created_is_first_and_only, log(event(CREATED), event(CREATED))),
        (rules.session_stays_the_same, log(event(CREATED), event(UPDATED, session={**SESSION, "id": "sess_2"}))),
        (rules.session_stays_the_same, log(event(CREATED), event(UPDATED, session={**SESSION, "model": "m"}))),
        (rules.finished_is_asked_for_and_last, log(event(CREATED), event(FINISHED), ASKED)),
        (rules.finished_is_asked_for_and_last, log(ASKED, event(FINISHED), event(FINISHED))),
        (rules.finished_is_asked_for_and_last, log(ASKED, event(FINISHED), event(TEXT, "a"))),
        (rules.no_error_after_finish, log(event(CREATED), ASKED, event(ERROR))),
        (rules.items_live_in_order, log(event(CREATED), event(TEXT, "a"))),
        (rules.items_live_in_order, log(event(CREATED), *manual_item("a"))),
        (rules.items_live_in_order, log(MANUAL, *turn("a"))),
        (rules.items_live_in_order, log(MANUAL, event(COMMITTED, "a"), event(COMPLETED, "a"))),
        (rules.items_live_in_order, log(event(CREATED), *turn("a"), event(TEXT, "a"))),
        (rules.items_live_in_order, log(event(CREATED), *turn("a"), event(FAILED, "a"))),
        (rules.items_live_in_order, log(event(CREATED), *turn("a")[:-1], ASKED, event(FINISHED))),
        (rules.items_live_in_order, log(event(CREATED), event(STARTED, "a"), event(CLEARED), event(STOPPED, "a"))),
        (rules.turns_end_in_one_go, log(event(STOPPED, "a"), event(TEXT, "a"), *manual_item("a"))),
        (rules.turns_end_in_one_go, log(event(COMMITTED, "a"), event(ITEM_CREATED, "b"))),
        (rules.items_are_chained, log(*manual_item("a"), *manual_item("b"))),
        (rules.items_are_chained, log(event(COMMITTED, "a"), event(ITEM_CREATED, "a", previous_item_id="x"))),
        (rules.items_end_in_order, log(*turn("a")[:-1], *turn("b", "a"), event(COMPLETED, "a"))),
        (rules.previews_wait_their_turn, log(*manual_item("a")[:-1], event(TEXT, "b"), event(COMPLETED, "a"))),
        (rules.times_are_on_the_audio, log(event(STARTED, "a", audio_start_ms=1002))),
        (rules.times_are_on_the_audio, log(event(STARTED, "a"), event(STOPPED, "a", audio_end_ms=100))),
        (rules.times_are_on_the_audio, log(*turn("a"), event(STARTED, "b", audio_start_ms=899))),
        (rules.durations_accumulate, log(event(COMPLETED, "a", usage={"duration": 3}), audio_ms=1900)),
        (rules.durations_accumulate, log(event(COMPLETED, "a"), event(COMPLETED, "b", usage={"duration": 0}))),
        (rules.text_only_grows, log(event(TEXT, "a", text="Go"), event(TEXT, "a", text="He"))),
        (rules.text_only_grows, log(event(TEXT, "a", text="Go"), event(TEXT, "a", text=""))),
        (rules.previews_say_something_new, log(event(TEXT, "a", text="", stash=""))),
        (rules.previews_say_something_new, log(event(TEXT, "a"), event(TEXT, "a"))),
        (rules.previews_are_not_too_many, log(*[event(TEXT, "a")] * 12, step_s=0.1)),
        (
            rules.stash_brings_its_own_blank,
            log(event(TEXT, "a", text="Go", stash="forward."), event(COMPLETED, "a", transcript="Go forward.")),
        ),
        (rules.empty_transcripts_have_no_language, log(event(COMPLETED, "a", transcript=""))),
        (rules.empty_transcripts_have_no_language, log(event(COMPLETED, "a", emotion=""))),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_rule_finds_what_breaks_it(rule, broken):
    with pytest.raises(Mismatch):
        rule(broken)


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (rules.created_is_first_and_only, log(event(ERROR))),
        (rules.items_live_in_order, log(MANUAL, event(TEXT, "a"), *manual_item("a"), ASKED, event(FINISHED))),
        (rules.items_live_in_order, log(event(CREATED), event(STARTED, "a"), event(CLEARED), ASKED, event(FINISHED))),
        (rules.items_end_in_order, log(*turn("a")[:-1], event(STARTED, "b"), event(FAILED, "a"))),
        (rules.previews_wait_their_turn, log(event(TEXT, "a"), *manual_item("a"), event(TEXT, "b"))),
        (rules.text_only_grows, log(event(TEXT, "a", text="Go"), event(TEXT, "b", text="He"))),
        (rules.previews_are_not_too_many, log(*[event(TEXT, "a")] * 12, step_s=0.2)),
        (
            rules.stash_brings_its_own_blank,
            log(event(TEXT, "a", text="ill-dis", stash="posed"), event(COMPLETED, "a", transcript="ill-disposed")),
        ),
        (rules.events_are_small, log(event(UPDATED, session={"x": "x" * 7000}))),
        (rules.fields_of(TEXT), log(event(TEXT, "a", language="en-US"), event(TEXT, "b", language=""))),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_rule_lets_pass_what_is_allowed(rule, kept):
    rule(kept)


def test_what_was_read_late_says_nothing_about_the_time():
    late = log(*[event(TEXT, "a")] * 12, step_s=0.0)
    late.is_read_late = True
    rules.previews_are_not_too_many(late)


VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.sampled_from(["", "a", "b"])
FIELD_NAMES = ["item_id", "item", "session", "usage", "text", "stash", "transcript", "audio_start_ms", "audio_end_ms"]
NESTED = VALUES | st.dictionaries(st.sampled_from(["id", "duration", "turn_detection", "model"]), VALUES)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from([*FIELDS, ASKED["type"]])}, optional=dict.fromkeys(FIELD_NAMES, NESTED)
)


@given(st.lists(EVENTS, max_size=8))
def test_no_server_can_break_a_rule_s_code(events):
    found = log(*events)
    for rule in RULES:
        with suppress(Mismatch):
            rule(found)
