import numpy as np
import pytest

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.backend import AudioWindow
from qwen3_asr_realtime.engines.vllm.local.inputs import audio_inputs
from qwen3_asr_realtime.samples import NO_SAMPLES


def window(features, uuid="s.0"):
    return AudioWindow(uuid, NO_SAMPLES, features, frozen=False)


def features(frames, value=0.0):
    return np.full((128, frames), value, np.float32)


def test_windows_are_joined_with_their_lengths_and_a_mask_of_full_width() -> None:
    inputs = audio_inputs([window(features(800, 1.0), "s.0"), window(features(50, 2.0), "s.tail")])

    assert inputs.features.shape == (128, 850)
    assert (inputs.features[:, :800] == 1).all()
    assert (inputs.features[:, 800:] == 2).all()
    assert inputs.lengths.tolist() == [800, 50]
    assert inputs.mask.shape == (2, 800)
    assert inputs.mask.sum(axis=1).tolist() == [800, 50]
    assert inputs.mask[1, :50].all()
    assert inputs.uuids == ["s.0", "s.tail"]


@pytest.mark.parametrize(
    "windows",
    [
        pytest.param([], id="none"),
        pytest.param([window(None)], id="samples only"),
        pytest.param([window(features(0))], id="no frame"),
        pytest.param([window(features(801))], id="longer than a window"),
        pytest.param([window(features(10).astype(np.float64))], id="float64"),
        pytest.param([window(features(10).T)], id="turned round"),
        pytest.param([window(features(10)[0])], id="one dimension"),
        pytest.param([window(features(800)), window(features(0))], id="one bad of two"),
    ],
)
def test_what_would_end_the_engine_is_refused(windows) -> None:
    with pytest.raises(EngineError):
        audio_inputs(windows)
