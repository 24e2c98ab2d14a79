import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.conformance.predicates import (
    ABSENT,
    ABSENT_OR_NULL,
    INTEGER,
    MODEL,
    NOT_EMPTY,
    NUMBER,
    PRESENT,
    STRING,
    Memory,
    Optional,
    between,
    contains,
    differences,
    either,
    heard,
    item,
    matches,
    number,
    one_of,
    same,
    shown,
    undocumented,
)
from qwen3_asr_realtime.conformance.speech import FIRST, FIRST_INTERRUPTED, SECOND

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def holds(expected, actual, memory=None):
    return not differences({"field": expected}, {"field": actual}, memory or Memory())


@pytest.mark.parametrize(
    ("expected", "good", "bad"),
    [
        (STRING, ["", "a"], [None, 1, ["a"]]),
        (NOT_EMPTY, ["a"], ["", None, 1]),
        (INTEGER, [0, -7], [0.0, True, "1", None]),
        (NUMBER, [0, 1.5], [True, "1", None]),
        (PRESENT, [None, 0], []),
        (number(16000), [16000, 16000.0], [16001, "16000", True]),
        (between(2, 3), [2, 3], [1, 4, 2.5, 2.0, True]),
        (one_of(0, "a"), [0, "a"], [0.0, False, "b"]),
        (contains("Buffer"), ["no buffer"], ["none", None]),
        (matches(r"event_\w{3}"), ["event_abc"], ["event_abcd", "xevent_abc", 1]),
        (either(None, {"a": 1}), [None, {"a": 1}], [{"a": 2}, 0]),
        (Optional(STRING), ["a"], [1, None]),
        (ABSENT_OR_NULL, [None], ["", 0]),
        ("a", ["a"], ["A", None]),
        (1, [1], [1.0, True, "1"]),
        (None, [None], [False, ""]),
        ({"a": 1}, [{"a": 1}, {"a": 1, "b": 2}], [{}, {"a": 1.0}, [], None]),
        ([1, STRING], [[1, "a"]], [[1], [1, "a", 2], ["a", 1], {}]),
    ],
)
def test_what_fits_and_what_does_not(expected, good, bad):
    assert [value for value in good if not holds(expected, value)] == []
    assert [value for value in bad if holds(expected, value)] == []


def test_a_missing_field_is_not_null():
    assert differences({"a": ABSENT, "b": Optional(STRING), "c": ABSENT_OR_NULL}, {}, Memory()) == []
    (missing,) = differences({"a": None}, {}, Memory())
    assert (missing.expected, missing.got) == ("a: null", "a: no such field")


def test_names_stand_for_the_first_value_they_meet():
    memory = Memory()
    assert holds(same("threshold"), 0.2, memory)
    assert holds(same("threshold"), 0.2, memory)
    assert not holds(same("threshold"), 0, memory)


def test_items_with_different_names_have_different_ids():
    memory = Memory()
    assert holds(item("a"), "item_1", memory)
    assert not holds(item("b"), "item_1", memory)
    assert holds(item("b"), "item_2", memory)
    assert not holds(item("a"), "item_2", memory)
    assert not holds(item("c"), "", memory)


def test_transcripts_are_compared_loosely(recordings):
    memory = Memory(recordings, "m")
    assert holds(heard(FIRST), "Go forward, ten metres!", memory)
    assert holds(heard(FIRST + SECOND), "Go forward. He was a young man.", memory)
    assert not holds(heard(FIRST + SECOND), "Go forward.", memory)
    assert not holds(heard(FIRST), "Go forwards.", memory)
    assert holds(heard(FIRST_INTERRUPTED), "Go", memory)
    assert not holds(heard(FIRST_INTERRUPTED), " ", memory)
    assert holds(MODEL, "m", memory)
    assert not holds(MODEL, "n", memory)


def test_differences_name_the_place():
    expected = {"item": {"content": [{"type": "input_audio", "transcript": None}]}}
    (difference,) = differences(expected, {"item": {"content": [{"type": "input_audio", "transcript": ""}]}}, Memory())
    assert difference.expected == "item.content[0].transcript: null"
    assert difference.got == 'item.content[0].transcript: ""'


def test_undocumented_fields_are_found_at_every_depth():
    expected = {"a": 1, "b": Optional({"c": 1}), "d": either(None, {"e": 1}), "f": [{"g": 1}]}
    assert undocumented(expected, {"a": 1, "b": {"c": 1}, "d": None, "f": [{"g": 1}]}) == []
    actual = {"x": 1, "a": {"y": 1}, "b": {"z": 1}, "d": {"e": 1, "u": 1}, "f": [{"v": 1}]}
    assert undocumented(expected, actual) == ["x", "a.y", "b.z", "d.u", "f[0].v"]


@given(JSON)
def test_every_value_is_as_itself(value):
    assert differences(value, value, Memory()) == []
    assert len(shown(value)) <= 160
