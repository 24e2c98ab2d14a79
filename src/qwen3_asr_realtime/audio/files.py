"""Audio files of any common kind to samples, and samples to the bytes of the wire: for clients and tests."""

from itertools import chain
from os import PathLike
from pathlib import Path

import av
import numpy as np

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.pcm import FULL_SCALE, samples_from_pcm16
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

_NO_OTHER_FILES = {"protocol_whitelist": "pipe"}
"""FFmpeg option: a playlist that poses as audio must not make us open further files or addresses."""


def read_samples(path: str | PathLike[str], sample_rate: int = SAMPLE_RATE) -> Samples:
    """The first audio track of a file (WAV, FLAC, MP3, Ogg, M4A, a video, …), mixed down to mono.

    The samples are as exact as 16-bit PCM, which is what goes over the wire. An hour at 16 kHz takes 350 MB at its
    peak: 115 MB of PCM and the result, twice as large.

    Args:
        path: The file.
        sample_rate: Rate of the result in Hz.

    Raises:
        AudioError: The file is missing, has no audio track, or cannot be decoded.
    """
    path = Path(path)
    try:
        pcm = _read_pcm16(path, sample_rate)
    except av.FFmpegError as error:
        raise AudioError(f"{path} cannot be decoded as audio: {error.strerror}.") from error
    except ValueError as error:  # the resampler was built for the first frame's rate and layout
        raise AudioError(f"{path} cannot be decoded as audio: its rate or layout changes midway.") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}.") from error
    return samples_from_pcm16(pcm)


def pcm16_bytes(samples: Samples) -> bytes:
    """Signed 16-bit little-endian PCM of `samples`, rounded; what exceeds full scale is clipped."""
    scaled = samples * FULL_SCALE
    np.rint(scaled, out=scaled)
    np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1, out=scaled)
    return scaled.astype("<i2").tobytes()


def _read_pcm16(path: Path, sample_rate: int) -> bytearray:
    # Mixed down as integers: there FFmpeg halves the channels of a stereo track, as floats it would add them up past
    # full scale.
    resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate)
    pcm = bytearray()
    # FFmpeg gets the open file, not its name: it would take "12:30.wav" for an address with the scheme "12".
    with path.open("rb") as file, av.open(file, "r", container_options=_NO_OTHER_FILES) as container:
        if not container.streams.audio:
            raise AudioError(f"{path} has no audio track.")
        for frame in chain(container.decode(container.streams.audio[0]), [None]):
            for converted in resampler.resample(frame):
                pcm += converted.to_ndarray().tobytes()
    return pcm
