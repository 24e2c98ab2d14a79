"""From the bytes a client sends to the samples the server works with."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.opus import OpusDecoder
from qwen3_asr_realtime.audio.pcm import PcmDecoder
from qwen3_asr_realtime.audio.resampling import Resampler
from qwen3_asr_realtime.samples import Samples


class Decoder(Protocol):
    """Turns the bytes of one stream after another into mono samples."""

    @property
    def sample_rate(self) -> int:
        """Rate of the samples it returns, in Hz. Not always the session's: some codecs know only one."""
        ...

    def may_be_long(self, data: bytes) -> bool:
        """Whether `data`, as the next bytes, may hold far more audio than so many bytes of PCM."""
        ...

    def decode(self, data: bytes) -> Samples:
        """Samples of the next bytes of the stream.

        Raises:
            AudioError: The bytes cannot be decoded; later ones may be pushed all the same.
        """
        ...

    def flush(self) -> Samples:
        """End of the stream: what was held back. The next bytes begin a new stream, or the decoder knows better."""
        ...


_DECODERS: Final[Mapping[str, Callable[[int], Decoder]]] = MappingProxyType(
    {"pcm": PcmDecoder, "wav": PcmDecoder, "opus": OpusDecoder}
)
"""How to make the decoder of a format, given the session's sample rate. A new format is a new line here."""


class AudioIntake:
    """Decodes and resamples all audio of one session.

    Does no I/O and keeps a few hundred samples at most, or one page of Ogg. Calls may come from different threads, one
    at a time.

    Args:
        audio_format: One of `formats`.
        sample_rate: Rate in Hz of the audio that will be pushed; does not matter for Opus.

    Raises:
        AudioError: The format or the rate is not supported.
    """

    formats: Final = tuple(_DECODERS)

    def __init__(self, audio_format: str, sample_rate: int) -> None:
        make_decoder = _DECODERS.get(audio_format)
        if make_decoder is None:
            raise AudioError(
                f"Invalid value: {audio_format!r}. Supported values are: {', '.join(map(repr, _DECODERS))}.",
                field="input_audio_format",
            )
        self._decoder = make_decoder(sample_rate)
        self._resampler = Resampler(self._decoder.sample_rate)

    def may_be_long(self, data: bytes) -> bool:
        """Whether a push of `data` may hold a lot of audio however few bytes it has, and so take long to decode."""
        return self._decoder.may_be_long(data)

    def push(self, data: bytes) -> Samples:
        """Take the next bytes and return the samples that are ready, at `SAMPLE_RATE`.

        Raises:
            AudioError: The bytes do not fit the session; none of them is used, and later ones may be pushed.
        """
        return self._resampler.push(self._decoder.decode(data))

    def flush(self) -> Samples:
        """End of one stream (a commit, or the end of the session): the samples still held back.

        The next bytes begin a new stream, which may bring a header of its own. Ogg may also go on where it was.
        """
        tail = self._resampler.push(self._decoder.flush())
        return np.concatenate((tail, self._resampler.flush()))
