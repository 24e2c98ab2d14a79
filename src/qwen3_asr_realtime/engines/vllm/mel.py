"""The log-mel spectrogram that Qwen3-ASR hears, of sound that grows at its end."""

from typing import Final

import numpy as np

from qwen3_asr_realtime.engines.mel import LogMel, MelFilters, settled_frames
from qwen3_asr_realtime.samples import Samples

BINS: Final = 128

_FILTERS = MelFilters(BINS)
_NO_FRAMES: LogMel = np.zeros((BINS, 0), np.float32)


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
            frames = np.concatenate((known, _FILTERS.log_mel(audio, following, first=begin, stop=stop)), axis=1)
        self._first = first
        self._settled = frames[:, : settled - first]
        return frames
