from pathlib import Path

import numpy as np
import pytest

from qwen3_asr_realtime.checksums import ChecksumError
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, MODEL_PATH, WINDOW_SAMPLES, SileroModel, SileroState


def windows(audio: Samples, begin: int, count: int) -> Samples:
    """`count` successive windows from `begin` on, shape [count, 576]."""
    return np.stack([audio[begin + k * FRAME_SAMPLES :][:WINDOW_SAMPLES] for k in range(count)])


def test_speech_is_told_from_what_precedes_it(model: SileroModel, clips: dict[str, Samples]):
    speech = clips["libri_0890.wav"]
    audio = np.concatenate((np.zeros(SAMPLE_RATE + CONTEXT_SAMPLES, np.float32), speech))
    state = SileroState().recurrent
    found = []
    for window in windows(audio, 0, (len(audio) - CONTEXT_SAMPLES) // FRAME_SAMPLES):
        probabilities, state = model.probabilities(window[None], state)
        found.append(float(probabilities[0]))
    second = SAMPLE_RATE // FRAME_SAMPLES
    assert max(found[:second]) < 0.05
    assert np.mean(found[second + 12 :]) > 0.8


def test_a_session_gets_the_same_probabilities_in_a_batch_as_alone(model: SileroModel, clips: dict[str, Samples]):
    frames = 40
    sessions = [windows(clip, 8000, frames) for clip in clips.values()]
    batch_state = np.zeros((2, len(sessions), 128), np.float32)
    alone = [SileroState().recurrent for _ in sessions]
    for frame in range(frames):
        batched, batch_state = model.probabilities(np.stack([s[frame] for s in sessions]), batch_state)
        assert batched.shape == (len(sessions),)
        for index, session in enumerate(sessions):
            single, alone[index] = model.probabilities(session[frame][None], alone[index])
            assert single[0] == batched[index]
            assert np.array_equal(alone[index][:, 0], batch_state[:, index])


def test_the_model_is_loaded_once():
    assert SileroModel.load() is SileroModel.load()


def test_a_damaged_model_is_not_loaded(tmp_path: Path):
    damaged = tmp_path / "silero.onnx"
    damaged.write_bytes(MODEL_PATH.read_bytes()[:-1] + b"\0")
    with pytest.raises(ChecksumError, match=r"silero\.onnx"):
        SileroModel(damaged)
