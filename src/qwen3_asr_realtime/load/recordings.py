"""Speech to send: recordings, where in them somebody speaks, and what is said."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qwen3_asr_realtime.audio.files import read_samples
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples, ms_from_samples, samples_from_ms

_BUILT_IN_FOLDER: Final = Path(__file__).parents[1] / "conformance" / "recordings"
_BUILT_IN: Final = {
    "cmd_goforward.wav": ("go forward ten meters", (500, 2090)),
    "libri_0880.wav": ("he was not an ill disposed young man", (260, 2790)),
}

_BLOCK_SAMPLES = SAMPLE_RATE // 100
_SMOOTHED_BLOCKS = 3

_ROOM_BLOCKS = 10
_ROOM_SAMPLES = 2 * SAMPLE_RATE
"""Noise that is repeated so rarely sounds like noise."""

_FLOOR_PERCENTILE, _SPEECH_PERCENTILE = 5, 95

_BELOW_LEVEL_DB = 30.0
"""Softest last sounds of a quiet recording, relative to its speech level."""

_ABOVE_FLOOR_DB = 10.0
"""Speech in a noisy recording stands out of the noise by this much."""

_AT_LEAST_BELOW_LEVEL_DB = 12.0
"""Without any pause there is no floor to be seen; sounds this near to the speech level are speech in any case."""


class RecordingError(Exception):
    """A recording cannot be used; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a recording comes from; enough to read it again in another process.

    Attributes:
        path: The audio file.
        transcript: What is said, or None if nobody wrote it down.
        speech_ms: Where speech begins and ends, or None to find it by its energy.
    """

    path: str
    transcript: str | None = None
    speech_ms: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance.

    Attributes:
        name: File name.
        samples: At 16 kHz, shape [n].
        speech: First sample of the speech, and the one after its last.
        transcript: What is said, or None if it is not known.
        room: What the microphone hears while nobody speaks, shape [m]; may be repeated.
    """

    name: str
    samples: Samples
    speech: tuple[int, int]
    transcript: str | None
    room: Samples = field(default_factory=lambda: NO_SAMPLES)


def find_sources(paths: Sequence[Path], *, language: str | None = None) -> list[Source]:
    """What to send: the given files, or the two recordings that come with the package if there are none.

    The transcript of `speech.wav` is taken from the entry of that name in `manifest.json` beside it, else from
    `speech.txt`. A manifest is a list of objects with `file`, `transcript`, and if known `language` and `speech_ms`
    (start and end). A path that ends in `.json` is a manifest and stands for all its recordings.

    Args:
        paths: Audio files and manifests.
        language: Leave out the recordings of a manifest that are in another language.

    Raises:
        RecordingError: A manifest cannot be read, or nothing is left.
    """
    if not paths:
        return [Source(str(_BUILT_IN_FOLDER / name), *known) for name, known in _BUILT_IN.items()]
    sources = []
    for path in paths:
        if path.suffix == ".json":
            sources += [
                _source(path.parent / name, entry)
                for name, entry in _entries(path).items()
                if language is None or entry.get("language", language) == language
            ]
        else:
            manifest = path.parent / "manifest.json"
            sources.append(_source(path, _entries(manifest).get(path.name, {}) if manifest.exists() else {}))
    if not sources:
        raise RecordingError("no recordings to send")
    return sources


def read_recording(source: Source) -> Recording:
    """Read a recording and find the speech in it.

    Raises:
        AudioError: The file cannot be read.
        RecordingError: There is no sound in it.
    """
    samples = read_samples(source.path)
    name = Path(source.path).name
    if len(samples) < _BLOCK_SAMPLES or not samples.any():
        raise RecordingError(f"{source.path}: there is no sound in it")
    if source.speech_ms is None:
        first, last = speech_span(samples)
    else:
        first, last = map(samples_from_ms, source.speech_ms)
        if not 0 <= first < last <= len(samples):
            raise RecordingError(f"{source.path}: speech_ms {source.speech_ms} is not within the recording")
    return Recording(name, samples, (first, last), source.transcript, room_tone(samples[first:]))


def speech_span(samples: Samples) -> tuple[int, int]:
    """First sample of the speech in a recording of one utterance, and the one after its last, by energy alone.

    Speech begins with the first and ends with the last block of 10 ms (smoothed over three) above a level between the
    recording's floor (5th percentile) and its speech level (95th). Noise as loud as soft speech behind the last word
    counts as speech: state `speech_ms` in a manifest for such recordings.

    Args:
        samples: At 16 kHz, at least 10 ms, and not all zero.
    """
    level_db = _levels_db(samples)
    floor_db, speech_db = np.percentile(level_db, [_FLOOR_PERCENTILE, _SPEECH_PERCENTILE])
    threshold_db = min(
        max(speech_db - _BELOW_LEVEL_DB, floor_db + _ABOVE_FLOOR_DB), speech_db - _AT_LEAST_BELOW_LEVEL_DB
    )
    loud = np.flatnonzero(level_db >= threshold_db)
    return int(loud[0]) * _BLOCK_SAMPLES, (int(loud[-1]) + 1) * _BLOCK_SAMPLES


def speech_ms(recording: Recording) -> tuple[int, int]:
    """Start and end of the speech in milliseconds."""
    return ms_from_samples(recording.speech[0]), ms_from_samples(recording.speech[1])


def room_tone(samples: Samples) -> Samples:
    """Noise with the level and the spectrum of the softest 100 ms: a room that goes on after the recording's end.

    Anything else there, digital silence or another noise, would be a change that a detector hears.

    Args:
        samples: At 16 kHz, at least 10 ms.
    """
    energies = _energies(samples)
    count = min(_ROOM_BLOCKS, len(energies))
    softest = int(np.convolve(energies, np.ones(count), "valid").argmin()) * _BLOCK_SAMPLES
    sample = samples[softest : softest + count * _BLOCK_SAMPLES].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sample * np.hanning(len(sample))))
    frequencies = np.linspace(0, 1, _ROOM_SAMPLES // 2 + 1)
    wide = np.interp(frequencies, np.linspace(0, 1, len(spectrum)), spectrum)
    noise = np.fft.irfft(wide * np.exp(2j * np.pi * np.random.default_rng(1).random(len(wide))), _ROOM_SAMPLES)
    level = math.sqrt(np.square(sample).mean() / max(np.square(noise).mean(), np.finfo(float).tiny))
    return (noise * level).astype(np.float32)


def _levels_db(samples: Samples) -> NDArray[np.float64]:
    """Level of each block, smoothed, in dB of full scale."""
    # "full" and cut, because "same" gives the length of the longer of the two.
    smooth = np.convolve(_energies(samples), np.full(_SMOOTHED_BLOCKS, 1 / _SMOOTHED_BLOCKS), "full")[1:-1]
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(smooth, np.finfo(float).tiny))
    return levels


def _energies(samples: Samples) -> NDArray[np.float64]:
    """Mean square of each block."""
    blocks = samples[: len(samples) // _BLOCK_SAMPLES * _BLOCK_SAMPLES].reshape(-1, _BLOCK_SAMPLES)
    energies: NDArray[np.float64] = np.square(blocks, dtype=np.float64).mean(axis=1)
    return energies


def _source(path: Path, entry: dict[str, Any]) -> Source:
    transcript = entry.get("transcript")
    beside = path.with_suffix(".txt")
    if transcript is None and beside.exists():
        transcript = beside.read_text(encoding="utf-8").strip()
    speech = entry.get("speech_ms")
    return Source(str(path), transcript, None if speech is None else (int(speech[0]), int(speech[1])))


def _entries(manifest: Path) -> dict[str, dict[str, Any]]:
    try:
        return {entry["file"]: entry for entry in json.loads(manifest.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecordingError(f"{manifest} is no manifest of recordings: {error!r}") from error
