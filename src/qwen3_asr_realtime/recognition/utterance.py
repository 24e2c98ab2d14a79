"""Recognition of one utterance: when to decode which part of it, and what comes of that."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from qwen3_asr_realtime.engines.base import Engine, EngineError, Hypothesis, Priority, SegmentOptions
from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.recognition.hypothesis import Preview
from qwen3_asr_realtime.recognition.loops import has_loop
from qwen3_asr_realtime.recognition.scheduler import Scheduler
from qwen3_asr_realtime.recognition.segment import Segment
from qwen3_asr_realtime.recognition.segmentation import earliest_cut, quietest_cut
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples, samples_from_ms
from qwen3_asr_realtime.text import join_transcripts

TAIL_SAMPLES = samples_from_ms(200)
"""Audio after the end of speech that a final still hears: a fading last sound lies below the detector's threshold."""

MIN_SEGMENT_SAMPLES = samples_from_ms(300)
"""Segments with less, pre-roll included, are not decoded: models invent words for them (Moonshine says "You")."""

MIN_SPEECH_PROBABILITY = 0.3
"""Segments whose every frame stays below are not decoded, however sensitive the client set detection: models invent
words for noise, too. Measured: 1.00 for each of seven clips, also at a twentieth of their level and in noise; 0.20 at
most for white noise swelling at the rate of syllables, 0.02 for tones."""

CONFIRMED_SPEECH_PROBABILITY = 0.5
"""Above it, somebody certainly speaks. Below, the engine is to be free to answer that nobody does."""

FOLLOWING_SAMPLES = samples_from_ms(500)
"""Sound after a segment that is kept with it, for engines that want some."""

PREVIEW_INTERVAL_S = 0.2
"""Shortest time between two previews; people read no faster, and a file sent at full speed needs none in between."""

FINAL_ATTEMPTS = 2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a growing utterance is decoded, in seconds of its audio.

    Attributes:
        first_s: Before the first partial.
        idle_s: Between two partials while the engine has room.
        busy_s: Between two partials while it has none.
        timeout_s: Wall time after which a decode is given up.
    """

    first_s: float
    idle_s: float
    busy_s: float
    timeout_s: float


class UtteranceSink(Protocol):
    """Where an utterance's results go; called on the event loop, never blocking."""

    def preview(self, text: str, stash: str, language: str) -> None:
        """Show confirmed text and tentative rest."""
        ...

    def completed(self, transcript: str, language: str) -> None:
        """The final transcript; nothing follows."""
        ...

    def failed(self, code: str, message: str) -> None:
        """There will be no transcript; nothing follows."""
        ...


class Utterance:
    """One utterance: segments of speech in, previews and one end out.

    The methods that bring audio return at once; `run` does the work, one decode at a time.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        cadence: Cadence,
        *,
        options: SegmentOptions,
        sink: UtteranceSink,
        backlog: Backlog,
    ) -> None:
        self._engine = engine
        self._longest = int(engine.info.max_segment_s * SAMPLE_RATE)
        self._step = int(engine.info.partial_step_s * SAMPLE_RATE) or 1
        self._scheduler = scheduler
        self._cadence = cadence
        self._options = options
        self._sink = sink
        self._backlog = backlog
        self._segments: list[Segment] = []
        self._voiced_until = 0  # session sample up to which speech was heard
        self._finished = False
        self._failure: EngineError | None = None
        self._changed = asyncio.Event()
        self._turn = scheduler.turn()
        self._partial: asyncio.Task[Hypothesis] | None = None
        self._previewed_at_s = float("-inf")
        self._offered: tuple[Preview, str] | None = None  # a preview that waits for its time

    # --- audio in ----------------------------------------------------------------------------------------------------

    def start_segment(self, start_sample: int) -> None:
        """Speech begins at `start_sample` of the session; `add` brings its samples from there on, without a gap."""
        self._segments.append(Segment(start_sample, self._engine.open(self._options)))

    def add(self, samples: Samples, voiced_until: int, speech_probability: float = 1.0) -> None:
        """Append samples to the open segment, cutting it where it grows too long for the engine.

        Args:
            samples: The next samples.
            voiced_until: Session sample up to which speech has been heard so far; what follows it is silence.
            speech_probability: The highest probability of speech in them, where somebody judged it.
        """
        if self._failure is not None:
            return
        self._voiced_until = voiced_until
        while len(samples):
            segment = self._segments[-1]
            segment.speech_probability = max(segment.speech_probability, speech_probability)
            room = self._longest - len(segment)
            segment.append(samples[:room])
            samples = samples[room:]
            if len(segment) == self._longest:
                self._cut(segment)
        self._changed.set()

    def end_segment(self, end_sample: int) -> None:
        """The open segment's speech ended at `end_sample` of the session; what was added beyond is silence."""
        segment = self._segments[-1]
        length = end_sample - segment.start_sample
        rest = self._close(segment, length + TAIL_SAMPLES if length >= MIN_SEGMENT_SAMPLES else 0)
        segment.following = rest[:FOLLOWING_SAMPLES]

    def finish(self) -> None:
        """No more audio will come."""
        self._finished = True
        self._hurry()

    def _cut(self, segment: Segment) -> None:
        rest = self._close(segment, quietest_cut(segment.audio))
        self.start_segment(segment.start_sample + len(segment))
        following = self._segments[-1]
        following.append(rest)
        following.speech_probability = segment.speech_probability  # nobody knows in which part it was

    def _close(self, segment: Segment, length: int) -> Samples:
        rest = segment.close(length)
        self._backlog.add(len(segment))  # an open segment does not count: it waits for its speaker
        self._hurry()
        return rest

    def _hurry(self) -> None:
        """Something final is to be done: a partial under way is of no use any more."""
        if self._partial is not None and self._segments[0].closed:
            self._partial.cancel()
        self._turn.hurry(self._priority())
        self._changed.set()

    # --- work --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Decode until the utterance is finished and its end reported, or until cancelled."""
        texts: list[Hypothesis] = []
        shown = ""  # text of the segments before the first undecoded one, as previews show it
        try:
            while True:
                segment = await self._next_segment()
                if segment is None:
                    break
                await self._decode(segment, shown)
                if segment.final is not None:
                    texts.append(segment.final)
                    shown = Preview(segment.confirmation.close(segment.final), "").after(shown).text
                    self._segments.remove(segment)
                    if not self._segments:  # else the words of the next one would vanish until its first partial
                        self._offer(Preview(shown, ""), segment.final.language)
        except EngineError as error:
            log.warning("utterance failed", reason=str(error))
            self._failure = error
            self._release()
            await self._until_finished()
            self._sink.failed("server_error", "Recognition failed.")  # the reason may name what is inside
        else:
            language = next((final.language for final in texts if final.language), "")
            self._sink.completed(join_transcripts(final.text for final in texts), language)
        finally:
            self._release()

    def _release(self) -> None:
        """Let go of all audio: what waits will not be recognised, and nobody is to wait for it."""
        for segment in self._segments:
            if segment.closed:
                self._backlog.remove(len(segment))
            segment.release()

    async def _next_segment(self) -> Segment | None:
        """Wait until a segment is worth decoding; None once all are done and no more will come."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            segment = self._segments[0] if self._segments else None
            if segment is None and self._finished:
                return None
            if segment is not None and segment.closed:
                return segment
            self._show_offered()
            partial_due = segment is not None and self._is_partial_due(segment)
            wait_s = self._previewed_at_s + PREVIEW_INTERVAL_S - loop.time()
            if partial_due and wait_s <= 0:
                return segment
            try:
                async with asyncio.timeout(wait_s if partial_due or self._offered else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _until_finished(self) -> None:
        while not self._finished:
            self._changed.clear()
            await self._changed.wait()

    def _is_partial_due(self, segment: Segment) -> bool:
        voiced = self._voiced_until - segment.start_sample
        if voiced <= segment.decoded_samples or segment.speech_probability < MIN_SPEECH_PROBABILITY:
            return False  # nothing but silence since the last hypothesis, or nothing but noise
        length = self._partial_length(segment)
        if segment.decoded_samples == 0 and self._is_first_partial():
            return length >= max(self._step, self._cadence.first_s * SAMPLE_RATE)
        interval_s = self._cadence.busy_s if self._scheduler.busy else self._cadence.idle_s
        return length - segment.decoded_samples >= interval_s * SAMPLE_RATE

    def _partial_length(self, segment: Segment) -> int:
        """How much of an open segment a partial takes now."""
        return len(segment) // self._step * self._step

    def _is_first_partial(self) -> bool:
        return self._previewed_at_s == float("-inf")

    def _priority(self) -> Priority:
        if self._finished:
            return Priority.FINAL
        return Priority.FIRST_PARTIAL if self._is_first_partial() else Priority.PARTIAL

    async def _decode(self, segment: Segment, shown: str) -> None:
        """Wait for a slot, decode the segment as it then is, and show or keep the result."""
        self._turn = self._scheduler.turn()
        async with self._scheduler.slot(self._turn, self._priority()):
            if segment.closed:
                segment.finish(await self._final(segment))
            else:
                await self._show_partial(segment, shown)

    async def _final(self, segment: Segment) -> Hypothesis:
        """The final hypothesis of a closed segment; a failed attempt is repeated once."""
        length = len(segment)
        if length == 0 or segment.speech_probability < MIN_SPEECH_PROBABILITY:
            self._backlog.remove(length)
            return Hypothesis("")
        for attempt in range(1, FINAL_ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self._cadence.timeout_s):
                    final = await segment.stream.refresh(
                        segment.audio,
                        final=True,
                        following=segment.following,
                        use_prefix=False,
                        speech_confirmed=segment.speech_probability >= CONFIRMED_SPEECH_PROBABILITY,
                        priority=self._priority(),
                    )
                break
            except (EngineError, TimeoutError) as error:
                reason = str(error) or f"no answer within {self._cadence.timeout_s:g} s"
                log.warning("final decode failed", attempt=attempt, reason=reason)
                if attempt == FINAL_ATTEMPTS:
                    raise EngineError(reason) from error
        self._backlog.remove(length)
        return final

    async def _show_partial(self, segment: Segment, shown: str) -> None:
        """Decode an open segment and show the result. Losing a partial, to a failure or a final, costs nothing."""
        length = segment.decoded_samples = self._partial_length(segment)
        refresh = segment.stream.refresh(
            segment.audio[:length],
            final=False,
            following=segment.audio[length:],
            use_prefix=segment.use_prefix,
            speech_confirmed=segment.speech_probability >= CONFIRMED_SPEECH_PROBABILITY,
            priority=self._priority(),
        )
        self._partial = asyncio.create_task(refresh, name="partial")
        try:
            done, _ = await asyncio.wait([self._partial], timeout=self._cadence.timeout_s)
        finally:
            partial, self._partial = self._partial, None
            partial.cancel()
            await asyncio.wait([partial])
        if not done or partial.cancelled():
            return
        if (error := partial.exception()) is not None:
            if not isinstance(error, EngineError):
                raise error
            log.warning("partial decode failed", reason=str(error))
            return
        hypothesis = partial.result()
        loops = hypothesis.truncated and has_loop(hypothesis.text)
        segment.use_prefix = not (loops and segment.use_prefix)  # left out once: a prefix that loops goes on looping
        if loops:
            return
        tentative = length > earliest_cut(self._longest)
        preview = segment.confirmation.update(hypothesis, tentative=tentative).after(shown)
        self._offer(preview, hypothesis.language)

    def _offer(self, preview: Preview, language: str) -> None:
        """Show a preview now, or as soon as the last one has been seen for long enough, unless a newer one comes."""
        if preview.text or preview.stash:
            self._offered = preview, language
            self._show_offered()

    def _show_offered(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._offered is None or self._finished or now_s < self._previewed_at_s + PREVIEW_INTERVAL_S:
            return
        (preview, language), self._offered = self._offered, None
        self._previewed_at_s = now_s
        self._sink.preview(preview.text, preview.stash, language)
