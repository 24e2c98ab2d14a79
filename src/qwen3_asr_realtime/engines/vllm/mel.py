"""The log-mel spectrogram that Qwen3-ASR hears, of sound that grows at its end.

The numbers are those of Whisper's feature extractor (`WhisperFeatureExtractor` of transformers, 128 bins), which the
model was trained with: frames of 400 samples every 160, centred, with the clip mirrored at both ends, the last frame
left out; a periodic Hann window; Slaney's mel filters from 0 to 8 kHz; log10, cut off 8 below the clip's loudest value;
(x + 4) / 4.

Two of these look at the whole clip. A frame that reaches over the clip's end changes when there is more sound; all
others are computed once. The loudest value changes when something louder comes; so it is not applied here until asked
for (`features`).
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qwen3_asr_realtime.engines.vllm.backend import Features
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

BINS: Final = 128
HOP_SAMPLES: Final = 160
FRAME_SAMPLES: Final = 400

_REACH_SAMPLES = FRAME_SAMPLES // 2  # Of a frame, to each side of its centre.
_QUIETEST = 1e-10  # Power taken for silence.
_RANGE = 8.0  # Powers of ten between the loudest and the quietest that features tell apart.

LogMel: TypeAlias = NDArray[np.float32]
"""log10 of the power in each bin, not yet cut off and scaled; shape [128, frames], 100 frames per second."""


def settled_frames(sample_count: int) -> int:
    """How many frames of a clip are the same whatever follows its first `sample_count` samples."""
    return max(0, (sample_count - _REACH_SAMPLES) // HOP_SAMPLES + 1)


def stretch(audio: Samples, following: Samples, begin: int, end: int) -> Samples:
    """Samples `begin` to `end` of a clip: `audio`, then `following`, then zeros. A view where `audio` has them all."""
    own = audio[begin:end]
    missing = end - begin - len(own)
    if not missing:
        return own
    skipped = max(0, begin - len(audio))
    lent = following[skipped : skipped + missing]
    return np.concatenate((own, lent, np.zeros(missing - len(lent), np.float32)))


def features(log_mel: LogMel, loudest: float) -> Features:
    """Cut off what is too quiet, and scale.

    Args:
        log_mel: Frames of the clip.
        loudest: The highest value of the whole clip.
    """
    scaled = np.maximum(log_mel, np.float32(loudest - _RANGE))
    scaled += np.float32(4.0)
    scaled *= np.float32(0.25)
    return scaled


class GrowingLogMel:
    """The frames of one clip while it grows. Not for use by two threads at once."""

    def __init__(self) -> None:
        self._settled: LogMel = np.zeros((BINS, 0), np.float32)  # Frames that more sound cannot change…
        self._first = 0  # …from this one on.

    def frames(self, audio: Samples, following: Samples, *, first: int, stop: int) -> LogMel:
        """Frames `first` to `stop` of a clip: `audio`, then `following`, then zeros up to frame `stop`.

        The result depends on the arguments alone; that the clip begins as it did last time saves work. What lies before
        `first` is forgotten and would be computed anew.

        Args:
            audio: The clip's beginning, shape [n], any n.
            following: What comes after it, shape [m], any m.
            first: A frame, at most `stop`.
            stop: A frame, at least 2: what is mirrored at an end must be there.

        Returns:
            Shape [128, stop - first].
        """
        settled = max(first, min(stop, settled_frames(len(audio) + len(following))))
        known = self._settled[:, first - self._first : settled - self._first] if first >= self._first else _NO_FRAMES
        begin = first + known.shape[1]
        frames = known
        if begin < stop:
            frames = np.concatenate((known, _log_mel(audio, following, begin, stop)), axis=1)
        self._first = first
        self._settled = frames[:, : settled - first]
        return frames


# Private.


def _mel_filters() -> NDArray[np.float32]:
    """Slaney's triangular filters of equal area (Auditory Toolbox, 1998), shape [128, 201].

    The scale is linear to 1 kHz (15 mel) and logarithmic above (27 mel for a factor of 6.4).
    """
    highest = SAMPLE_RATE / 2
    mel = np.linspace(0, 15 + 27 * np.log(highest / 1000) / np.log(6.4), BINS + 2)
    hertz = np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    low, centre, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    frequency = np.linspace(0, highest, FRAME_SAMPLES // 2 + 1)
    triangles = np.minimum((frequency - low) / (centre - low), (high - frequency) / (high - centre))
    filters: NDArray[np.float32] = (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)
    return filters


_NO_FRAMES: LogMel = np.zeros((BINS, 0), np.float32)
_FILTERS = _mel_filters()
# A filter spans 3 of the 201 frequencies on average, so only these are multiplied. (As a product of matrices, an update
# of 1 s took 8 ms of processor time instead of 0.6: the threads of the matrix library waiting for each other.)
_FILTER, _FREQUENCY = np.nonzero(_FILTERS)
_WEIGHT = _FILTERS[_FILTER, _FREQUENCY][:, None]
_FILTER_STARTS = np.searchsorted(_FILTER, np.arange(BINS))
# Double precision costs nothing here, and faint sounds beside loud ones need it.
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)


def _log_mel(audio: Samples, following: Samples, first: int, stop: int) -> LogMel:
    """Frames `first` to `stop`, at least one, of the clip that `GrowingLogMel.frames` describes."""
    left = first * HOP_SAMPLES - _REACH_SAMPLES
    right = (stop - 1) * HOP_SAMPLES + _REACH_SAMPLES
    end = max(len(audio) + len(following), stop * HOP_SAMPLES)
    clip = stretch(audio, following, max(0, left), min(right, end))
    clip = np.pad(clip, (max(0, -left), max(0, right - end)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(clip, FRAME_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(frames * _HANN)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
    mel = np.add.reduceat(power.T[_FREQUENCY] * _WEIGHT, _FILTER_STARTS, axis=0)
    log_mel: LogMel = np.log10(np.maximum(mel, np.float32(_QUIETEST)))
    return log_mel
