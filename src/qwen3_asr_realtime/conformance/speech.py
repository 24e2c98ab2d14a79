"""What is said to the server: sounds put together from two recordings, silence and noise, and how they are encoded."""

import io
import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeAlias

import av
import numpy as np
import soxr

from qwen3_asr_realtime.audio.files import pcm16_bytes, read_samples
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

Encoding: TypeAlias = Literal["pcm", "wav", "ogg-opus", "opus-packets"]

_FOLDER: Final = Path(__file__).parent / "recordings"
_BUILT_IN: Final = (("cmd_goforward.wav", "forward"), ("libri_0880.wav", "young"))
"""The recordings of the suite, and a word of each that every recogniser worth the name understands."""

_NOISE_AMPLITUDE = 0.3
_NOISE_SWELL_HZ = 3
"""Noise that swells at the rate of syllables: sensitive detectors take it for speech, while even noise is too easy."""

_BELOW_PEAK_DB = 25.0
"""Speech so far below its loudest is taken for background; last sounds may be softer still."""

_BLOCK_S = 0.01


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording, or its beginning.

    Attributes:
        index: Which one.
        share: How much of it, from its start.
    """

    index: int
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Digital silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise without any words in it; the same at every run."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fill:
    """Silence before everything else, as much as makes the base64 text of the whole sound, as 16 kHz PCM, so long.

    Attributes:
        base64_chars: Length of the text, a multiple of 8.
    """

    base64_chars: int


@dataclass(frozen=True, slots=True)
class WholeSeconds:
    """Silence, as much as makes the whole sound a whole number of seconds long."""


Part: TypeAlias = Clip | Silence | Noise | Fill | WholeSeconds


@dataclass(frozen=True, slots=True)
class Sound:
    """Parts one after the other; sounds are joined with `+` and repeated with `*`."""

    parts: tuple[Part, ...]

    def __add__(self, other: "Sound") -> "Sound":
        return Sound(self.parts + other.parts)

    def __mul__(self, times: int) -> "Sound":
        return Sound(self.parts * times)


FIRST: Final = Sound((Clip(0),))
SECOND: Final = Sound((Clip(1),))
FIRST_INTERRUPTED: Final = Sound((Clip(0, share=0.6),))
NOISE: Final = Sound((Noise(2.0),))
WHOLE_SECONDS: Final = Sound((WholeSeconds(),))


def silence(seconds: float) -> Sound:
    """Digital silence."""
    return Sound((Silence(seconds),))


def fill(base64_chars: int) -> Sound:
    """Silence that makes the base64 text of the whole sound so long."""
    return Sound((Fill(base64_chars),))


@dataclass(frozen=True, slots=True)
class Span:
    """Where a recording lies in a sound, in milliseconds.

    Attributes:
        onset_ms: Where its speech begins.
        loud_end_ms: Where the last loud sound of it ends; soft ones may follow.
        end_ms: Where the recording ends.
    """

    onset_ms: int
    loud_end_ms: int
    end_ms: int


TWO_SENTENCES: Final = FIRST + silence(1.5) + SECOND + silence(1.5)


class Recordings:
    """The two recordings of a run, and what is made of them.

    Args:
        files: One or two audio files of one's own, with a sentence each; the built-in ones if empty.

    Raises:
        AudioError: A file cannot be read.
        ValueError: There are more than two.
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        if len(files) > len(_BUILT_IN):
            raise ValueError(f"at most {len(_BUILT_IN)} recordings, not {len(files)}")
        if files:
            self._clips = [read_samples(path) for path in (files[0], files[-1])]
            self._words: tuple[str, str] | None = None
        else:
            self._clips = [read_samples(_FOLDER / name) for name, _ in _BUILT_IN]
            self._words = (_BUILT_IN[0][1], _BUILT_IN[1][1])

    def is_transcript(self, text: str, sound: Sound) -> bool:
        """Whether `text` may be what is said in `sound`: it has the word looked for in each recording."""
        if self._words is None:
            return text.strip() != ""
        spoken = words(text)
        clips = {part.index for part in sound.parts if isinstance(part, Clip) and part.share == 1.0}
        return bool(spoken) and all(self._words[index] in spoken for index in clips)

    def samples(self, sound: Sound) -> Samples:
        """The sound at 16 kHz, shape [n], in [-1, 1]."""
        pieces: list[Samples] = []
        for part in sound.parts:
            pieces.append(self._part(part, sum(len(piece) for piece in pieces)))
        wanted = sum(part.base64_chars * 3 // 8 for part in sound.parts if isinstance(part, Fill))
        if wanted:
            rest = wanted - sum(len(piece) for piece in pieces)
            pieces.insert(0, np.zeros(max(rest, 0), np.float32))
        return np.concatenate(pieces)

    def duration_s(self, sound: Sound) -> float:
        """Length of the sound in seconds."""
        return len(self.samples(sound)) / SAMPLE_RATE

    def spans(self, sound: Sound) -> list["Span"]:
        """Where in the sound the recordings are."""
        spans = []
        position = 0
        for part in sound.parts:
            end = position + len(self._part(part, position))
            if isinstance(part, Clip):
                first, last = self._sounding[part.index]
                spans.append(Span(*(at * 1000 // SAMPLE_RATE for at in (position + first, position + last, end))))
            position = end
        return spans

    def _part(self, part: Part, position: int) -> Samples:
        match part:
            case Clip(index, share):
                clip = self._clips[index]
                return clip[: int(len(clip) * share)]
            case Silence(seconds):
                return np.zeros(int(seconds * SAMPLE_RATE), np.float32)
            case Noise(seconds):
                return _noise(int(seconds * SAMPLE_RATE))
            case WholeSeconds():
                return np.zeros(-position % SAMPLE_RATE, np.float32)
            case Fill():
                return NO_SAMPLES

    @cached_property
    def _sounding(self) -> list[tuple[int, int]]:
        return [_sounding_span(clip) for clip in self._clips]


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"\w+", text.lower())


def chunks(
    samples: Samples, encoding: Encoding, sample_rate: int, *, chunk_ms: float = math.inf, chunk_bytes: int = 0
) -> Iterator[bytes]:
    """The bytes of one append after the other.

    Args:
        samples: At 16 kHz.
        encoding: Of the bytes.
        sample_rate: Of the bytes, in Hz.
        chunk_ms: Audio in one append; `opus-packets` always makes appends of 20 ms.
        chunk_bytes: Bytes in one append, instead of `chunk_ms`, if not 0.
    """
    if encoding == "opus-packets":
        yield from _opus_packets(samples)
        return
    if sample_rate != SAMPLE_RATE:
        samples = soxr.resample(samples, SAMPLE_RATE, sample_rate)
    data = pcm16_bytes(samples)
    total_ms = len(samples) * 1000 / sample_rate
    if encoding == "wav":
        data = wav_header(sample_rate, len(data)) + data
    elif encoding == "ogg-opus":
        data = _ogg_opus(samples)
    if not chunk_bytes:
        chunk_bytes = len(data) if chunk_ms >= total_ms else max(2, int(len(data) * chunk_ms / total_ms) // 2 * 2)
    for first in range(0, len(data), chunk_bytes):
        yield data[first : first + chunk_bytes]


def wav_header(sample_rate: int, data_bytes: int) -> bytes:
    """The header of a WAV file: 16-bit PCM, mono."""
    layout = struct.pack("<HHIIHH", 1, 1, sample_rate, sample_rate * 2, 2, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ", len(layout))
        + layout
        + struct.pack("<4sI", b"data", data_bytes)
    )


def _noise(n_samples: int) -> Samples:
    times_s = np.arange(n_samples) / SAMPLE_RATE
    swell = (1 + np.sin(2 * np.pi * _NOISE_SWELL_HZ * times_s)) / 2
    noise = np.random.default_rng(3).normal(size=n_samples) * swell * _NOISE_AMPLITUDE
    return np.clip(noise, -1, 1).astype(np.float32)


def _sounding_span(samples: Samples) -> tuple[int, int]:
    """First and last sample of the blocks that come near the loudest one."""
    block = int(SAMPLE_RATE * _BLOCK_S)
    energy = np.square(samples[: len(samples) // block * block]).reshape(-1, block).mean(axis=1)
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (-_BELOW_PEAK_DB / 10))
    return int(loud[0]) * block, (int(loud[-1]) + 1) * block


def _frames(samples: Samples) -> Iterator[av.AudioFrame]:
    pcm = np.frombuffer(pcm16_bytes(samples), "<i2").reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    frame.pts = 0
    yield frame


def _ogg_opus(samples: Samples) -> bytes:
    """An Ogg file, as a recorder would stream it."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        for frame in _frames(samples):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _opus_packets(samples: Samples) -> Iterator[bytes]:
    """Bare Opus packets of 20 ms."""
    encoder = av.AudioCodecContext.create("libopus", "w")
    encoder.sample_rate = SAMPLE_RATE
    encoder.layout = "mono"
    encoder.format = "s16"
    step = SAMPLE_RATE // 50
    for first in range(0, len(samples) // step * step, step):
        for frame in _frames(samples[first : first + step]):
            frame.pts = first
            yield from map(bytes, encoder.encode(frame))
    yield from map(bytes, encoder.encode(None))
