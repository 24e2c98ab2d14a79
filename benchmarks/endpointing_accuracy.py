"""How exactly speech detection finds the starts and ends of speech, and what it costs.

    python benchmarks/endpointing_accuracy.py [--trim-db 35] [--silence-ms 400]

The clips of tests/speech are brought to the same level, trimmed to their sound, glued with gaps of 1.2 s and pushed
through `SpeechDetector`, 20 ms at a time and without pre-roll. The true starts and ends are the known places of the
clips. They are compared with the start of a clip's first turn and the end of its last one, for pauses inside a clip may
end turns, too.

* Sound reaches from the first to the last 10 ms block that is at most `--trim-db` quieter than the clip's loudest one.
  In noise it must be 10 dB louder than the noise, too, the added one and the clip's own (its blocks' 10th percentile).
* Clean gaps are digital silence. Noise is white, at a level relative to the mean power of the clips, and covers the
  whole recording.

Ends with status 1 if, without noise, an error is above 100 ms, a median above 50 ms, or a clip is missed.
"""

import argparse
import json
import math
import statistics
import sys
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples, samples_from_ms
from qwen3_asr_realtime.vad.detector import SpeechDetector
from qwen3_asr_realtime.vad.endpointing import EndpointingParameters, SpeechStarted, SpeechStopped
from qwen3_asr_realtime.vad.silero import SileroModel

SPEECH = Path(__file__).parent.parent / "tests" / "speech"
GAP = samples_from_ms(1200)
PUSH = samples_from_ms(20)
SPEECH_ENDS_S = {"jfk.wav": 10.5}  # Applause follows.
RMS = 10 ** (-26 / 20)  # Of speech at gain 1: -26 dB of full scale, a usual level.
MAX_ERROR_MS = 100
MAX_MEDIAN_MS = 50


@dataclass(frozen=True)
class Condition:
    """One way to present the clips."""

    name: str
    gain: float = 1.0
    snr_db: float = math.inf
    telephone: bool = False  # Down to 8 kHz and up again.


@dataclass(frozen=True)
class Turn:
    """What was detected, in samples: its boundaries, and when its end was decided."""

    start: int
    end: int
    decided: int


@dataclass
class Errors:
    """Differences from the truth in milliseconds, late ones positive."""

    onset_ms: list[float] = field(default_factory=list)
    end_ms: list[float] = field(default_factory=list)
    decision_ms: list[float] = field(default_factory=list)  # From the true end plus silence_ms.
    missed: int = 0  # Clips without a turn.

    @property
    def acceptable(self) -> bool:
        """Whether no clip was missed and the errors are within the limits."""
        sides = (self.onset_ms, self.end_ms)
        return self.missed == 0 and all(
            max(map(abs, side)) <= MAX_ERROR_MS and statistics.median(map(abs, side)) <= MAX_MEDIAN_MS for side in sides
        )


CONDITIONS = (
    Condition("clean"),
    Condition("clean, gain 0.3", gain=0.3),
    Condition("clean, gain 0.1", gain=0.1),
    Condition("clean, 8 kHz", telephone=True),
    Condition("noise 30 dB SNR", snr_db=30),
    Condition("noise 20 dB SNR", snr_db=20),
    Condition("noise 20 dB SNR, 8 kHz", snr_db=20, telephone=True),
)


def read_clips() -> list[Samples]:
    """The clips, each with a mean power of 1."""
    clips: list[Samples] = []
    for entry in json.loads((SPEECH / "manifest.json").read_text()):
        with wave.open(str(SPEECH / entry["file"])) as file:
            clip = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        if entry["file"] in SPEECH_ENDS_S:
            clip = clip[: int(SPEECH_ENDS_S[entry["file"]] * SAMPLE_RATE)]
        clips.append(clip / np.sqrt(np.square(clip).mean()))
    return clips


def trimmed(clip: Samples, trim_db: float, noise_power: float) -> Samples:
    """The clip from its first to its last block of sound."""
    block = samples_from_ms(10)
    powers = np.square(clip[: len(clip) // block * block].reshape(-1, block)).mean(axis=1)
    level = powers.max() * 10 ** (-trim_db / 10)
    if noise_power:
        level = max(level, 10 * (noise_power + np.percentile(powers, 10)))
    sound = np.flatnonzero(powers > level)
    return clip[sound[0] * block : (sound[-1] + 1) * block]


def glued(clips: list[Samples], condition: Condition, trim_db: float) -> tuple[Samples, list[tuple[int, int]]]:
    """All clips in one recording, with the true start and end of each in samples."""
    noise_power = 10 ** (-condition.snr_db / 10)
    pieces: list[Samples] = []
    truth: list[tuple[int, int]] = []
    position = 0
    for clip in clips:
        sound = trimmed(clip, trim_db, noise_power)
        pieces += (np.zeros(GAP, np.float32), sound)
        truth.append((position + GAP, position + GAP + len(sound)))
        position += GAP + len(sound)
    audio = np.concatenate((*pieces, np.zeros(GAP, np.float32)))
    noise = np.random.default_rng(7).standard_normal(len(audio), np.float32)
    audio = (audio + noise * np.float32(math.sqrt(noise_power))) * np.float32(RMS * condition.gain)
    if condition.telephone:
        audio = soxr.resample(soxr.resample(audio, SAMPLE_RATE, 8000), 8000, SAMPLE_RATE)
    return audio, truth


def detected(audio: Samples, silence_ms: int) -> list[Turn]:
    parameters = EndpointingParameters(silence_ms=silence_ms, prefix_padding_ms=0, max_utterance_ms=600_000)
    detector, model = SpeechDetector(parameters), SileroModel.load()
    turns: list[Turn] = []
    start = 0
    for offset in range(0, len(audio), PUSH):
        if (frames := detector.take(audio[offset : offset + PUSH])) is None:
            continue
        while not frames.judged:
            model.judge([frames])
        for event in detector.conclude(frames):
            match event:
                case SpeechStarted(start_sample):
                    start = start_sample
                case SpeechStopped(end_sample):
                    turns.append(Turn(start, end_sample, detector.position))
    return turns


def compared(turns: list[Turn], truth: list[tuple[int, int]], silence_ms: int) -> Errors:
    errors = Errors()
    for start, end in truth:
        found = [turn for turn in turns if turn.start < end and turn.end > start]
        if not found:
            errors.missed += 1
            continue
        errors.onset_ms.append((found[0].start - start) * 1000 / SAMPLE_RATE)
        errors.end_ms.append((found[-1].end - end) * 1000 / SAMPLE_RATE)
        errors.decision_ms.append((found[-1].decided - end) * 1000 / SAMPLE_RATE - silence_ms)
    return errors


def summary(errors_ms: list[float]) -> str:
    """Median, 95th percentile and maximum of the absolute errors."""
    sizes = np.abs(errors_ms)
    return f"{np.median(sizes):7.0f} {np.percentile(sizes, 95):5.0f} {sizes.max():5.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trim-db", type=float, default=35.0, help="depth of a clip, in dB below its loudest block")
    parser.add_argument("--silence-ms", type=int, default=400)
    options = parser.parse_args()
    clips = read_clips()
    acceptable = True

    print(f"{len(clips)} clips. Absolute errors in ms: median, 95th percentile, maximum.")
    print(f"{'':24}{'onset':>19}{'end':>19}{'decision':>19}   missed   turns   CPU ms/s")
    for condition in CONDITIONS:
        audio, truth = glued(clips, condition, options.trim_db)
        began = time.process_time()
        turns = detected(audio, options.silence_ms)
        cpu_ms = (time.process_time() - began) * 1000
        errors = compared(turns, truth, options.silence_ms)
        if condition.snr_db == math.inf:
            acceptable = acceptable and errors.acceptable
        print(
            f"{condition.name:24}{summary(errors.onset_ms)}{summary(errors.end_ms)}{summary(errors.decision_ms)}"
            f"{errors.missed:9d}{len(turns):8d}{cpu_ms / (len(audio) / SAMPLE_RATE):11.2f}"
        )
    return 0 if acceptable else 1


if __name__ == "__main__":
    sys.exit(main())
