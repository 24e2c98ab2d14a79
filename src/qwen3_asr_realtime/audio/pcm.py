"""PCM bytes to samples: signed 16-bit little-endian, mono, with or without a WAV header."""

import numpy as np

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.wav import WavHeaderReader
from qwen3_asr_realtime.samples import NO_SAMPLES, Samples

BYTES_PER_SAMPLE = 2
FULL_SCALE = 32768
"""The 16-bit value that stands for 1.0; one more than the largest there is."""


def samples_from_pcm16(data: bytes | bytearray) -> Samples:
    """Samples of signed 16-bit little-endian mono PCM; an odd last byte is left out."""
    values = np.frombuffer(data, "<i2", count=len(data) // BYTES_PER_SAMPLE)
    return values * np.float32(1 / FULL_SCALE)


class PcmDecoder:
    """Turns one stream after another into samples at the rate they were recorded with.

    Chunks need not end at a sample: an odd byte waits for the next one. A WAV header at the start of a stream is taken
    off, whatever the session's format is called; sending a file as it lies on the disk is a common mistake.

    Args:
        sample_rate: Rate of the audio in Hz; a header must agree.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._header: WavHeaderReader | None = WavHeaderReader(sample_rate)
        self._refused = False
        self._odd_byte = b""

    def may_be_long(self, _: bytes) -> bool:
        """No: what has many samples has many bytes."""
        return False

    def decode(self, data: bytes) -> Samples:
        """Samples of the next bytes of the stream, shape [n], in [-1, 1).

        Raises:
            AudioError: The stream's header does not fit. Raised once; the rest of this stream gives no samples.
        """
        if self._refused:
            return NO_SAMPLES
        if self._header is not None:
            try:
                audio = self._header.push(data)
            except AudioError:
                self._refused = True
                raise
            if audio is None:
                return NO_SAMPLES
            self._header = None
            data = audio
        data = self._odd_byte + data
        self._odd_byte = data[-1:] if len(data) % BYTES_PER_SAMPLE else b""
        return samples_from_pcm16(data)

    def flush(self) -> Samples:
        """End of the stream: what was held back as the possible start of a header. The next bytes begin a new one."""
        withheld = b"" if self._header is None else self._header.flush()
        self._header = WavHeaderReader(self.sample_rate)
        self._refused = False
        self._odd_byte = b""
        return samples_from_pcm16(withheld)
