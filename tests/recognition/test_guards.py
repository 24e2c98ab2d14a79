import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.recognition.guards import (
    LIMITS,
    Doubt,
    Evidence,
    doubt,
    has_tags,
    is_weak,
    is_without_voice,
    settled,
    spoken_s,
    trimmed,
)
from qwen3_asr_realtime.samples import SAMPLE_RATE
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES, certain_voice_s
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, Frames, SileroModel, SileroState

SPEECH = Path(__file__).parent.parent / "speech"
MANIFEST = json.loads((SPEECH / "manifest.json").read_text())
HOTWORDS = "Kubernetes, PostgreSQL, Grafana, Prometheus, Terraform, Ansible, Jenkins, Elasticsearch, Kibana, Istio"
HOTWORDS_ZH = "阿里巴巴、通义千问、达摩院、钉钉、淘宝、天猫、菜鸟、盒马"
SENTENCE = "Please call me back tomorrow at half past nine in the morning"


def heard(text, **fields):
    return Hypothesis(text, "en" if text else "", **fields)


def lasting(duration_s, voice_s=None, **fields):
    """A segment of so many seconds, with as much voice as usual."""
    return Evidence(duration_s, 0.5 * duration_s if voice_s is None else voice_s, **fields)


class TestWhatPeopleSay:
    """Every one of these is believed."""

    @pytest.mark.parametrize("clip", MANIFEST, ids=lambda clip: clip["file"])
    def test_recordings(self, clip):
        assert doubt(heard(clip["transcript"]), lasting(clip["seconds"])) is None
        assert doubt(heard(clip["transcript"]), lasting(clip["seconds"], context=clip["transcript"])) is None

    @pytest.mark.parametrize(
        ("text", "duration_s"),
        [
            ("Yes.", 0.5),
            ("I.", 0.45),
            ("好。", 0.5),
            ("はい。", 0.5),
            ("Ja.", 0.5),
            ("네.", 0.5),
            ("ครับ", 0.6),
            ("8.", 0.5),
            ("+", 0.6),
            ("100%", 1.3),
            ("no no no", 0.9),
            ("No, no, no, no, no, no, no.", 2.0),
            ("对对对对对对对", 1.5),
            ("哈" * 20, 4.0),
            ("One two three four five six seven eight nine ten eleven twelve.", 3.5),
            ("一二三四五六七八九十", 2.2),
            ("1 2 1 2 1 2 1 2", 3.0),
            ("555-0199-2837-4455", 5.0),
            ("0000 0000 0000 0000", 5.0),
            ("1000000000000", 1.5),
            ("1,000,000,000,000", 1.2),
            ("W W W dot E X A M P L E dot O R G", 5.0),
            ("https://www.example.com/a?b=1", 5.0),
            ("Donaudampfschifffahrtsgesellschaftskapitän", 2.6),
            ("The tag is <b> and the prompt is language English is spoken here", 3.8),
            ("Language English.", 1.2),
            # As fast as people get: six English words, eight Chinese syllables, ten Japanese ones a second.
            ("going once going twice sold to the man in the blue hat over there for forty five dollars", 3.0),
            ("今天天气非常好我们一起去公园里散步吧然后再去吃饭怎么样", 3.4),
            ("きょうはとてもいいてんきですからさんぽにいきましょう", 2.7),
            ("วันนี้อากาศดีมากเราไปเดินเล่นกันเถอะ", 2.2),
        ],
    )
    def test_short_long_fast_and_repeated(self, text, duration_s):
        assert doubt(heard(text), lasting(duration_s)) is None

    def test_the_same_short_answer_twice(self):
        assert doubt(heard("Yes, please."), lasting(0.7, previous="Yes, please.", previous_s=3.0)) is None

    def test_the_same_sentence_again(self):
        assert doubt(heard(SENTENCE), lasting(3.4, previous=SENTENCE, previous_s=3.0)) is None

    def test_words_of_the_context_at_the_pace_of_speech(self):
        assert doubt(heard("Grafana and Prometheus."), lasting(1.4, context=HOTWORDS)) is None
        assert doubt(heard(HOTWORDS), lasting(9, context=HOTWORDS)) is None
        assert doubt(heard("阿里巴巴。"), lasting(1.0, context=HOTWORDS_ZH)) is None
        assert doubt(heard("通义千问"), lasting(1.0, 0.3, context=HOTWORDS_ZH)) is None

    def test_nothing(self):
        assert doubt(heard(""), Evidence(0, 0)) is None

    @given(st.lists(st.sampled_from(SENTENCE.split()), min_size=1, max_size=60, unique=True), st.floats(2, 5))
    def test_words_at_any_usual_pace(self, words, words_per_s):
        assert doubt(heard(" ".join(words)), lasting(0.5 + len(words) / words_per_s)) is None


class TestWhatNobodySaid:
    @pytest.mark.parametrize(
        ("hypothesis", "evidence", "why"),
        [
            (heard("You"), Evidence(0.7, 0.05), Doubt.NO_VOICE),
            (heard(SENTENCE), Evidence(60.0, 0.0), Doubt.NO_VOICE),
            (heard("Okay."), Evidence(0.7, 0.15), Doubt.WEAK_VOICE),
            (heard("Okay."), Evidence(12.0, 0.5), Doubt.WEAK_VOICE),
            (heard("This is the first time I've seen it."), Evidence(4.0, 0.4), Doubt.WEAK_VOICE),
            (heard("language English<asr_text>Hello."), lasting(2), Doubt.TAGS),
            (heard("language ChineseI mean"), lasting(2), Doubt.TAGS),
            (heard("language Chinese好的"), lasting(2), Doubt.TAGS),
            (heard("language None"), lasting(2), Doubt.TAGS),
            (heard("Hello.<|im_end|>"), lasting(2), Doubt.TAGS),
            (heard("Hello.</asr_text>"), lasting(2), Doubt.TAGS),
            (heard("♪♪♪"), lasting(2), Doubt.NO_WORDS),
            (heard("。，……"), lasting(2), Doubt.NO_WORDS),
            (heard("well " + "no " * 12, truncated=True), lasting(6), Doubt.LOOP),
            (heard("谢谢大家" * 12), lasting(20), Doubt.LOOP),
            (heard("Billion " * 8), lasting(1.0), Doubt.TOO_FAST),
            (heard("你好世界" * 5), lasting(0.9), Doubt.TOO_FAST),
            (heard(HOTWORDS), lasting(4, 0.7, context=f"Hotwords: {HOTWORDS}."), Doubt.ECHO),
            (heard(HOTWORDS_ZH), lasting(3, 0.9, context=HOTWORDS_ZH), Doubt.ECHO),
            (heard(f"{HOTWORDS}!"), lasting(4, 0.7, context=HOTWORDS.upper()), Doubt.ECHO),
            (heard(f"{SENTENCE}."), lasting(1.6, previous=SENTENCE, previous_s=3.4), Doubt.COPY),
            (heard(f"{SENTENCE}."), lasting(9.0, previous=SENTENCE, previous_s=3.4), Doubt.COPY),
            (heard(f"{SENTENCE}."), lasting(3.4, 0.5, previous=SENTENCE, previous_s=3.4), Doubt.COPY),
        ],
    )
    def test_is_doubted(self, hypothesis, evidence, why):
        assert doubt(hypothesis, evidence) is why

    def test_a_guard_can_be_moved(self):
        strict = replace(LIMITS, weak_voice_s=1.0)
        assert doubt(heard("Yes."), lasting(1.0)) is None
        assert doubt(heard("Yes."), lasting(1.0), strict) is Doubt.WEAK_VOICE


class TestSecondHearing:
    WEAK = Evidence(0.8, 0.15)

    def test_words_in_weak_voice_are_believed_if_heard_twice(self):
        assert settled(heard("Eight,"), heard("eight."), self.WEAK) == (heard("Eight,"), None)
        assert settled(heard("Call her today."), heard("Call here today"), self.WEAK)[0].text == "Call her today."

    @pytest.mark.parametrize("second", ["Yeah.", "Thank you.", "This is"])
    def test_and_not_if_not(self, second):
        assert settled(heard("Okay."), heard(second), self.WEAK) == (Hypothesis(""), Doubt.WEAK_VOICE)

    def test_nor_if_only_a_part_of_them(self):
        assert settled(heard("Thank you."), heard("You"), self.WEAK)[0].text == ""

    def test_nothing_is_believed(self):
        assert settled(heard("Okay."), heard(""), self.WEAK) == (heard(""), None)

    def test_what_is_not_doubted_again_is_believed(self):
        loop = heard("Billion " * 30, truncated=True)
        assert settled(loop, heard("Billion."), lasting(1.2)) == (heard("Billion."), None)

    def test_a_loop_that_comes_back_is_cut(self):
        loop = heard("well " + "no " * 12, truncated=True)
        assert settled(loop, replace(loop, stable_chars=3), lasting(6)) == (replace(loop, text="well no"), Doubt.LOOP)

    def test_even_one_that_is_much_longer_than_the_speech(self):
        loop = heard("well " + "no " * 200, truncated=True)
        assert settled(loop, loop, lasting(2))[0].text == "well no"

    def test_but_not_kept_where_hardly_anybody_speaks(self):
        loop = heard("ah " * 12, truncated=True)
        assert settled(heard("Ah!"), loop, self.WEAK) == (Hypothesis("", truncated=True), Doubt.LOOP)

    def test_what_was_not_shown_a_second_time_is_no_copy(self):
        evidence = lasting(4, 2, context=SENTENCE, previous=SENTENCE, previous_s=10)
        assert doubt(heard(SENTENCE), evidence) is Doubt.COPY
        assert settled(heard(SENTENCE), heard(f"{SENTENCE}."), evidence) == (heard(f"{SENTENCE}."), None)

    def test_an_echo_in_weak_voice_must_be_heard_twice(self):
        evidence = lasting(4, 0.7, context=HOTWORDS)
        assert settled(heard(HOTWORDS), heard("Thanks."), evidence) == (heard("Thanks."), None)
        assert settled(heard(HOTWORDS), heard(SENTENCE), evidence) == (Hypothesis(""), Doubt.WEAK_VOICE)
        assert settled(heard(HOTWORDS), heard(f"{HOTWORDS}."), evidence) == (heard(f"{HOTWORDS}."), None)

    TEXTS = st.sampled_from(
        ["", "Yes.", SENTENCE, HOTWORDS, "no " * 30, "♪", "language None", "<|x|>Yes.", "哈" * 50, "ha" * 40]
    )

    @given(TEXTS, TEXTS, st.booleans(), st.floats(0.3, 30), st.floats(0, 10))
    def test_what_is_believed_was_heard_and_holds(self, first, second, truncated, duration_s, voice_s):
        evidence = Evidence(duration_s, voice_s, context=HOTWORDS)
        final, why = settled(heard(first), heard(second, truncated=truncated), evidence)
        assert final.text in {first, second} or why is not None
        assert final.text in first or final.text in second
        assert not has_tags(final.text)
        assert not (final.text and is_without_voice(evidence))
        assert bool(final.language) <= bool(final.text)


class TestTrimmed:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("language English<asr_text>Hello.", "Hello."),
            ("Hello.language English<asr_text>World.", "Hello.World."),
            ("language Chinese好的", "好的"),
            ("<asr_<asr_text>text>Hi<|im_end|>", "Hi"),
            ("language None", ""),
        ],
    )
    def test_of_tags_the_rest_is_left(self, text, left):
        assert trimmed(text, Doubt.TAGS) == left

    @pytest.mark.parametrize("why", set(Doubt) - {Doubt.LOOP, Doubt.TAGS})
    def test_of_others_nothing(self, why):
        assert trimmed("Hello.", why) == ""


class TestSpeakingTime:
    def test_counts_what_is_spoken(self):
        assert spoken_s("a-b, c 1!") == pytest.approx(4 / LIMITS.letters_per_s)
        assert spoken_s("你好，세계 かな") == pytest.approx(6 / LIMITS.syllables_per_s)
        assert spoken_s("สวัสดี") == pytest.approx(4 / LIMITS.letters_per_s)  # Vowel signs are no letters.


class TestCertainVoice:
    @pytest.mark.parametrize(
        ("level_db", "noise_db"),
        [(-26, None), (-52, None), (-26, -36), (-26, -31)],
        ids=["clean", "very quiet", "10 dB SNR", "5 dB SNR"],
    )
    @pytest.mark.parametrize("clip", MANIFEST, ids=lambda clip: clip["file"])
    def test_of_recorded_speech_is_enough(self, clip, level_db, noise_db):
        """Levels are mean powers, in dB of full scale."""
        with wave.open(str(SPEECH / clip["file"])) as file:
            audio = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        audio *= 10 ** (level_db / 20) / audio.std()
        if noise_db is not None:
            audio += np.random.default_rng(0).standard_normal(len(audio)).astype(np.float32) * 10 ** (noise_db / 20)
        evidence = Evidence(len(audio) / SAMPLE_RATE, voice_s(audio))

        assert not is_weak(clip["transcript"], evidence)
        assert doubt(heard(clip["transcript"]), evidence) is None


def voice_s(audio):
    whole = len(audio) // FRAME_SAMPLES * FRAME_SAMPLES
    stream = np.concatenate((np.zeros(CONTEXT_SAMPLES, np.float32), audio[:whole].astype(np.float32)))
    frames = Frames(stream, SileroState())
    while frames.left:
        SileroModel.load().judge([frames])
    return sum(map(certain_voice_s, frames.probabilities))
