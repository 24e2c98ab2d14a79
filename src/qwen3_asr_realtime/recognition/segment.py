"""One stretch of speech on its way through the engine."""

import numpy as np

from qwen3_asr_realtime.engines.base import Hypothesis, SegmentStream
from qwen3_asr_realtime.recognition.hypothesis import Confirmation
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples


class Segment:
    """The samples of one segment and what has been made of them.

    Attributes:
        start_sample: Where it begins on the session's timeline.
        stream: The engine's view of it.
        confirmation: What of its text is confirmed.
        closed: No more audio will come.
        speech_probability: The highest probability of speech in any of it.
        decoded_samples: How much of it the last hypothesis covered.
        following: Sound right after a closed segment that belongs to no other.
        use_prefix: Whether its next hypothesis may go on from its last.
        final: Its final hypothesis, once there.
    """

    def __init__(self, start_sample: int, stream: SegmentStream) -> None:
        self.start_sample = start_sample
        self.stream = stream
        self.confirmation = Confirmation()
        self.closed = False
        self.speech_probability = 0.0
        self.decoded_samples = 0
        self.following = NO_SAMPLES
        self.use_prefix = True
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

    def finish(self, final: Hypothesis) -> None:
        """Keep the final text and let go of the audio and the engine's stream."""
        self.final = final
        self.release()

    def release(self) -> None:
        """Let go of the audio and the engine's stream."""
        self.stream.close()
        self._buffer = self.following = NO_SAMPLES
        self._length = 0
