"""How exactly speech detection finds the starts and ends of speech, and what it costs.

    python benchmarks/endpointing_accuracy.py [--silence-ms 400]

The clips of tests/speech are brought to the same level, glued with gaps of 1.5 s and pushed through `SpeechDetector`,
20 ms at a time and without pre-roll. The truth is what manifest.json says, where their spectrograms show the first
sound of the first word to begin and the last sound of the last one to end. It is compared with the start of a clip's
first turn and the end of its last one, for pauses inside a clip may end turns, too.

* In the gaps, the room of the nearest clip goes on. A noise gate puts digital silence there, and into the clips up to
  50 ms before and from 150 ms after the speech.
* Applause that follows on one clip is cut off. The breath that follows on another ("meters") is in.
* Noise is white, at a level relative to the mean power of the clips, and covers the whole recording.

Ends with status 1 if, without noise and gate, a clip is missed, a median error is above 50 ms, or more than one start
or end in nine is off by more than 100 ms. (One start is: digital silence precedes the room on that clip. One end is:
the breath.)
"""

import argparse
import math
import statistics
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soxr

from qwen3_asr_realtime.load.recordings import Recording, find_sources, read_recording
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples, samples_from_ms
from qwen3_asr_realtime.vad.detector import SpeechDetector
from qwen3_asr_realtime.vad.endpointing import EndpointingParameters, SpeechStarted, SpeechStopped
from qwen3_asr_realtime.vad.silero import SileroModel

SPEECH = Path(__file__).parent.parent / "tests" / "speech"
GAP = samples_from_ms(750)  # On each side of a clip.
GATE_LEAD, GATE_HOLD = samples_from_ms(50), samples_from_ms(150)
PUSH = samples_from_ms(20)
APPLAUSE_AFTER = samples_from_ms(100)
RMS = 10 ** (-26 / 20)  # Of speech at gain 1: -26 dB of full scale, a usual level.
MAX_ERROR_MS = 100
MAX_MEDIAN_MS = 50


@dataclass(frozen=True)
class Condition:
    """One way to present the clips."""

    name: str
    gain: float = 1.0
    snr_db: float = math.inf
    gated: bool = False  # Digital silence between the clips.
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
            statistics.median(map(abs, side)) <= MAX_MEDIAN_MS
            and sum(abs(error) > MAX_ERROR_MS for error in side) <= len(side) // 9
            for side in sides
        )


CONDITIONS = (
    Condition("clean"),
    Condition("clean, gated", gated=True),
    Condition("clean, gain 0.3", gain=0.3),
    Condition("clean, gain 0.1", gain=0.1),
    Condition("clean, 8 kHz", telephone=True),
    Condition("noise 30 dB SNR", snr_db=30),
    Condition("noise 20 dB SNR", snr_db=20),
    Condition("noise 20 dB SNR, 8 kHz", snr_db=20, telephone=True),
)


def read_clips() -> list[Recording]:
    """The clips, each with a mean power of 1."""
    clips: list[Recording] = []
    for source in find_sources([SPEECH / "manifest.json"]):
        clip = read_recording(source)
        samples = clip.samples[: clip.speech[1] + APPLAUSE_AFTER] if clip.name == "jfk.wav" else clip.samples
        scale = 1 / np.sqrt(np.square(samples).mean())
        clips.append(replace(clip, samples=samples * scale, room=clip.room * scale))
    return clips


def glued(clips: list[Recording], condition: Condition) -> tuple[Samples, list[tuple[int, int]]]:
    """All clips in one recording, with the true start and end of each in samples."""
    pieces: list[Samples] = []
    truth: list[tuple[int, int]] = []
    position = GAP
    for clip in clips:
        start, end = clip.speech
        truth.append((position + start, position + end))
        samples, room = clip.samples.copy(), np.resize(clip.room, GAP)
        if condition.gated:
            samples[: max(start - GATE_LEAD, 0)] = samples[end + GATE_HOLD :] = room[:] = 0
        pieces += (room, samples, room)
        position += len(samples) + 2 * GAP
    audio = np.concatenate(pieces)
    noise = np.random.default_rng(7).standard_normal(len(audio), np.float32)
    audio = (audio + noise * np.float32(10 ** (-condition.snr_db / 20))) * np.float32(RMS * condition.gain)
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
        while frames.left:
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
    parser.add_argument("--silence-ms", type=int, default=400)
    options = parser.parse_args()
    clips = read_clips()
    acceptable = True

    print(f"{len(clips)} clips. Absolute errors in ms: median, 95th percentile, maximum.")
    print(f"{'':24}{'onset':>19}{'end':>19}{'decision':>19}   missed   turns   CPU ms/s")
    for condition in CONDITIONS:
        audio, truth = glued(clips, condition)
        began = time.process_time()
        turns = detected(audio, options.silence_ms)
        cpu_ms = (time.process_time() - began) * 1000
        errors = compared(turns, truth, options.silence_ms)
        if condition.snr_db == math.inf and not condition.gated:
            acceptable = acceptable and errors.acceptable
        print(
            f"{condition.name:24}{summary(errors.onset_ms)}{summary(errors.end_ms)}{summary(errors.decision_ms)}"
            f"{errors.missed:9d}{len(turns):8d}{cpu_ms / (len(audio) / SAMPLE_RATE):11.2f}"
        )
    return 0 if acceptable else 1


if __name__ == "__main__":
    sys.exit(main())
