"""One stretch of speech on its way through the engine."""

import numpy as np

from qwen3_asr_realtime.engines.base import Hypothesis, Priority, SegmentStream
from qwen3_asr_realtime.recognition.hypothesis import Confirmation
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples, samples_from_ms

FOLLOWING_SAMPLES = samples_from_ms(500)
"""Sound after a segment that is kept with it, for engines that want some."""


class Segment:
    """The samples of one segment and what has been made of them.

    Attributes:
        start_sample: Where it begins on the session's timeline.
        stream: The engine's view of it.
        confirmation: What of its text is confirmed.
        continues: It goes on where another one was cut.
        closed: No more audio will come.
        voice_s: Certain voice in it, in seconds.
        decoded_samples: How much of it the last hypothesis covered.
        following: Sound right after a closed segment that belongs to no other.
        use_prefix: Whether its next partial may go on from its last hypothesis.
        language: Code of the language of its last partial, or "".
        next_after_s: Audio that its next partial should have more than its last one, in seconds.
        speculated_until: End of speech for which its final was last begun early.
        final: Its final hypothesis, once there.
    """

    def __init__(self, start_sample: int, stream: SegmentStream) -> None:
        self.start_sample = start_sample
        self.stream = stream
        self.confirmation = Confirmation()
        self.continues = False
        self.closed = False
        self.voice_s = 0.0
        self.decoded_samples = 0
        self.following = NO_SAMPLES
        self.use_prefix = True
        self.language = ""
        self.next_after_s = 0.0
        self.speculated_until: int | None = None
        self._foreseen: tuple[int, Hypothesis] | None = None
        self.final: Hypothesis | None = None
        self._buffer = np.empty(2 * SAMPLE_RATE, np.float32)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def audio(self) -> Samples:
        """All samples so far, as a view that stays as it is while more are added."""
        return self._buffer[: self._length]

    def append(self, samples: Samples) -> None:
        """Add samples at the end."""
        needed = self._length + len(samples)
        if needed > len(self._buffer):
            grown = np.empty(max(needed, 2 * len(self._buffer)), np.float32)
            grown[: self._length] = self.audio
            self._buffer = grown
        self._buffer[self._length : needed] = samples
        self._length = needed

    def close(self, length: int) -> Samples:
        """End the segment after its first `length` samples and return a copy of the ones cut off."""
        rest = self.audio[length:].copy()
        self._length = min(length, self._length)
        self.closed = True
        return rest

    async def refresh(self, length: int, *, final: bool, speech_confirmed: bool, priority: Priority) -> Hypothesis:
        """Have the engine recognise the first `length` samples.

        Raises:
            EngineError: It could not.
        """
        return await self.stream.refresh(
            self.audio[:length],
            final=final,
            following=self.following if self.closed else self.audio[length : length + FOLLOWING_SAMPLES],
            use_prefix=self.use_prefix and not final,
            speech_confirmed=speech_confirmed,
            priority=priority,
        )

    def foresee(self, length: int, final: Hypothesis) -> None:
        """Keep what the final will be if the segment ends after `length` samples."""
        self._foreseen = length, final

    @property
    def is_foreseen(self) -> bool:
        """Whether the segment has ended where its final is known."""
        return self.closed and self._foreseen is not None and self._foreseen[0] == self._length

    def finish_as_foreseen(self) -> None:
        """Finish with the final that is known."""
        if self._foreseen is not None:
            self.finish(self._foreseen[1])

    def finish(self, final: Hypothesis) -> None:
        """Keep the final text and let go of the audio and the engine's stream."""
        self.final = final
        self.release()

    def release(self) -> None:
        """Let go of the audio and the engine's stream."""
        self.stream.close()
        self._buffer = self.following = NO_SAMPLES
        self._length = 0
