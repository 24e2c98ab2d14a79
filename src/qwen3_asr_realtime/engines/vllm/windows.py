"""A segment's audio as windows of 8 s that, once complete, never change: vLLM's caches know them from the last update.

Qwen3-ASR's encoder attends within 8 s, counted from the start of what it is given (`n_window_infer` = 800 frames), and
never across. So windows on that grid, sent as separate items within one audio span, are the same to the model as the
whole segment in one item, and only the tail is new work at each update.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from qwen3_asr_realtime.engines.mel import HOP_SAMPLES, Features, features, settled_frames, stretch
from qwen3_asr_realtime.engines.vllm.backend import AudioWindow
from qwen3_asr_realtime.engines.vllm.mel import GrowingLogMel
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

WINDOW_SAMPLES: Final = 8 * SAMPLE_RATE
MIN_TAIL_SAMPLES: Final = SAMPLE_RATE // 2
"""Qwen3-ASR's own feature extractor gives the model nothing shorter (`min_length` = 8000 in transformers)."""

_WINDOW_FRAMES = WINDOW_SAMPLES // HOP_SAMPLES


@dataclass(frozen=True, slots=True)
class _Content:
    """What a window holds besides samples; of frozen windows it is kept, the samples are not."""

    features: Features | None
    loudest: float  # The highest of its log-mel values, not that of the segment which the features are relative to.


class AudioWindows:
    """The windows of one segment while it grows. Not for use by two threads at once.

    The features are those of the whole segment's spectrogram, cut at the windows' edges, but for one thing. They are
    relative to the loudest frame of the segment, and a window keeps what that was when it was frozen. If something
    louder comes later, faint sounds of frozen windows that the whole segment's spectrogram would cut off stay in them.
    (The alternative, to change them, would take every window out of the caches at each louder word.)

    Args:
        segment_id: Unguessable name of the segment, for one object only: the features of a window depend on when it
            was frozen, and a uuid must never name two contents.
        features: Whether the windows are to carry log-mel features.
    """

    def __init__(self, segment_id: str, *, features: bool) -> None:
        self._segment_id = segment_id
        self._log_mel = GrowingLogMel() if features else None
        self._frozen: list[_Content] = []
        self._unfrozen = count()  # Numbers for the windows that are not, each given out once.

    def windows(self, audio: Samples, following: Samples) -> list[AudioWindow]:
        """Cut the segment: its complete windows, and the tail after them if there is one.

        A window is frozen once no frame of it depends on samples still unknown (40 after its end). A tail shorter than
        0.5 s is made that long with `following` and then zeros, and so is a segment without samples.

        Calling it again with the same samples gives the same features, but windows that are not frozen have a new uuid
        each time.

        Args:
            audio: All samples of the segment from its start, shape [n]. They may be fewer than last time; as far as
                they go, they are the same.
            following: The samples right after them, as far as they are known, shape [m]. The last frames reach into
                them.

        Returns:
            At least one window. Samples are a view of `audio` where that has all of them; features of frozen windows
            are read-only.
        """
        complete, tail = divmod(len(audio), WINDOW_SAMPLES)
        padded = tail < MIN_TAIL_SAMPLES and (tail > 0 or complete == 0)
        end = complete * WINDOW_SAMPLES + MIN_TAIL_SAMPLES if padded else len(audio)

        known = self._frozen[:complete]
        contents = [*known, *self._contents(audio, following, end, known)]
        settled = settled_frames(len(audio) + len(following)) // _WINDOW_FRAMES
        for content in contents[len(known) : min(complete, settled)]:
            if content.features is not None:
                content.features.setflags(write=False)
            self._frozen.append(content)

        windows = []
        for index, content in enumerate(contents):
            frozen = index < min(complete, len(self._frozen))
            name = index if frozen else f"unfrozen{next(self._unfrozen)}"
            begin = index * WINDOW_SAMPLES
            samples = stretch(audio, following, begin, min(begin + WINDOW_SAMPLES, end))
            windows.append(AudioWindow(f"{self._segment_id}.{name}", samples, content.features, frozen))
        return windows

    # Private.

    def _contents(self, audio: Samples, following: Samples, end: int, known: Sequence[_Content]) -> list[_Content]:
        """What is in the windows after the known ones, up to sample `end`."""
        begin = len(known) * WINDOW_SAMPLES
        if self._log_mel is None:
            return [_Content(None, 0.0) for _ in range(begin, end, WINDOW_SAMPLES)]
        frames = self._log_mel.frames(audio, following, first=begin // HOP_SAMPLES, stop=end // HOP_SAMPLES)
        parts = [frames[:, first : first + _WINDOW_FRAMES] for first in range(0, frames.shape[1], _WINDOW_FRAMES)]
        loudest = [float(part.max()) for part in parts]
        segment_loudest = max([*loudest, *(content.loudest for content in known)])
        return [_Content(features(part, segment_loudest), own) for part, own in zip(parts, loudest, strict=True)]
