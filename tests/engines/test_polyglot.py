import threading

import numpy as np
import pytest

from qwen3_asr_realtime.engines import polyglot
from qwen3_asr_realtime.engines.moonshine.model import Transcript as EnglishTranscript
from qwen3_asr_realtime.engines.polyglot import English, Polyglot, Wish, most_probable
from qwen3_asr_realtime.engines.whisper.model import Transcript
from qwen3_asr_realtime.samples import SAMPLE_RATE

ONE_SECOND = np.zeros(SAMPLE_RATE, np.float32)
THREE_SECONDS = np.zeros(3 * SAMPLE_RATE, np.float32)


class FakeMoonshine:
    def __init__(self):
        self.drafts = []
        self.confidence = -0.1

    def decode(self, audio, draft, cancelled):
        self.drafts.append(draft)
        return EnglishTranscript("good morning", (5, 6), confidence=self.confidence)


class FakeWhisper:
    def __init__(self):
        self.probabilities = {"en": 0.05, "zh": 0.9, "ja": 0.05}
        self.transcript = Transcript("早上好", confidence=-0.2)
        self.identified = 0
        self.transcribed = []

    def identify(self, audio, cancelled=None):
        self.identified += 1
        return self.probabilities

    def transcribe(self, audio, language, *, final, context="", cancelled=None):
        self.transcribed.append((language, final, context))
        return self.transcript


@pytest.fixture
def moonshine():
    return FakeMoonshine()


@pytest.fixture
def whisper():
    return FakeWhisper()


@pytest.fixture
def hear(moonshine, whisper):
    both = Polyglot(English(moonshine), whisper)
    whisper.identified = 0
    whisper.transcribed.clear()
    return lambda audio=ONE_SECOND, **wish: both.hear(audio, Wish(**wish), threading.Event())


def test_fixed_english_is_moonshine_s_alone(hear, moonshine, whisper):
    moonshine.confidence = -9.0

    heard = hear(language="en", draft=(5,))

    assert (heard.hypothesis.text, heard.hypothesis.language, heard.draft) == ("good morning", "en", (5, 6))
    assert moonshine.drafts == [(5,)]
    assert (whisper.identified, whisper.transcribed) == (0, [])


def test_a_final_has_no_draft(hear, moonshine):
    hear(language="en", final=True, draft=(5,))

    assert moonshine.drafts == [()]


def test_another_fixed_language_is_whisper_s_alone(hear, moonshine, whisper):
    heard = hear(language="ko", final=True, context="Pudong")

    assert (heard.hypothesis.text, heard.hypothesis.language) == ("早上好", "ko")
    assert whisper.transcribed == [("ko", True, "Pudong")]
    assert (whisper.identified, moonshine.drafts) == (0, [])


def test_the_first_words_of_a_session_are_identified(hear, moonshine, whisper):
    heard = hear()

    assert (heard.hypothesis.language, heard.hypothesis.stable_chars) == ("zh", None)
    assert (heard.presumed, heard.decided) == ("zh", None)
    assert (whisper.identified, moonshine.drafts) == (1, [])


def test_a_presumed_language_serves_partials_until_there_is_enough_to_be_certain(hear, whisper):
    assert hear(ONE_SECOND, presumed="ja").hypothesis.language == "ja"
    assert whisper.identified == 0

    assert hear(THREE_SECONDS, presumed="ja").decided == "zh"
    assert hear(ONE_SECOND, presumed="ja", final=True).hypothesis.language == "zh"
    assert whisper.identified == 2


def test_presumed_english_is_asked_for_again_only_where_moonshine_doubts_it(hear, moonshine, whisper):
    for final in (False, True):
        assert hear(THREE_SECONDS, presumed="en", final=final).hypothesis.language == "en"
    assert whisper.identified == 0

    moonshine.confidence = -2.0
    assert hear(THREE_SECONDS, presumed="en", final=True).decided == "zh"


def test_english_is_identified_and_left_to_moonshine(hear, moonshine, whisper):
    whisper.probabilities = {"en": 0.9, "zh": 0.1}

    heard = hear()

    assert (heard.hypothesis.text, heard.presumed) == ("good morning", "en")
    assert (whisper.identified, whisper.transcribed) == (1, [])


def test_an_uncertain_language_is_shown_and_neither_decided_nor_confirmed(hear, whisper):
    whisper.probabilities = {"en": 0.3, "zh": 0.5, "ja": 0.2}

    early, late = hear(ONE_SECOND), hear(THREE_SECONDS)

    assert (early.hypothesis.language, early.hypothesis.stable_chars) == ("zh", 0)
    assert (early.presumed, early.decided) == ("", None)
    assert (late.decided, late.hypothesis.stable_chars) == ("zh", None)


@pytest.mark.parametrize("nothing", [{"speech_confirmed": False}, {}])
def test_what_may_be_no_speech_decides_nothing(hear, whisper, nothing):
    whisper.transcript = Transcript("早上好" if nothing else "", confidence=-0.2)

    assert hear(THREE_SECONDS, **nothing).decided is None
    assert hear(ONE_SECOND, **nothing).presumed == ""


def test_a_session_that_speaks_english_is_not_identified_again(hear, moonshine, whisper):
    for final in (False, True):
        heard = hear(expected="en", final=final)

        assert (heard.hypothesis.text, heard.hypothesis.language) == ("good morning", "en")
    assert whisper.identified == 0


@pytest.mark.parametrize(
    ("audio", "confidence", "stable_chars"),
    [(ONE_SECOND, -0.1, 0), (THREE_SECONDS, -0.5, 0), (THREE_SECONDS, -0.3, None)],
)
def test_english_that_may_be_another_language_is_not_confirmed(hear, moonshine, audio, confidence, stable_chars):
    moonshine.confidence = confidence

    assert hear(audio, expected="en").hypothesis.stable_chars == stable_chars
    assert hear(audio, language="en").hypothesis.stable_chars is None


@pytest.mark.parametrize(
    ("audio", "final", "least"),
    [(THREE_SECONDS, True, -0.4), (ONE_SECOND, True, -0.9), (THREE_SECONDS, False, -0.9), (ONE_SECOND, False, -9.0)],
)
def test_whisper_is_asked_when_moonshine_doubts_its_words(hear, moonshine, audio, final, least):
    moonshine.confidence = least + 0.01
    assert hear(audio, expected="en", final=final).hypothesis.language == "en"

    moonshine.confidence = least - 0.01
    assert hear(audio, expected="en", final=final).hypothesis.language == ("zh" if least > -9 else "en")


def test_doubtful_english_that_is_english_is_not_heard_twice(hear, moonshine, whisper):
    moonshine.confidence = -2.0
    whisper.probabilities = {"en": 0.9, "zh": 0.1}

    heard = hear(THREE_SECONDS, expected="en", final=True)

    assert (heard.hypothesis.text, heard.presumed, heard.decided) == ("good morning", "en", None)
    assert len(moonshine.drafts) == 1


@pytest.mark.parametrize(
    ("transcript", "confirmed", "believed"),
    [
        (Transcript("早上好", confidence=-3.0, no_speech=0.59), True, True),
        (Transcript("早上好", confidence=-0.9, no_speech=0.61), True, True),
        (Transcript("早上好", confidence=-1.1, no_speech=0.61), True, False),
        (Transcript("早上好", confidence=-0.9, no_speech=0.61), False, False),
        (Transcript("早上好", confidence=-0.9, no_speech=0.59), False, True),
        (Transcript("早上好", confidence=-1.1, no_speech=0.1), False, False),
    ],
)
def test_words_for_no_speech_are_nothing(hear, whisper, transcript, confirmed, believed):
    whisper.transcript = transcript

    heard = hear(language="zh", speech_confirmed=confirmed)

    assert (heard.hypothesis.text, heard.hypothesis.language) == (("早上好", "zh") if believed else ("", ""))


@pytest.mark.parametrize(("context", "text"), [("", "早上好"), ("早上好", "")])
def test_where_there_is_context_one_doubt_is_enough(hear, whisper, context, text):
    whisper.transcript = Transcript("早上好", confidence=-0.5, no_speech=0.7)

    assert hear(language="zh", context=context).hypothesis.text == text


def test_partials_leave_half_a_core_to_others(whisper, moonshine, monkeypatch):
    clock = iter([0.0, 0.4, 10.0, 10.6, 20.0, 120.0])  # 0.4 s at start-up, partials of 0.6 s and, once, of 100 s
    monkeypatch.setattr(polyglot, "monotonic", lambda: next(clock))
    both = Polyglot(English(moonshine), whisper)
    assert both.partial_interval_s == pytest.approx(0.8)

    for expected_s in (0.88, 1.056):
        hypothesis = both.hear(ONE_SECOND, Wish(language="zh"), threading.Event()).hypothesis
        assert hypothesis.next_after_s == pytest.approx(expected_s)
    assert both.hear(ONE_SECOND, Wish(language="en"), threading.Event()).hypothesis.next_after_s == 0


def test_without_whisper_everything_is_english(moonshine):
    heard = English(moonshine).hear(ONE_SECOND, Wish(expected="zh"), threading.Event())

    assert (heard.hypothesis.language, heard.decided) == ("en", None)


def test_the_expected_language_is_likelier():
    heard = {"zh": 0.7, "ja": 0.3}

    assert most_probable(heard, "", 4.0) == ("zh", pytest.approx(0.7))
    assert most_probable(heard, "ja", 4.0) == ("ja", pytest.approx(1.2 / 1.9))
    assert most_probable({"zh": 0.995, "ja": 0.005}, "ja", 100.0)[0] == "zh"
