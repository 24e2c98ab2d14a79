import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.load.error_rate import Errors, character_errors, edit_distance, word_errors, words

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=12)


@given(WORDS, WORDS)
def test_the_rate_is_that_of_a_known_library(said, heard):
    assert word_errors(" ".join(said), " ".join(heard)).rate == pytest.approx(
        jiwer.wer(" ".join(said), " ".join(heard))
    )


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_the_nearest_beginning_is_the_nearest(old, new):
    assert edit_distance(old, new, beginning=True) == min(
        edit_distance(old, new[:length]) for length in range(len(new) + 1)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He was, not an ill-disposed man.", ["he", "was", "not", "an", "ill", "disposed", "man"]),
        ("Don’t", ["don't"]),
        ("一二线城市，调整。", list("一二线城市调整")),
        ("用GPU算3次", ["用", "gpu", "算", "3", "次"]),
        ("", []),
    ],
)
def test_words_of_a_text(text, expected):
    assert words(text) == expected


def test_characters_do_without_blanks():
    assert character_errors("ab cd", "abc d.") == Errors(0, 4)
    assert character_errors("ab cd", "") == Errors(4, 4)


def test_errors_add_up():
    assert Errors(1, 4) + Errors(0, 6) == Errors(1, 10)
    assert Errors().rate is None
