"""Whisper on CTranslate2: one stretch of speech in, one text out, in 8 bits on the CPU.

    audio ─▶ log-mel, with silence behind it ─▶ encoder ─▶ identify: one decoder step
                                                       └▶ transcribe: prompt, then text

Whisper was trained on 30 s at a time, and its encoder is most of the cost of a short sentence. It takes less, but the
less silence there is behind the speech, the more it says everything twice. With `SILENCE_S` behind it, and `WINDOW_S`
in all, it makes as many errors as with 30 s at less than a third of the cost (docs/performance.md). What is said twice
all the same is heard again in 30 s.

There is no ladder of temperatures: on sound that is no speech it cost ten times the time of a sentence, and sampled
words that nobody said. Text that nobody said is the business of `recognition/`.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
import opencc
from tokenizers import Tokenizer

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.mel import HOP_SAMPLES, MelFilters, features
from qwen3_asr_realtime.engines.whisper.languages import CODES, TAKEN_FOR, names_of
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

FRAMES_PER_S = SAMPLE_RATE // HOP_SAMPLES
FULL_WINDOW_S = 30.0
"""What the model was trained on, and the most it takes."""

WINDOW_S = 12.0
"""Shortest window for text."""

SILENCE_S = 4.0
"""Least silence behind the speech in it."""

IDENTIFIED_S = 5.0
"""Audio that is enough to tell the language. All of 32 English recordings were told right by their first second, of 28
Chinese ones 26 by the first and all by two; of 100 Spanish, French, Russian and Italian ones 67 by the first, 88 by
two, 92 by three."""

IDENTIFYING_SILENCE_S = 2.0
"""Silence behind it. One token is not said twice, and what was told right with 12 s in all was told right so."""

FINAL_BEAM = 5
"""Hypotheses followed for a final. On those 134 sentences 17.4 % against 19.0, for a tenth more time."""

MAX_TOKENS_PER_S = 20.0
"""Bound on tokens per second of audio, against loops. Hindi and Thai take one for each letter, of which 13 a second are
read aloud; Chinese 1.1 and Japanese 1.0 for each of 5 to 8 syllables."""

EXTRA_TOKENS = 8
"""Allowed on top."""

REPEATED_TOKENS = 4
"""Something of so many tokens or more that stands twice in a row was said once: a word or two may be repeated."""

MAX_TOKENS = 223
"""The decoder has 448 places, half of them for the text."""

MAX_CONTEXT_TOKENS = 160
"""Of the context, the first ones; the other half is theirs and that of the style."""

MAX_CONTEXT_CHARS = 10 * MAX_CONTEXT_TOKENS
"""What is not looked at for tokens: nobody else runs while a text of megabytes is cut into them."""

STYLE = {"zh": "以下是普通话的句子。"}
"""What stands before the text as if it had been said, by language: Chinese comes out with punctuation then, and mostly
in simplified characters."""

STYLE_CHARS = 6
"""So many characters of that, alone, are an echo of it and were not said."""

FILES = ("config.json", "model.bin", "tokenizer.json")
"""Without which a folder is no model."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one decode found.

    Attributes:
        text: The words, without outer blanks.
        truncated: The length bound was met before the end of the text.
        confidence: Mean log-probability of the tokens, 0 at best.
        no_speech: Probability that nobody speaks, as the model sees it.
    """

    text: str = ""
    truncated: bool = False
    confidence: float = 0.0
    no_speech: float = 0.0


class Whisper:
    """The loaded model. Any number of threads may use it at the same time; so many make progress as it has workers."""

    def __init__(self, folder: Path, workers: int) -> None:
        """Load the model (0.3 s for the base size).

        Args:
            folder: Weights in the form of CTranslate2, with `tokenizer.json`.
            workers: Decodes that run at the same time, one thread each, on the same weights.

        Raises:
            EngineError: The folder does not hold a multilingual Whisper that runs here.
        """
        for name in FILES:
            if not (folder / name).is_file():
                raise EngineError(f"{folder.name} is not a Whisper model of CTranslate2: it has no {name}")
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1
            )
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # neither library has an exception of its own
            raise EngineError(f"{folder.name} cannot be loaded as a Whisper model: {error}") from error
        if not self._model.is_multilingual:
            raise EngineError(f"{folder.name} is a Whisper model for English alone; WHISPER_MODEL has to know others")
        self._tokenizer.encode_special_tokens = True  # Context that reads `<|en|>` is text, and not an order.
        self._filters = MelFilters(self._model.n_mels)
        self._start = self._special("<|startoftranscript|>")
        self._task = [self._special("<|transcribe|>"), self._special("<|notimestamps|>")]
        self._previous = self._special("<|startofprev|>")
        self._end = self._special("<|endoftext|>")
        self._language_ids = {code: self._language_id(code) for code in CODES}
        self._simplified = opencc.OpenCC("t2s")
        self._styles = {language: self._ids(text) for language, text in STYLE.items()}

    def identify(self, audio: Samples, cancelled: threading.Event | None = None) -> dict[str, float]:
        """Probabilities of the protocol's languages, by code; together 1. About 0.08 s of one core.

        Args:
            audio: Speech, shape [n], of which the first `IDENTIFIED_S` are heard. Cantonese is Chinese for models that
                do not know it.
            cancelled: Set by another thread to have it not begun.

        Raises:
            EngineError: Cancelled, the audio holds values that are no sound, or CTranslate2 failed.
        """
        _check(cancelled or threading.Event())
        heard = audio[: int(IDENTIFIED_S * SAMPLE_RATE)]
        window_s = max(IDENTIFIED_S, len(heard) / SAMPLE_RATE + IDENTIFYING_SILENCE_S)
        try:
            (found,) = self._model.detect_language(self._encoded(heard, window_s))
        except RuntimeError as error:
            raise EngineError(f"CTranslate2 failed: {error}") from error
        by_name = {token.strip("<|>"): probability for token, probability in found}
        by_code = {code: sum(by_name.get(name, 0.0) for name in names_of(code)) for code in CODES}
        whole = sum(by_code.values()) or 1.0
        return {code: probability / whole for code, probability in by_code.items()}

    def transcribe(
        self, audio: Samples, language: str, *, final: bool, context: str = "", cancelled: threading.Event | None = None
    ) -> Transcript:
        """Recognise one stretch of speech.

        Args:
            audio: The speech, shape [n], at most `FULL_WINDOW_S` long.
            language: Code of its language, one of `CODES`.
            final: Take the most accurate way.
            context: What may be spoken of; the model takes it for what was said before.
            cancelled: Set by another thread to stop before the next run of the model, 0.5 s later at most.

        Raises:
            EngineError: Cancelled, the audio holds values that are no sound (NaN, infinity), or CTranslate2 failed.
        """
        if not audio.size:
            return Transcript()
        cancelled = cancelled or threading.Event()
        _check(cancelled)
        duration_s = len(audio) / SAMPLE_RATE
        prompt = self._prompt(language, context)
        limit = min(int(duration_s * MAX_TOKENS_PER_S) + EXTRA_TOKENS, MAX_TOKENS)
        window_s = min(FULL_WINDOW_S, max(WINDOW_S, duration_s + SILENCE_S))
        beam = FINAL_BEAM if final else 1
        try:
            encoded = self._encoded(audio, window_s)
            _check(cancelled)
            result = self._generate(encoded, prompt, limit, beam)
            if final and window_s < FULL_WINDOW_S and (result.truncated or _says_twice(result.ids)):
                _check(cancelled)
                result = self._generate(self._encoded(audio, FULL_WINDOW_S), prompt, limit, beam)
        except RuntimeError as error:
            raise EngineError(f"CTranslate2 failed: {error}") from error
        text = self._in_its_script(self._tokenizer.decode(result.ids).replace("\ufffd", "").strip(), language)
        return Transcript(
            "" if is_style(text, STYLE.get(language, "")) else text,
            truncated=result.truncated,
            confidence=result.confidence,
            no_speech=result.no_speech,
        )

    # Private.

    def _generate(self, encoded: ctranslate2.StorageView, prompt: list[int], limit: int, beam: int) -> "_Result":
        """Decode at most `limit` tokens."""
        (result,) = self._model.generate(
            encoded,
            [prompt],
            beam_size=beam,
            # CTranslate2 generates no more than half of this, and no more than about this less the prompt. One more
            # than wanted, to see whether there is more.
            max_length=max(2 * (limit + 1), limit + 1 + len(prompt)),
            return_scores=True,
            return_no_speech_prob=True,
        )
        ids = [i for i in result.sequences_ids[0] if i < self._end]
        return _Result(ids[:limit], len(ids) > limit, result.scores[0], result.no_speech_prob)

    def _encoded(self, audio: Samples, window_s: float) -> ctranslate2.StorageView:
        """The encoder's states of the audio with silence behind it."""
        if not np.isfinite(audio).all():
            raise EngineError("the audio holds values that are no sound")
        frames = 2 * int(window_s * FRAMES_PER_S / 2)  # The encoder halves them.
        log_mel = self._filters.log_mel(audio[: frames * HOP_SAMPLES], NO_SAMPLES, first=0, stop=frames)
        scaled = features(log_mel, float(log_mel.max()))
        return self._model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(scaled[None])))

    def _prompt(self, language: str, context: str) -> list[int]:
        before = list(self._styles.get(language, []))
        if context:
            known = self._in_its_script(context[:MAX_CONTEXT_CHARS], language)
            before += self._ids(f" {known}")[:MAX_CONTEXT_TOKENS]
        return [*([self._previous, *before] if before else []), self._start, self._language_ids[language], *self._task]

    def _in_its_script(self, text: str, language: str) -> str:
        """Mandarin in simplified characters, which the style brings about in most cases only."""
        return str(self._simplified.convert(text)) if language == "zh" else text

    def _ids(self, text: str) -> list[int]:
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [i for i in ids if i < self._end]  # Those for times are not special in the files of larger models.

    def _language_id(self, code: str) -> int:
        for name in (*names_of(code), *filter(None, [TAKEN_FOR.get(code)])):
            if (found := self._tokenizer.token_to_id(f"<|{name}|>")) is not None:
                return int(found)
        raise EngineError(f"the tokenizer has no language {code}: this is not a multilingual Whisper model")

    def _special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise EngineError(f"the tokenizer lacks {token}: this is not a Whisper model")
        return int(found)


def is_style(text: str, style: str) -> bool:
    """Whether a text is what stood before it, or most of that, once or more, and nothing else."""
    bare = "".join(filter(str.isalnum, text))
    return len(bare) >= STYLE_CHARS and bare in 2 * "".join(filter(str.isalnum, style))


@dataclass(frozen=True, slots=True)
class _Result:
    """What one generation gave; see `Transcript`."""

    ids: list[int]
    truncated: bool
    confidence: float
    no_speech: float


def _says_twice(ids: Sequence[int]) -> bool:
    """Whether something of `REPEATED_TOKENS` or more stands twice in a row."""
    return any(
        ids[i : i + n] == ids[i + n : i + 2 * n]
        for n in range(REPEATED_TOKENS, len(ids) // 2 + 1)
        for i in range(len(ids) - 2 * n + 1)
    )


def _check(cancelled: threading.Event) -> None:
    if cancelled.is_set():
        raise EngineError("the decode was cancelled")
