"""Where sound begins and ends, seen from its energy.

The model says *whether* somebody speaks; the energy says *where* speech begins and ends, because the probability
follows the sound late and misses weak consonants. Both walks below start where the probability crossed its threshold
and are bounded, so that energy alone never opens a turn nor holds one open.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from qwen3_asr_realtime.samples import SAMPLE_RATE, samples_from_ms
from qwen3_asr_realtime.vad.frames import BLOCK_SAMPLES, BLOCKS_PER_FRAME, FRAME_SAMPLES

# What counts as sound.
_BACKGROUND_RATIO = 10.0  # 10 dB above the background.
_LOUDEST_RATIO = 10**-4.5  # Never what is 45 dB below the loudest block of the turn, however quiet the room.
# The background is the quietest 128 ms of the last second; a pause that ends a turn is longer.
_BACKGROUND_FRAMES = SAMPLE_RATE // FRAME_SAMPLES
_MEAN_FRAMES = 4

# A silence inside a word: the closure of a stop consonant ("s-pace", "tha-t") lasts up to so long.
_GAP = samples_from_ms(100)

# How far energy may move a boundary from where the probability crossed its threshold.
ONSET_REACH = samples_from_ms(500)
END_REACH_BACK = samples_from_ms(150)
END_REACH_FORWARD = samples_from_ms(400)


class SoundTrace:
    """Energies of one session's recent blocks.

    Args:
        memory_samples: How far back `onset` may look.
    """

    def __init__(self, memory_samples: int) -> None:
        self._position = 0
        self._blocks: deque[float] = deque(maxlen=memory_samples // BLOCK_SAMPLES)
        self._frames: deque[float] = deque(maxlen=_MEAN_FRAMES)
        self._means: deque[float] = deque(maxlen=_BACKGROUND_FRAMES)
        # Of the open turn: the background before it, and its loudest block.
        self._background_before = float("inf")
        self._loudest = 0.0

    def hear(self, energies: Sequence[float]) -> None:
        """Take the energies (mean squares) of one frame's blocks."""
        self._position += FRAME_SAMPLES
        self._blocks.extend(energies)
        self._frames.append(sum(energies))
        if len(self._frames) == _MEAN_FRAMES:
            self._means.append(sum(self._frames) / (_MEAN_FRAMES * len(energies)))
        self._loudest = max(self._loudest, *energies)

    def onset(self, voice_start: int) -> int:
        """The sample at which the sound begins that the model took for speech from `voice_start` on.

        `voice_start` itself where the frame there does not stand out of the background. Never later than that frame.
        """
        heard_since = (self._position - voice_start) // BLOCK_SAMPLES
        self._loudest = max(islice(reversed(self._blocks), heard_since))
        self._background_before = self._background()
        level = self._level()

        voice_end = voice_start + FRAME_SAMPLES
        onset = sample = voice_end
        blocks = islice(reversed(self._blocks), heard_since - BLOCKS_PER_FRAME, None)
        for energy in blocks:
            sample -= BLOCK_SAMPLES
            if sample < voice_start - ONSET_REACH or onset - sample > _GAP + BLOCK_SAMPLES:
                break
            if energy > level:
                onset = sample
        return onset if onset < voice_end else voice_start

    def end(self, voice_end: int) -> int:
        """The sample at which the sound had ended when the model heard no more speech, from `voice_end` on."""
        level = self._level()
        sample = voice_end
        for energy in islice(reversed(self._blocks), (self._position - voice_end) // BLOCK_SAMPLES, None):
            if energy > level or sample - BLOCK_SAMPLES < voice_end - END_REACH_BACK:
                break
            sample -= BLOCK_SAMPLES
        return sample

    def follow(self, end: int, voice_end: int) -> int:
        """`end`, moved on as far as the sound goes on in the last frame.

        Weak last consonants and breath belong to the turn, up to 400 ms after the voice.
        """
        level = self._level()
        sample = self._position - FRAME_SAMPLES
        for energy in islice(self._blocks, len(self._blocks) - BLOCKS_PER_FRAME, None):
            if energy > level and sample - end <= _GAP and sample + BLOCK_SAMPLES <= voice_end + END_REACH_FORWARD:
                end = sample + BLOCK_SAMPLES
            sample += BLOCK_SAMPLES
        return end

    def _background(self) -> float:
        return min(self._means, default=float("inf"))

    def _level(self) -> float:
        """The energy above which a block is sound."""
        background = min(self._background_before, self._background())
        return max(background * _BACKGROUND_RATIO, self._loudest * _LOUDEST_RATIO)
