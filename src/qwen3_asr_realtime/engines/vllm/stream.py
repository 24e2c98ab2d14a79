"""One segment on its way through Qwen3-ASR: what to ask at each update, and what the answer is worth.

Every update is one request of its own. The audio goes as frozen windows that the caches know from the last time, plus
a tail; after the first updates the answer goes on from most of the text of the one before. (The method of the Qwen3-ASR
technical report, section 2.4 and table 8: two seconds a chunk, roll-back of five tokens, four chunks without a prefix.)
"""

import asyncio
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from qwen3_asr_realtime.engines.base import Hypothesis, Priority, SegmentOptions
from qwen3_asr_realtime.engines.vllm.answer import Heard, clean_text, parse
from qwen3_asr_realtime.engines.vllm.backend import AudioWindow, Backend, Request
from qwen3_asr_realtime.engines.vllm.languages import NAMES, code_of
from qwen3_asr_realtime.engines.vllm.prompt import forced_head, without_control_tokens
from qwen3_asr_realtime.engines.vllm.tokens import Token, roll_back, text_of
from qwen3_asr_realtime.engines.vllm.windows import AudioWindows
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

PARTIAL_STEP_S = 1.0
"""The encoder works on whole seconds; a part of one is encoded differently from how it is once the second is full."""

UNFIXED_UPDATES = 4
"""Updates without a prefix at the start of a segment, while a word more of audio may still change everything."""

ROLL_BACK_TOKENS = 5

AGREEING_UPDATES = 2
"""Successive updates that must name the same language before it is decided for the rest of the segment."""

BASE_TOKENS = 16
TOKENS_PER_SECOND = 12
"""Bound of an answer that starts from nothing. Fast speech has about 6 tokens a second; only a loop has twice that."""

CHARS_PER_TOKEN_MAX = 16
"""More characters of context than this for each token allowed are not looked at: no language's text has so many."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds on what one request may cost.

    Attributes:
        max_segment_s: Longest audio, in seconds.
        max_new_tokens: Tokens that a partial may add to its prefix.
        max_context_tokens: Tokens of context; what is beyond is left out.
    """

    max_segment_s: float
    max_new_tokens: int
    max_context_tokens: int


class Qwen3Stream:
    """A segment being recognised, over any backend (see `engines.base.SegmentStream`)."""

    def __init__(self, backend: Backend, options: SegmentOptions, limits: StreamLimits, *, features: bool) -> None:
        """Begin a segment.

        Args:
            backend: Where requests go.
            options: What the client asked for.
            limits: Bounds on each request.
            features: Whether the backend takes log-mel features instead of samples.
        """
        self._backend = backend
        self._limits = limits
        self._segment_id = uuid4().hex
        self._windows = AudioWindows(self._segment_id, features=features)
        self._windows_lock = threading.Lock()  # a cancelled update's thread may still be at work on them
        self._wanted_language = NAMES.get(options.language or "", "")
        self._context = without_control_tokens(options.context[: limits.max_context_tokens * CHARS_PER_TOKEN_MAX])
        self._context_fits = not self._context
        self._updates = 0
        self._last = Heard("", ())
        self._agreeing = 0

    async def refresh(
        self,
        audio: Samples,
        *,
        final: bool,
        following: Samples = NO_SAMPLES,
        use_prefix: bool = True,
        speech_confirmed: bool = True,
        priority: Priority = Priority.PARTIAL,
    ) -> Hypothesis:
        """Recognise the segment's audio so far (see `SegmentStream.refresh`)."""
        windows = await asyncio.to_thread(self._cut, audio, following)
        await self._fit_context()
        prefix = self._prefix() if use_prefix and not final else ()
        language = self._decided_language(speech_confirmed, going_on=bool(prefix))
        unbounded = math.ceil(BASE_TOKENS + TOKENS_PER_SECOND * len(audio) / SAMPLE_RATE)
        answer = await self._backend.generate(
            Request(
                segment_id=self._segment_id,
                windows=windows,
                context=self._context,
                head=forced_head(language) if language else "",
                prefix=prefix,
                max_new_tokens=self._limits.max_new_tokens if prefix else unbounded,
                priority=priority,
            )
        )
        heard = parse([*prefix, *(token for token in answer.tokens if token.data)], language)
        text = heard.text
        stable_chars = None
        if not final:
            self._remember(heard)
            if self._updates >= UNFIXED_UPDATES:
                stable_chars = min(len(text), len(clean_text(self._prefix())))
        return Hypothesis(text, code_of(heard.language) if text else "", answer.truncated, stable_chars)

    def close(self) -> None:
        """Forget the segment."""
        self._last = Heard("", ())

    # --- private -----------------------------------------------------------------------------------------------------

    def _cut(self, audio: Samples, following: Samples) -> list[AudioWindow]:
        with self._windows_lock:
            return self._windows.windows(audio, following)

    async def _fit_context(self) -> None:
        if not self._context_fits:
            self._context = await self._backend.truncate(self._context, self._limits.max_context_tokens)
            self._context_fits = True

    def _prefix(self) -> Sequence[Token]:
        """The text the next partial goes on from."""
        if self._updates < UNFIXED_UPDATES:
            return ()
        prefix = roll_back(self._last.tokens, ROLL_BACK_TOKENS)
        text = text_of(prefix)
        return prefix if text == without_control_tokens(text) else ()  # a server elsewhere would read them as such

    def _decided_language(self, speech_confirmed: bool, *, going_on: bool) -> str:
        """Name of the language to begin the answer with, or "" to let the model say: it may say that nobody speaks."""
        if self._wanted_language and speech_confirmed:
            return self._wanted_language
        if self._agreeing >= AGREEING_UPDATES or going_on:
            return self._last.language
        return ""

    def _remember(self, heard: Heard) -> None:
        agrees = heard.language and heard.language == self._last.language
        self._agreeing = self._agreeing + 1 if agrees else int(bool(heard.language))
        self._last = heard
        self._updates += 1
