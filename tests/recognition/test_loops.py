import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.recognition.loops import LOOP_UNITS_MIN, PERIOD_UNITS_MAX, REPEATS_MIN, has_loop


@pytest.mark.parametrize(
    "text",
    [
        "well " + "no " * 12,
        "好" * 12,
        "and so I said " + "thank you very much. " * 4,
        "and so I said " + "thank you very much. " * 4 + "thank you",
        "他说" + "谢谢大家" * 4,
        "съешь " + "да, " * 14,
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
    ],
)
def test_what_does_not(text):
    assert not has_loop(text)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=PERIOD_UNITS_MAX)


@given(st.lists(st.sampled_from(["x", "y"])), WORDS, st.integers(0, 30))
def test_any_phrase_said_often_enough_is_found_wherever_it_breaks_off(before, phrase, cut):
    repeats = max(REPEATS_MIN, -(-LOOP_UNITS_MIN // len(phrase)))
    assert has_loop(" ".join([*before, *phrase * repeats, *phrase[: cut % len(phrase)]]))
