"""The final text of a segment, believed or not: one decode, and where a guard doubts it, a second."""

from collections import Counter
from dataclasses import replace

import numpy as np
import structlog

from qwen3_asr_realtime.engines.base import Engine, Hypothesis, Priority, SegmentOptions
from qwen3_asr_realtime.recognition.guards import (
    SECOND_HEARING_SILENCE_S,
    Doubt,
    Evidence,
    GuardLimits,
    doubt,
    is_weak,
    is_without_voice,
    settled,
)
from qwen3_asr_realtime.recognition.segment import Segment
from qwen3_asr_realtime.recognition.speaker import Speaker
from qwen3_asr_realtime.samples import SAMPLE_RATE

SECOND_HEARING_SILENCE = np.zeros(int(SECOND_HEARING_SILENCE_S * SAMPLE_RATE), np.float32)

log = structlog.get_logger()


class Finals:
    """How the finals of one utterance come about.

    Attributes:
        doubted: Whether a guard has doubted one.
    """

    def __init__(
        self,
        engine: Engine,
        options: SegmentOptions,
        speaker: Speaker,
        limits: GuardLimits,
        doubts: Counter[Doubt],
    ) -> None:
        """Prepare.

        Args:
            engine: What decodes.
            options: What the client asked for.
            speaker: Whose session it is.
            limits: Where doubt begins.
            doubts: Counts what was doubted, and why.
        """
        self.doubted = False
        self._engine = engine
        self._options = options
        self._speaker = speaker
        self._limits = limits
        self._doubts = doubts
        self._longest = int(engine.info.max_segment_s * SAMPLE_RATE)

    def is_voice_weak(self, segment: Segment) -> bool:
        """Whether it is not certain yet that somebody speaks."""
        return is_weak("", self._evidence(segment, len(segment)), self._limits)

    def is_nothing(self, segment: Segment) -> bool:
        """Whether a closed segment is not worth decoding."""
        return len(segment) == 0 or is_without_voice(self._evidence(segment, len(segment)), self._limits)

    def of_nothing(self, segment: Segment) -> Hypothesis:
        """The final of a segment that `is_nothing`."""
        self._doubts.update([Doubt.NO_VOICE] * (len(segment) > 0))
        return Hypothesis("")

    async def hear(self, segment: Segment, length: int, priority: Priority) -> Hypothesis:
        """The final hypothesis of the first `length` samples.

        Raises:
            EngineError: The engine failed.
        """
        evidence = self._evidence(segment, length)
        certain = not is_weak("", evidence, self._limits)
        first = await segment.refresh(length, final=True, speech_confirmed=certain, priority=priority)
        why = doubt(first, evidence, self._limits)
        if why is None:
            return first
        self.doubted = True
        second = await self._hear_again(segment, length, why, priority, first.language)
        believed, still = settled(first, second, evidence, self._limits)
        self._doubts.update(filter(None, (why, still)))
        log.info("final doubted", why=why, still=still)
        return believed

    async def _hear_again(
        self, segment: Segment, length: int, why: Doubt, priority: Priority, language: str
    ) -> Hypothesis:
        """Without context, and with silence before, so that what is invented comes out differently."""
        stream = self._engine.open(replace(self._options, context="", expected=language))
        try:
            return await stream.refresh(
                np.concatenate((SECOND_HEARING_SILENCE, segment.audio[:length]))[: self._longest],
                final=True,
                use_prefix=False,
                speech_confirmed=why is not Doubt.WEAK_VOICE,
                priority=priority,
            )
        finally:
            stream.close()

    def _evidence(self, segment: Segment, length: int) -> Evidence:
        previous = self._speaker.previous
        return Evidence(
            duration_s=length / SAMPLE_RATE,
            voice_s=segment.voice_s,
            context=self._options.context,
            previous=previous.text,
            previous_s=previous.duration_s,
        )
