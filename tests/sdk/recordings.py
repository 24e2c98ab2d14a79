"""Speech in the one format the programs read: WAV, 16-bit mono, 16 kHz."""

import wave
from itertools import cycle
from pathlib import Path

from harness import Clip, english_clips
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples


def clips_of_a_minute() -> list[Clip]:
    """Whole recordings for one minute or a little more."""
    chosen: list[Clip] = []
    for clip in cycle(english_clips()):
        if sum(len(other.samples) for other in chosen) >= 60 * SAMPLE_RATE:
            break
        chosen.append(clip)
    return chosen


def write_wav(path: Path, samples: Samples) -> Path:
    """Write samples to a file; return its path."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path
