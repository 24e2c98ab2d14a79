from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen3_asr_realtime.checksums import ChecksumError
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, MODEL_PATH, WINDOW_SAMPLES, Frames, SileroModel, SileroState

GOLDEN = np.load(Path(__file__).parent / "golden" / "silero.npz")
"""What the published file says, frame by frame (`scripts/silero_graph.py`)."""


def frames_of(samples: Samples) -> Frames:
    """The whole frames of a recording, as if nothing preceded it."""
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    return Frames(np.concatenate((np.zeros(CONTEXT_SAMPLES, np.float32), samples[:whole])), SileroState())


def judge(model: SileroModel, *batch: Frames) -> None:
    while left := [frames for frames in batch if frames.left]:
        model.judge(left)


@pytest.mark.parametrize("name", GOLDEN.files)
def test_what_is_heard_is_what_the_published_model_hears(model: SileroModel, clips: dict[str, Samples], name: str):
    frames = frames_of(clips[name])
    judge(model, frames)
    assert np.abs(np.array(frames.probabilities) - GOLDEN[name]).max() < 1e-5


def test_every_recording_has_been_heard_by_the_published_model(clips: dict[str, Samples]):
    assert set(GOLDEN.files) == set(clips)


def test_speech_is_told_from_what_precedes_it(model: SileroModel, clips: dict[str, Samples]):
    frames = frames_of(np.concatenate((np.zeros(SAMPLE_RATE, np.float32), clips["libri_0890.wav"])))
    judge(model, frames)
    second = SAMPLE_RATE // FRAME_SAMPLES
    assert max(frames.probabilities[:second]) < 0.05
    assert np.mean(frames.probabilities[second + 12 :]) > 0.8


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_it_does_not_matter_how_frames_are_brought_together_in_calls(data: st.DataObject):
    model = SileroModel.load()
    noise = np.random.default_rng(4).standard_normal(9 * 12 * FRAME_SAMPLES).astype(np.float32) * np.float32(0.1)
    counts = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=9))
    samples = [noise[index * 12 * FRAME_SAMPLES :][: count * FRAME_SAMPLES] for index, count in enumerate(counts)]
    together = [frames_of(its) for its in samples]
    while left := [frames for frames in together if frames.left]:
        model.judge(data.draw(st.lists(st.sampled_from(left), min_size=1, unique_by=id)))
    for its, frames in zip(samples, together, strict=True):
        state, stream = SileroState(), np.concatenate((np.zeros(CONTEXT_SAMPLES, np.float32), its))
        for index, probability in enumerate(frames.probabilities):
            frame = Frames(stream[index * FRAME_SAMPLES :][:WINDOW_SAMPLES], state)
            model.judge([frame])
            assert frame.probabilities == [probability]
        assert np.array_equal(state.recurrent, frames.state.recurrent)


def test_the_model_is_loaded_once():
    assert SileroModel.load() is SileroModel.load()


def test_a_damaged_model_is_not_loaded(tmp_path: Path):
    damaged = tmp_path / "silero.onnx"
    damaged.write_bytes(MODEL_PATH.read_bytes()[:-1] + b"\0")
    with pytest.raises(ChecksumError, match=r"silero\.onnx"):
        SileroModel(damaged)
