"""Write what Whisper's feature extractor makes of some clips, for tests/engines/vllm/test_mel.py to be held against.

    python scripts/mel_golden.py

Needs transformers, which the package does not: it comes with the extra `vllm`. The file in the repository was made with
transformers 5.19.0. Taken are the numbers of the extractor's own numpy code, in double precision, which it runs where
torch is not installed; those of its torch code, in single precision, differ by up to 1e-4 (printed at the end).
"""

import importlib
import sys
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qwen3_asr_realtime.engines.mel import HOP_SAMPLES
from qwen3_asr_realtime.engines.vllm.mel import BINS
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

TESTS = Path(__file__).resolve().parent.parent / "tests"
GOLDEN = TESTS / "engines" / "vllm" / "golden" / "log_mel.npz"

FEWER_BINS = 80
FEWER_BINS_CLIP = "English"
"""As the smaller sizes of Whisper have them; one clip is enough."""


def main() -> None:
    """Rewrite the file."""
    transformers = importlib.import_module("transformers")  # By name, so that type checks do without it.
    extractor = transformers.WhisperFeatureExtractor(feature_size=BINS)
    golden = {}
    worst = 0.0
    for name, clip in clips().items():
        reference = extractor._np_extract_fbank_features(clip[None], "cpu")[0]
        public = extractor(
            clip, sampling_rate=SAMPLE_RATE, padding="do_not_pad", truncation=False, return_tensors="np"
        ).input_features[0]
        worst = max(worst, float(np.abs(public - reference).max()))
        golden[name] = reference[:, compared_frames(clip)].astype(np.float32)
    fewer = transformers.WhisperFeatureExtractor(feature_size=FEWER_BINS)
    clip = clips()[FEWER_BINS_CLIP]
    golden[f"{FEWER_BINS} bins"] = fewer._np_extract_fbank_features(clip[None], "cpu")[0][
        :, compared_frames(clip)
    ].astype(np.float32)
    np.savez_compressed(GOLDEN, **golden)
    sys.stdout.write(f"{GOLDEN.name}: {GOLDEN.stat().st_size} bytes; the extractor's two ways differ by {worst:.1e}\n")


def clips() -> dict[str, Samples]:
    """Speech and sounds made up, at least 0.5 s each, by name; the same at every call."""
    seconds = np.arange(19 * SAMPLE_RATE // 2) / SAMPLE_RATE
    sweep = np.sin(2 * np.pi * 400 * seconds**2)
    burst = np.where(seconds > 9.0, 0.9, 1e-4) * sweep
    fading = sweep * 10 ** (-2 * seconds)
    made_up = {
        "quiet, then a loud burst": burst,
        "loud, then fading away": fading,
        "over-driven, as short as can be": np.sign(sweep[:8000]),
        "silence": np.zeros(8000),
    }
    return {
        "English": _read("jfk.wav"),
        "Chinese, not a whole number of frames": _read("BAC009S0764W0121.wav"),
        **{name: clip.astype(np.float32) for name, clip in made_up.items()},
    }


def compared_frames(clip: Samples) -> NDArray[np.intp]:
    """Numbers of the frames that the file has of a clip: every 16th, and all at its ends and about 8 s."""
    frame = np.arange(len(clip) // HOP_SAMPLES)
    return np.flatnonzero((frame % 16 == 0) | (frame < 3) | (frame >= len(frame) - 3) | (abs(frame - 800) < 3))


def _read(name: str) -> Samples:
    with wave.open(str(TESTS / "speech" / name)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(32768)


if __name__ == "__main__":
    main()
