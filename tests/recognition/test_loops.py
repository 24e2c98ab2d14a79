import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.recognition.loops import (
    LOOP_UNITS_MIN,
    PERIOD_UNITS_MAX,
    REPEATS_MIN,
    has_loop,
    without_loop,
)


@pytest.mark.parametrize(
    "text",
    [
        "well " + "no " * 12,
        "好" * 12,
        "and so I said " + "thank you very much. " * 4,
        "and so I said " + "thank you very much. " * 4 + "thank you",
        "他说" + "谢谢大家" * 4,
        "съешь " + "да, " * 14,
        "well, ha" + "ha" * 12 + ".",
        "a" * 40,
    ],
)
def test_what_loops(text):
    assert has_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no no",
        "ha ha ha ha ha ha ha ha ha ha ha",
        "thank you very much. " * 3,
        "no " * 30 + "but then it went on",
        "one two three four five six seven eight nine ten eleven twelve thirteen",
        "上海自来水来自海上",
        "hahahahahaha!",
        "1000000000000000",
    ],
)
def test_what_does_not(text):
    assert not has_loop(text)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=PERIOD_UNITS_MAX)


@given(st.lists(st.sampled_from(["x", "y"])), WORDS, st.integers(0, 30))
def test_any_phrase_said_often_enough_is_found_wherever_it_breaks_off(before, phrase, cut):
    repeats = max(REPEATS_MIN, -(-LOOP_UNITS_MIN // len(phrase)))
    assert has_loop(" ".join([*before, *phrase * repeats, *phrase[: cut % len(phrase)]]))


@pytest.mark.parametrize("text", ["哈" * 20, "ha " * 20, "no, " * 12, "thank you " * 7, "ha" * 20])
def test_a_loop_that_ended_by_itself_must_be_longer(text):
    assert has_loop(text)
    assert not has_loop(text, sure=False)
    assert has_loop(text * 2, sure=False)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("well " + "no " * 12, "well no"),
        ("and so I said " + "thank you very much. " * 4 + "thank you", "and so I said thank you very much."),
        ("他说" + "谢谢大家" * 4 + "谢", "他说谢谢大家"),
        ("well, " + "ha" * 30, "well, ha"),
        ("no no no no", "no no no no"),
        ("", ""),
    ],
)
def test_of_a_loop_one_round_is_left(text, left):
    assert without_loop(text) == left


@given(st.lists(st.sampled_from(["x", "y"])), WORDS, st.integers(0, 30))
def test_what_is_left_does_not_loop_and_is_how_the_text_begins(before, phrase, cut):
    repeats = max(REPEATS_MIN, -(-LOOP_UNITS_MIN // len(phrase)))
    text = " ".join([*before, *phrase * repeats, *phrase[: cut % len(phrase)]])
    left = without_loop(text)
    assert text.startswith(left)
    assert len(before) < len(left.split()) <= len(before) + len(phrase)
