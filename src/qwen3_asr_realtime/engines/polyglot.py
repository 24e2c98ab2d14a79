"""Two models as one: Moonshine for English, ten times cheaper, and Whisper for every other language.

Which of them hears a segment is the client's choice where it fixed the language. Else

- at a session's beginning, and as long as it is not English, Whisper tells the language: by the first second or so for
  partials, and again for a final, or as soon as there is enough audio to be certain;
- in a session that speaks English, Moonshine hears at once, and how sure it is of its words tells whether it is English
  still: only if it is not, Whisper is asked.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

import numpy as np

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.engines.moonshine.model import Moonshine, Transcript
from qwen3_asr_realtime.engines.whisper.model import Whisper
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

DOUBTFUL_SENTENCE = -0.4
"""Moonshine's confidence below which a final of some length may not be English. One of 47 English sentences has less;
two of 185 in Spanish, French, Russian, Italian and Chinese have more."""

DOUBTFUL_WORDS = -0.9
"""The same of a short final, and of a partial, whose last word may be cut off: after two seconds two of the 47 have
less, and four fifths of the others."""

LENGTH_S = 2.0
"""Audio that is of some length, pre-roll included. A shorter partial says nothing: English ones may have any."""

CERTAIN = 0.8
"""Probability from which on a language is presumed, so that the next partials need not ask. By one second of audio 6 %
of 231 sentences in six languages were told wrong with more, by two seconds 2 %."""

CERTAIN_S = 3.0
"""Audio from which on the language is decided: more tells hardly more. Finals of less are identified for themselves."""

EXPECTED_ODDS = 100.0
"""How much likelier the language that the session spoke is than any other, before anything is heard. Of 120 single
words in four languages 9 came out in another one, with odds of 4 it were 31; of 184 sentences in another language, 21
were first taken for the expected one after one second of audio, 4 after two, and none of 105 after five."""

DOUBTED_ODDS = 4.0
"""The same of English that Moonshine has heard, and doubts."""

PARTIALS_SHARE = 0.5
"""Share of one core that the partials of one utterance may take: Whisper takes 0.3 s and more for each."""

COST_WEIGHT = 0.2
"""Share of the newest in the mean cost of a partial."""

COST_RISE_MAX = 2.0
"""A single one that took longer counts as so many times the mean: the machine stood still, and does no more."""

WARM_UP_S = 5.0
"""Sound that the first cost is measured with."""

NO_SPEECH = 0.6
"""Whisper's probability of there being no speech from which on it may be so, its makers' value. None of 80 sentences,
half at -26 dB of their level, had more than 0.5; of the sounds of `scripts/non_speech.py`, one in fourteen had less."""

UNSURE = -1.0
"""Whisper's confidence below which it may be so: likewise. The sentences had more than -0.5, the sounds less than -0.9
but for bells and a siren, to which it says one letter."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to make of the audio of one refresh.

    Attributes:
        final: Take the most accurate way.
        language: Code of the language if it is fixed or decided, else None.
        expected: Code of the language to expect otherwise, or "".
        presumed: Code of the language that an early partial was told to be in, or "".
        context: What may be spoken of.
        draft: Tokens of the last partial, if that was Moonshine's.
        speech_confirmed: Whether it is sure that somebody speaks.
    """

    final: bool = False
    language: str | None = None
    expected: str = ""
    presumed: str = ""
    context: str = ""
    draft: Sequence[int] = ()
    speech_confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of it.

    Attributes:
        hypothesis: The text and its language.
        decided: Code of the segment's language if it is certain now, else None; English never is.
        presumed: Code of what it seems to be, or "".
        draft: Tokens for the next partial.
    """

    hypothesis: Hypothesis
    decided: str | None = None
    presumed: str = ""
    draft: Sequence[int] = ()


class Listener(Protocol):
    """What turns audio into hypotheses; threads may use it at the same time."""

    def hear(self, audio: Samples, wish: Wish, cancelled: threading.Event) -> Heard:
        """Recognise a segment's audio so far.

        Args:
            audio: The audio, shape [n].
            wish: What is known, and wanted.
            cancelled: Set by another thread to stop soon.

        Raises:
            EngineError: Cancelled, or a model failed.
        """
        ...


class English:
    """Moonshine alone: everything is English."""

    def __init__(self, moonshine: Moonshine) -> None:
        """Use a loaded model."""
        self._moonshine = moonshine

    def hear(self, audio: Samples, wish: Wish, cancelled: threading.Event) -> Heard:
        """Recognise a segment's audio so far (see `Listener.hear`)."""
        return _english(self._decode(audio, wish, cancelled))

    def hear_doubtfully(self, audio: Samples, wish: Wish, cancelled: threading.Event) -> tuple[Heard, bool]:
        """The same where it may be another language, and whether it had better be asked for.

        A partial of which nobody can be sure yet is not to be confirmed.
        """
        transcript = self._decode(audio, wish, cancelled)
        is_long = len(audio) >= LENGTH_S * SAMPLE_RATE
        least = DOUBTFUL_SENTENCE if is_long and wish.final else DOUBTFUL_WORDS
        is_doubtful = transcript.confidence < least and (is_long or wish.final)
        is_sure = is_long and transcript.confidence >= DOUBTFUL_SENTENCE
        return _english(transcript, None if is_sure else 0), is_doubtful

    def _decode(self, audio: Samples, wish: Wish, cancelled: threading.Event) -> Transcript:
        """A final has no draft: its text depends on the audio alone, and not on which partials were asked for."""
        return self._moonshine.decode(audio, () if wish.final else wish.draft, cancelled)


class Polyglot:
    """Both models."""

    def __init__(self, english: English, whisper: Whisper) -> None:
        """Use loaded models; measures what a partial costs here (half a second)."""
        self._english = english
        self._whisper = whisper
        noise = np.random.default_rng(0).normal(0, 0.01, int(WARM_UP_S * SAMPLE_RATE)).astype(np.float32)
        whisper.identify(noise)
        began_s = monotonic()
        whisper.transcribe(noise, "zh", final=False)
        self._partial_cost_s = monotonic() - began_s

    @property
    def partial_interval_s(self) -> float:
        """Time between two partials of one utterance that Whisper hears, so that they take their share of a core."""
        return self._partial_cost_s / PARTIALS_SHARE

    def hear(self, audio: Samples, wish: Wish, cancelled: threading.Event) -> Heard:
        """Recognise a segment's audio so far (see `Listener.hear`)."""
        is_certain = len(audio) >= CERTAIN_S * SAMPLE_RATE
        known = wish.language
        if known is None and wish.presumed != "en" and not (wish.final or is_certain):
            known = wish.presumed or None
        if known is not None:
            return self._hear_in(known, audio, wish, cancelled)
        english, odds = None, EXPECTED_ODDS
        if (wish.presumed or wish.expected) == "en":
            english, is_doubtful = self._english.hear_doubtfully(audio, wish, cancelled)
            if not is_doubtful:
                return english
            odds = DOUBTED_ODDS
        language, probability = most_probable(self._whisper.identify(audio, cancelled), wish.expected, odds)
        heard = english if english and language == "en" else self._hear_in(language, audio, wish, cancelled)
        if not heard.hypothesis.text or not wish.speech_confirmed:
            return heard
        if is_certain and language != "en":  # Moonshine's doubts may come with any word
            return replace(heard, decided=language)
        if is_certain or probability >= CERTAIN:
            return replace(heard, presumed=language)
        return replace(heard, hypothesis=replace(heard.hypothesis, stable_chars=0))  # it may be another language yet

    def _hear_in(self, language: str, audio: Samples, wish: Wish, cancelled: threading.Event) -> Heard:
        if language == "en":
            return self._english.hear(audio, wish, cancelled)
        began_s = monotonic()
        transcript = self._whisper.transcribe(
            audio, language, final=wish.final, context=wish.context, cancelled=cancelled
        )
        if not wish.final:
            cost_s = min(monotonic() - began_s, COST_RISE_MAX * self._partial_cost_s)
            self._partial_cost_s += (cost_s - self._partial_cost_s) * COST_WEIGHT
        doubts = (transcript.no_speech >= NO_SPEECH) + (transcript.confidence < UNSURE)
        # Of the context something is easily said where nobody speaks.
        text = transcript.text if doubts < (2 if wish.speech_confirmed and not wish.context else 1) else ""
        return Heard(
            Hypothesis(
                text,
                language if text else "",
                truncated=transcript.truncated,
                next_after_s=self.partial_interval_s,
            )
        )


def _english(transcript: Transcript, stable_chars: int | None = None) -> Heard:
    language = "en" if transcript.text else ""
    hypothesis = Hypothesis(transcript.text, language, truncated=transcript.truncated, stable_chars=stable_chars)
    return Heard(hypothesis, draft=transcript.token_ids)


def most_probable(probabilities: Mapping[str, float], expected: str, odds: float) -> tuple[str, float]:
    """The language it most probably is, and how probable, if one of them was expected.

    Args:
        probabilities: What was heard, by code; together 1.
        expected: Code of the language the session spoke, or "".
        odds: How much likelier that was than any other, before.
    """
    weighed = {code: p * (odds if code == expected else 1.0) for code, p in probabilities.items()}
    language = max(weighed, key=weighed.__getitem__)
    return language, weighed[language] / (sum(weighed.values()) or 1.0)
