"""Where speech begins and ends, seen from its energy.

The model says *whether* somebody speaks; the energy says *where* speech begins and ends, because the probability
follows the sound late and misses weak consonants. Both searches start where the probability crossed its threshold and
have a bounded reach, so that energy alone neither opens a turn nor holds one open.
"""

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice

from qwen3_asr_realtime.samples import SAMPLE_RATE, samples_from_ms
from qwen3_asr_realtime.vad.frames import BLOCK_SAMPLES, BLOCKS_PER_FRAME, FRAME_SAMPLES

_BACKGROUND_RATIO = 10.0
"""A block is sound if it is 10 dB louder than the background. Measured at 20 dB SNR: with 7 dB, rumble delays the end
of speech by up to 0.5 s; with 13 dB, white noise hides the last 54 ms of words in the median instead of 18 ms."""

_ONSET_RATIO = 10**-4.5
"""No onset is 45 dB quieter than the loudest block heard since, however quiet the room."""

_END_RATIO = 10**-3.0
"""Nothing that is 30 dB quieter than the loudest block of the turn is the sound of its end, however quiet the room: the
room itself is, where it falls silent after the last word (a gate, a recording that ends). Of 105 utterances with
digital silence between them, the 95th percentile of the delay of the end is 102 ms with 30 dB and 218 ms with 45 dB."""

_BACKGROUND_FRAMES = SAMPLE_RATE // FRAME_SAMPLES
"""The background is the quietest frame of the last second. One frame is enough: the closures of stop consonants show it
even while somebody speaks, and in a recording that begins with speech there is nothing else to go by."""

_GAP = samples_from_ms(100)
"""Longest silence inside a word, at the closure of a stop consonant ("s-pace", "tha-t")."""

ONSET_REACH = samples_from_ms(600)
"""How far before the voice the sound of a turn may begin: a breath, a sibilant that the model does not take for speech,
the noise that a gate lets through before the first word."""

END_REACH_BACK = samples_from_ms(150)
"""How far before the fall of the probability the sound may have ended (measured: 56 ms in the median, 98 ms at the 95th
percentile)."""

END_REACH_FORWARD = samples_from_ms(160)
"""How far after the fall of the probability the sound of a turn may end: a weak last consonant, a short breath. Sound
that lasts longer is no part of the turn but a background that has changed since the turn began, and the turn has ended
no later than the probability fell. (A final hears more: `recognition.utterance.TAIL_SAMPLES`.)
"""


class SoundTrace:
    """Energies of one session's recent blocks.

    Args:
        memory_samples: How far back `onset` and `end` may look.
    """

    def __init__(self, memory_samples: int) -> None:
        self._position = 0
        self._blocks: deque[float] = deque(maxlen=memory_samples // BLOCK_SAMPLES)
        self._frames: deque[float] = deque(maxlen=_BACKGROUND_FRAMES)
        # Of the open turn: the background before it, and its loudest block.
        self._background_before = math.inf
        self._loudest = 0.0

    def hear(self, energies: Sequence[float]) -> None:
        """Take the energies of the next frame's blocks."""
        self._position += FRAME_SAMPLES
        self._blocks.extend(energies)
        self._frames.append(sum(energies) / BLOCKS_PER_FRAME)
        self._loudest = max(self._loudest, *energies)

    def onset(self, voice_start: int) -> int:
        """The sample at which the sound begins that the model took for speech from `voice_start` on.

        `voice_start` itself where the frame there does not stand out of the background. Never later than that frame.
        """
        heard_since = (self._position - voice_start) // BLOCK_SAMPLES
        self._loudest = max(islice(reversed(self._blocks), heard_since))
        self._background_before = min(self._frames)
        level = self._level(_ONSET_RATIO)

        voice_end = voice_start + FRAME_SAMPLES
        onset = sample = voice_end
        for energy in islice(reversed(self._blocks), heard_since - BLOCKS_PER_FRAME, None):
            sample -= BLOCK_SAMPLES
            if sample < voice_start - ONSET_REACH or onset - sample > _GAP + BLOCK_SAMPLES:
                break
            if energy > level:
                onset = sample
        return onset if onset < voice_end else voice_start

    def end(self, voice_end: int) -> int:
        """The sample at which the sound ends or has ended whose voice ended at `voice_end`.

        To be asked again with every frame up to `END_REACH_FORWARD` after `voice_end`; then the answer is final.
        """
        end = self._last_sound(voice_end, self._position)
        if end <= voice_end + END_REACH_FORWARD:
            return end
        self._background_before = math.inf
        return self._last_sound(voice_end, voice_end)

    def _last_sound(self, voice_end: int, until: int) -> int:
        """The end of the last block of sound: anywhere before `voice_end`, after it only where sound goes on."""
        level = self._level(_END_RATIO)
        oldest = self._position - len(self._blocks) * BLOCK_SAMPLES
        end = sample = max(voice_end - END_REACH_BACK // BLOCK_SAMPLES * BLOCK_SAMPLES, oldest)
        for energy in islice(self._blocks, (sample - oldest) // BLOCK_SAMPLES, (until - oldest) // BLOCK_SAMPLES):
            if energy > level and (sample < voice_end or sample - end <= _GAP):
                end = sample + BLOCK_SAMPLES
            sample += BLOCK_SAMPLES
        return end

    def _level(self, ratio_to_loudest: float) -> float:
        """The energy above which a block is sound."""
        background = min(self._background_before, *self._frames)
        return max(background * _BACKGROUND_RATIO, self._loudest * ratio_to_loudest)
