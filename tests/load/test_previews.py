import pytest
from tests.load.material import item_events

from qwen3_asr_realtime.load.items import read_items
from qwen3_asr_realtime.load.previews import flicker, intervals_ms, lags_ms
from qwen3_asr_realtime.load.session import Spoken


def item(*previews, transcript="abcdefgh"):
    return read_items(item_events("a", 1.0, 5.0, transcript, final_s=5.5, previews=previews)).items[0]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (("", "he was"), ("", "he was not"), 0),
        (("", "he was"), ("he ", "was not"), 0),
        (("", "he was"), ("he was not", ""), 0),
        (("he ", "was"), ("he ", "has not"), 1),
        (("", "he was, not"), ("", "he was not an"), 1),
        (("", "he was"), ("", ""), 6),
    ],
)
def test_only_what_was_taken_back_has_flickered(old, new, changed):
    counted = flicker(item((2.0, *old), (3.0, *new)))
    assert (counted.changed, counted.shown, counted.rewritten) == (changed, len(old[1]), 0)


def test_a_change_of_confirmed_text_is_counted_apart():
    assert flicker(item((2.0, "he was", ""), (3.0, "she was", ""))).rewritten == 1


def test_without_a_second_preview_there_is_no_share():
    assert flicker(item((2.0, "", "he"))).share is None


def test_intervals_lie_between_previews():
    assert intervals_ms(item((2.0, "", "a"), (2.5, "", "b"), (3.25, "", "c"))) == [500, 750]


def test_half_of_the_text_stands_for_the_first_half_of_the_speech():
    lags = lags_ms(item((3.5, "ab", "cd"), (5.25, "abcdefgh", "ij"), (5.3, "", "")), Spoken(1.0, 5.0))
    assert lags == pytest.approx([500, 250])


def test_a_final_without_text_tells_nothing_about_age():
    assert lags_ms(item((3.5, "ab", ""), transcript=""), Spoken(1.0, 5.0)) == []
