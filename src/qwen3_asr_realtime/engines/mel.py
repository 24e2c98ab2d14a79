"""The log-mel spectrogram that Whisper hears, and Qwen3-ASR with it.

The numbers are those of Whisper's feature extractor (`WhisperFeatureExtractor` of transformers), which the models were
trained with: frames of 400 samples every 160, centred, with the clip mirrored at both ends, the last frame left out; a
periodic Hann window; Slaney's mel filters from 0 to 8 kHz; log10, cut off 8 below the clip's loudest value; a quarter
of that plus 4.

Two of these look at the whole clip. A frame that reaches over the clip's end changes when there is more sound; all
others are computed once. The loudest value changes when something louder comes; so it is not applied here until asked
for (`features`).
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

HOP_SAMPLES: Final = 160
FRAME_SAMPLES: Final = 400

_REACH_SAMPLES = FRAME_SAMPLES // 2  # Of a frame, to each side of its centre.
_QUIETEST = 1e-10  # Power taken for silence.
_RANGE = 8.0  # Powers of ten between the loudest and the quietest that features tell apart.
# Double precision costs nothing here, and faint sounds beside loud ones need it.
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)

LogMel: TypeAlias = NDArray[np.float32]
"""log10 of the power in each bin, not yet cut off and scaled; shape [bins, frames], 100 frames per second."""

Features: TypeAlias = NDArray[np.float32]
"""What a model takes, shape [bins, frames]."""


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


class MelFilters:
    """A bank of mel filters, and the spectrogram they make."""

    def __init__(self, bins: int) -> None:
        """Compute the filters.

        Args:
            bins: How many: 80 for most sizes of Whisper, 128 for its large-v3 and for Qwen3-ASR.
        """
        self.bins = bins
        filters = _mel_filters(bins)
        # A filter spans 3 of the 201 frequencies on average, so only these are multiplied. (As a product of matrices,
        # an update of 1 s took 8 ms of processor time instead of 0.6: the threads of the matrix library waiting for
        # each other.)
        filter_index, self._frequencies = np.nonzero(filters)
        self._weights = filters[filter_index, self._frequencies][:, None]
        self._starts = np.searchsorted(filter_index, np.arange(bins))

    def log_mel(self, audio: Samples, following: Samples, *, first: int, stop: int) -> LogMel:
        """Frames `first` to `stop`, at least one, of a clip: `audio`, then `following`, then zeros up to frame `stop`.

        Args:
            audio: The clip's beginning, shape [n], any n.
            following: What comes after it, shape [m], any m.
            first: A frame.
            stop: A frame, at least 2: what is mirrored at an end must be there.

        Returns:
            Shape [bins, stop - first].
        """
        left = first * HOP_SAMPLES - _REACH_SAMPLES
        right = (stop - 1) * HOP_SAMPLES + _REACH_SAMPLES
        end = max(len(audio) + len(following), stop * HOP_SAMPLES)
        clip = stretch(audio, following, max(0, left), min(right, end))
        clip = np.pad(clip, (max(0, -left), max(0, right - end)), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(clip, FRAME_SAMPLES)[::HOP_SAMPLES]
        spectrum = np.fft.rfft(frames * _HANN)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
        mel = np.add.reduceat(power.T[self._frequencies] * self._weights, self._starts, axis=0)
        log_mel: LogMel = np.log10(np.maximum(mel, np.float32(_QUIETEST)))
        return log_mel


# Private.


def _mel_filters(bins: int) -> NDArray[np.float32]:
    """Slaney's triangular filters of equal area (Auditory Toolbox, 1998), shape [bins, 201].

    The scale is linear to 1 kHz (15 mel) and logarithmic above (27 mel for a factor of 6.4).
    """
    highest = SAMPLE_RATE / 2
    mel = np.linspace(0, 15 + 27 * np.log(highest / 1000) / np.log(6.4), bins + 2)
    hertz = np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    low, centre, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    frequency = np.linspace(0, highest, FRAME_SAMPLES // 2 + 1)
    triangles = np.minimum((frequency - low) / (centre - low), (high - frequency) / (high - centre))
    filters: NDArray[np.float32] = (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)
    return filters
