"""The audio of a request in the form vLLM's Qwen3-ASR takes.

Everything is checked here. vLLM believes what it is given in this form, and what does not fit together ends not the
request but the engine, with all its requests (seen with vLLM 0.32 and a missing mask).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.mel import HOP_SAMPLES, Features
from qwen3_asr_realtime.engines.vllm.backend import AudioWindow
from qwen3_asr_realtime.engines.vllm.mel import BINS
from qwen3_asr_realtime.engines.vllm.windows import WINDOW_SAMPLES

WINDOW_FRAMES: Final = WINDOW_SAMPLES // HOP_SAMPLES


@dataclass(frozen=True, slots=True)
class AudioInputs:
    """The windows of one request, joined.

    Attributes:
        features: Log-mel features of all windows one after the other, float32, shape [128, sum of lengths].
        lengths: Frames of each window, int64, shape [windows].
        mask: 1 for the frames a window has, of the 800 it may have; int64, shape [windows, 800]. Always that wide, for
            it is part of what vLLM's caches compare.
        uuids: Name of each window's content.
    """

    features: Features
    lengths: NDArray[np.int64]
    mask: NDArray[np.int64]
    uuids: list[str]


def audio_inputs(windows: Sequence[AudioWindow]) -> AudioInputs:
    """Join the windows of a request; that they are too many, vLLM says itself.

    Raises:
        EngineError: There are none, or they are not log-mel features of at most 8 s each.
    """
    if not windows:
        raise EngineError("a request has no audio")
    parts = [_checked(window.features) for window in windows]
    lengths = np.array([part.shape[1] for part in parts], np.int64)
    return AudioInputs(
        features=np.concatenate(parts, axis=1),
        lengths=lengths,
        mask=(np.arange(WINDOW_FRAMES) < lengths[:, None]).astype(np.int64),
        uuids=[window.uuid for window in windows],
    )


def _checked(features: Features | None) -> Features:
    if features is None:
        raise EngineError("a window of audio has no features")
    if features.dtype != np.float32 or features.ndim != 2 or features.shape[0] != BINS:
        raise EngineError(
            f"a window's features are {features.dtype}{list(features.shape)}, not float32[{BINS}, frames]"
        )
    if not 0 < features.shape[1] <= WINDOW_FRAMES:
        raise EngineError(f"a window has {features.shape[1]} frames, the engine takes 1 to {WINDOW_FRAMES}")
    return features
