import random
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recognition.hypothesis_streams import LANGUAGES, stream

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.recognition.hypothesis import Confirmation, Preview, units
from qwen3_asr_realtime.text import is_unspaced, join_transcripts

FAMILY = "👩‍👩‍👧"
WORDS = {
    "en": [" I", " have", " a", " dream", " today.", " 3.14", " 1,000", " it's", " e-mail", " cafe\u0301"],
    "zh": list("浦东机场怎么走请问，。"),
    "mixed": [" GPU", "服", "务", "器", " 3.5", "元", "，", " ok", "か\u3099", "葛\U000e0100"],
    "emoji": ["好", "👍🏽", " 👍", FAMILY, "❤\ufe0f", "1\ufe0f\u20e3", "🇩🇪", "，"],
    "th": ["ส", "วั", "ส", "ดี", " ครั", "บ", "ที่", "นี่"],
}


def spoken(language):
    """A hypothesis in a language."""
    return st.lists(st.sampled_from(WORDS[language]), max_size=8).map("".join).map(str.strip)


def streams(language):
    """Hypotheses of one growing segment: mostly the same beginning, now and then something else."""
    truth = st.lists(st.sampled_from(WORDS[language]), min_size=1, max_size=12)
    heard = st.tuples(st.floats(0, 1), st.just("") | spoken(language))
    return st.tuples(truth, st.lists(heard, max_size=8)).map(
        lambda drawn: [
            ("".join(drawn[0][: int(share * len(drawn[0]))]) + wrong).strip() for share, wrong in sorted(drawn[1])
        ]
    )


STREAMS = st.one_of([streams(language) for language in WORDS])
TEXTS = st.one_of([spoken(language) for language in WORDS])
ANY_TEXT = st.lists(st.integers(0, 0x10FFFF)).map(lambda codes: "".join(map(chr, codes)))


class TestUnits:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", []),
            ("Hello, world!", ["Hello,", " world!"]),
            ("Pi is 3.14, not 1,000.", ["Pi", " is", " 3.14,", " not", " 1,000."]),
            ("请问浦东机场。", ["请", "问", "浦", "东", "机", "场", "。"]),
            ("用GPU跑3.5倍", ["用", "GPU", "跑", "3.5", "倍"]),
            ("好 OK 好", ["好", " OK", " 好"]),
            ("안녕 하세요", ["안녕", " 하세요"]),
            ("cafe\u0301 au", ["cafe\u0301", " au"]),
            ("好👍🏽好", ["好", "👍🏽", "好"]),
            (f"好{FAMILY}好", ["好", FAMILY, "好"]),
            ("か\u3099き", ["か\u3099", "き"]),
            ("วันที่", ["วั", "น", "ที่"]),
            ("葛\U000e0100城", ["葛\U000e0100", "城"]),
            ("  a  b  ", ["  a", "  b", "  "]),
            ("1\u202f234,56 € nets", ["1\u202f234,56", " €", " nets"]),
            ("第１２３号", ["第", "１２３", "号"]),
            ("น้ำดี", ["น้ำ", "ดี"]),
        ],
    )
    def test_examples(self, text, expected):
        assert units(text) == expected

    @given(text=ANY_TEXT | TEXTS)
    def test_joined_they_are_the_text(self, text):
        assert "".join(units(text)) == text

    @given(text=ANY_TEXT | TEXTS)
    def test_a_cut_is_before_a_blank_or_beside_a_character_of_an_unspaced_script(self, text):
        """So never within a Latin word or a number."""
        pieces = units(text)
        for left, right in pairwise(pieces):
            base = [char for char in left if not is_extending(char)][-1:]
            assert right[0].isspace() or any(map(is_unspaced, [*base, right[0]]))

    @given(text=ANY_TEXT | TEXTS)
    def test_no_cut_is_within_what_is_seen_as_one_character(self, text):
        pieces = units(text)
        for left, right in pairwise(pieces):
            assert not is_extending(right[0])
            assert left[-1] != "\u200d"

    @given(text=TEXTS)
    def test_no_unit_of_a_hypothesis_is_blank(self, text):
        assert all(piece.strip() for piece in units(text))


def is_extending(char):
    """Marks, joiners and skin tones: part of the character before them."""
    return unicodedata.category(char).startswith("M") or char == "\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff"


def shown(*texts, stable_chars=None):
    """The last preview after these hypotheses."""
    confirmation = Confirmation()
    for text in texts:
        preview = confirmation.update(Hypothesis(text, stable_chars=stable_chars))
    return preview


class TestConfirmationByAgreement:
    def test_a_first_hypothesis_confirms_nothing(self):
        assert shown("I have a dream") == Preview("", "I have a dream")

    def test_what_two_agree_on_is_confirmed(self):
        assert shown("I have a", "I have a dream") == Preview("I have a", " dream")
        assert shown("浦东机", "浦东机场") == Preview("浦东机", "场")

    def test_the_end_may_still_be_cut_off(self):
        assert shown("I have a", "I have a") == Preview("I have", " a")
        assert shown("I have a d", "I have a dream") == Preview("I have a", " dream")

    def test_what_differs_and_all_behind_it_stays_tentative(self):
        assert shown("I have a dream", "I gave a dream today") == Preview("I", " gave a dream today")

    def test_only_the_last_two_count(self):
        assert shown("I have a dream", "You have a", "You have a dream") == Preview("You have a", " dream")

    def test_a_contradiction_leaves_the_confirmed_text_which_goes_on_behind_it_and_is_counted(self):
        confirmation = Confirmation()
        for text in ("I have a", "I have a dream"):
            confirmation.update(Hypothesis(text))

        assert confirmation.update(Hypothesis("We have a dream today")) == Preview("I have a dream", " today")
        assert confirmation.contradictions == 1
        assert confirmation.update(Hypothesis("")) == Preview("I have a dream", "")
        assert confirmation.update(Hypothesis("I have")) == Preview("I have a dream", "")
        assert confirmation.contradictions == 3

    def test_a_unit_waits_from_the_first_hypothesis_that_has_it(self):
        confirmation = Confirmation()
        for n_samples, text in ((10, "I gave"), (20, "I have a"), (30, "I have a dream"), (50, "I have a dream today")):
            confirmation.update(Hypothesis(text), n_samples=n_samples)
        assert confirmation.text == "I have a dream"
        assert confirmation.delays == [10, 10, 10, 20]  # "I" came with 10 and was confirmed with 20

    @pytest.mark.parametrize(
        ("final", "changed"), [("I have a dream.", 0), ("You have a dream", 1), ("And I have a dream", 0), ("Yes", 4)]
    )
    def test_what_the_final_changes_is_counted(self, final, changed):
        confirmation = Confirmation()
        for text in ("I have a dream to", "I have a dream today"):
            confirmation.update(Hypothesis(text))
        assert confirmation.text == "I have a dream"
        confirmation.close(Hypothesis(final))
        assert confirmation.changed == changed

    @given(texts=STREAMS)
    def test_text_only_ever_grows(self, texts):
        confirmation, earlier = Confirmation(), ""
        for text in texts:
            preview = confirmation.update(Hypothesis(text))
            assert preview.text.startswith(earlier)
            assert preview.text == confirmation.text
            earlier = preview.text

    @given(texts=STREAMS)
    def test_text_and_stash_are_the_newest_hypothesis_unless_it_contradicts(self, texts):
        confirmation = Confirmation()
        for text in texts:
            contradictions, earlier = confirmation.contradictions, units(confirmation.text)
            preview = confirmation.update(Hypothesis(text))
            if confirmation.contradictions == contradictions:
                assert preview.text + preview.stash == text
            else:
                assert units(text)[: len(earlier)] != earlier

    @given(texts=STREAMS)
    def test_what_is_newly_confirmed_was_in_both_and_at_the_end_of_none(self, texts):
        confirmation, last, earlier = Confirmation(), "", ""
        for text in texts:
            confirmed = confirmation.update(Hypothesis(text)).text
            if confirmed != earlier:
                added = confirmed[len(earlier) :]
                assert added.lstrip() in last  # After a contradiction a blank may have been put before it.
                assert added.lstrip() in text[:-1]
            last, earlier = text, confirmed

    @given(text=TEXTS)
    def test_a_hypothesis_that_stays_is_confirmed_but_for_its_last_unit(self, text):
        assert shown(text, text).text == "".join(units(text)[:-1])


STREAMS_PER_LANGUAGE = 350  # 10,500 in all


@pytest.mark.parametrize("engine_vouches", [False, True])
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_shown_of_many_streams(language, engine_vouches):
    """Confirmed text stays, is divided from the rest only where a reader would, and leaves no blank to guess."""
    for seed in range(STREAMS_PER_LANGUAGE):
        rng = random.Random(seed)
        confirmation, earlier = Confirmation(), ""
        for heard in stream(language, seed):
            contradictions = confirmation.contradictions
            stable_chars = rng.randint(0, len(heard.text)) if engine_vouches else None
            preview = confirmation.update(Hypothesis(heard.text, stable_chars=stable_chars))
            where = f"stream {seed} of {language}: {heard.tokens} shown as {preview}"

            assert preview.text.startswith(earlier), where
            assert not preview.text[-1:].isspace(), where
            if confirmation.contradictions == contradictions:
                assert preview.text + preview.stash == heard.text, where
                assert len(preview.text) in heard.cuts, where
            assert not (is_word(preview.text[-1:]) and is_word(preview.stash[:1])), where
            assert not (is_word(earlier[-1:]) and is_word(preview.text[len(earlier) :][:1])), where
            earlier = preview.text
        assert confirmation.close(Hypothesis("A word")).startswith(earlier)


def is_word(char):
    """Whether a character makes one word with another such character."""
    return char.isalnum() and not is_unspaced(char)


class TestTentativeHypotheses:
    @pytest.mark.parametrize("stable_chars", [None, 14])
    def test_confirm_nothing(self, stable_chars):
        confirmation = Confirmation()
        for text in ("I have", "I have a"):
            confirmation.update(Hypothesis(text))

        for text in ("I have a dream", "I have a dream today"):
            preview = confirmation.update(Hypothesis(text, stable_chars=stable_chars), tentative=True)
            assert preview == Preview("I have", text.removeprefix("I have"))

    def test_count_as_what_the_next_one_agrees_with(self):
        confirmation = Confirmation()
        confirmation.update(Hypothesis("I have a"), tentative=True)

        assert confirmation.update(Hypothesis("I have a dream")) == Preview("I have a", " dream")


class TestConfirmationByTheEngine:
    def test_the_engine_is_taken_at_its_word(self):
        assert shown("I have a dream", stable_chars=8) == Preview("I have a", " dream")
        assert shown("浦东机场", stable_chars=4) == Preview("浦东机场", "")

    def test_only_whole_units(self):
        assert shown("I have a dream", stable_chars=7) == Preview("I have", " a dream")
        assert shown("I have", stable_chars=0) == Preview("", "I have")

    def test_agreement_does_not_add_to_it(self):
        assert shown("I have a dream", "I have a dream", stable_chars=1) == Preview("I", " have a dream")

    @given(texts=STREAMS, chars=st.lists(st.integers(0, 40), min_size=8, max_size=8))
    def test_it_may_vouch_for_less_later(self, texts, chars):
        confirmation, earlier = Confirmation(), ""
        for text, stable_chars in zip(texts, chars, strict=False):
            contradictions = confirmation.contradictions
            preview = confirmation.update(Hypothesis(text, stable_chars=stable_chars))
            assert preview.text.startswith(earlier)
            if preview.text != earlier:
                assert len(preview.text) <= stable_chars
            if confirmation.contradictions == contradictions:
                assert preview.text + preview.stash == text
            earlier = preview.text


class TestConfirmationClose:
    @given(texts=STREAMS, final=TEXTS)
    def test_the_final_text_unless_it_contradicts(self, texts, final):
        confirmation = Confirmation()
        for text in texts:
            confirmation.update(Hypothesis(text))
        contradictions = confirmation.contradictions

        closed = confirmation.close(Hypothesis(final))

        assert closed.startswith(confirmation.text)
        assert (closed == final) or confirmation.contradictions == contradictions + 1

    def test_a_contradiction_keeps_what_was_shown(self):
        confirmation = Confirmation()
        for text in ("I have a", "I have a dream"):
            confirmation.update(Hypothesis(text))

        assert confirmation.close(Hypothesis("We have a dream.")) == "I have a dream."

    def test_a_contradiction_does_not_join_words(self):
        confirmation = Confirmation()
        for text in ("I have a", "I have a dream"):
            confirmation.update(Hypothesis(text))

        assert confirmation.close(Hypothesis("他说的GPU")) == "I have a GPU"
        assert confirmation.update(Hypothesis("他说的GPU")) == Preview("I have a", " GPU")
        assert confirmation.update(Hypothesis("他说的GPU好")) == Preview("I have a GPU", "好")


class TestPreviewAfterEarlierSpeech:
    @pytest.mark.parametrize(
        ("earlier", "preview", "expected"),
        [
            ("", Preview("I", " have"), Preview("I", " have")),
            ("Well,", Preview("", "I have"), Preview("Well,", " I have")),
            ("Well,", Preview("I", " have"), Preview("Well, I", " have")),
            ("你好。", Preview("", "我是"), Preview("你好。", "我是")),
            ("你好。", Preview("我", "是"), Preview("你好。我", "是")),
            ("Well,", Preview("你", "好"), Preview("Well,你", "好")),
            ("Well,", Preview("", ""), Preview("Well,", "")),
        ],
    )
    def test_examples(self, earlier, preview, expected):
        assert preview.after(earlier) == expected

    @given(earlier=TEXTS, texts=STREAMS)
    def test_reads_like_the_transcripts_joined_and_keeps_the_earlier_text(self, earlier, texts):
        confirmation, text_before = Confirmation(), earlier
        for text in texts:
            alone = confirmation.update(Hypothesis(text))
            preview = alone.after(earlier)

            assert preview.text + preview.stash == join_transcripts([earlier, alone.text + alone.stash])
            assert preview.text.startswith(text_before)
            text_before = preview.text
