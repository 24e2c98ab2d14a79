"""Conversion of a stream to `SAMPLE_RATE`, chunk by chunk.

Resampled audio is aligned (sample k of the output is the instant k / `SAMPLE_RATE` of the input) but comes late, and
every end of speech waits for it. How late, in ms from the input to the output of the same instant, measured with
soxr 1.1.0 on noise in chunks of 20 ms (chunks of 100 ms: the same), and what is left of tones near the upper edge:

    rate     mode             delay, min / mean / max   kept
     8000    LQ               3.8 /  32 /  61           3000 Hz -0.3 dB, 3400 Hz  -8 dB
     8000    MQ                10 /  64 / 118           3600 Hz  0.0 dB, 3800 Hz  -3 dB
     8000    HQ                13 /  64 / 115           3600 Hz  0.0 dB, 3800 Hz  -3 dB
     8000    variable rate     30 /  30 /  30           3600 Hz  0.0 dB, 3800 Hz -10 dB
    48000    LQ               2.5 /  11 /  20           6000 Hz -0.3 dB, 7000 Hz -13 dB
    48000    HQ               6.1 /  21 /  37           7500 Hz -0.4 dB
    48000    variable rate     13 /  13 /  13           7500 Hz  0.0 dB

QQ has no delay and no filter worth the name: a 3 kHz tone at 8 kHz has an image at 5 kHz, 11 dB weaker.

The fixed-rate modes work in blocks of a fixed number of samples, which last longest at low rates. So audio below
`SAMPLE_RATE` (telephony) is converted in soxr's variable-rate mode, at a constant ratio: on average twice as prompt as
HQ and never later than 30 ms, with the whole telephone band, for 47 instead of 9 us of CPU per 100 ms. Above
`SAMPLE_RATE` the blocks are short and that mode takes up to 18 times the CPU, so HQ it is; LQ would save 10 ms and lose
the consonants above 6 kHz. soxr has the mode since 1.1 and calls it experimental; here its ratio never changes, and
alignment, length and delay are under test.
"""

import numpy as np
import soxr

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

SOURCE_RATE_MIN = 8_000
"""Below telephone quality there is too little of speech left to recognise."""

SOURCE_RATE_MAX = 48_000
"""What sound cards and Opus deliver; more would only cost bandwidth."""


class Resampler:
    """Converts one stream after another; nothing is done, or copied, if the rate is right already.

    However the input is cut, the output is the same; and after each flush the output so far is as long as the input so
    far, to the nearest sample, so many short streams do not shift the timeline.

    Args:
        source_rate: Rate of the input in Hz.

    Raises:
        AudioError: The rate is outside `SOURCE_RATE_MIN` to `SOURCE_RATE_MAX`.
    """

    def __init__(self, source_rate: int) -> None:
        if not SOURCE_RATE_MIN <= source_rate <= SOURCE_RATE_MAX:
            raise AudioError(
                f"Invalid value: {source_rate}. Sample rates from {SOURCE_RATE_MIN} to {SOURCE_RATE_MAX} Hz are "
                "supported.",
                field="sample_rate",
            )
        self._source_rate = source_rate
        self._received = 0
        self._produced = 0
        self._stream: soxr.ResampleStream | None = None
        if source_rate != SAMPLE_RATE:
            self._stream = soxr.ResampleStream(
                source_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ", vr=source_rate < SAMPLE_RATE
            )

    def push(self, samples: Samples) -> Samples:
        """Take the next samples at the source rate and return those at `SAMPLE_RATE` that are ready."""
        if self._stream is None:
            return samples
        self._received += len(samples)
        ready = _clipped(self._stream.resample_chunk(samples))
        self._produced += len(ready)
        return ready

    def flush(self) -> Samples:
        """End of the stream: return all that is still due. The next samples begin a new one."""
        if self._stream is None:
            return NO_SAMPLES
        tail = _clipped(self._stream.resample_chunk(NO_SAMPLES, last=True))
        self._stream.clear()
        # soxr rounds every stream for itself, the variable-rate mode always up; counting over all streams evens it out.
        due = round(self._received * SAMPLE_RATE / self._source_rate) - self._produced
        self._produced += due
        return tail[:due] if due <= len(tail) else np.pad(tail, (0, due - len(tail)))


def _clipped(samples: Samples) -> Samples:
    """The same array, in [-1, 1]: the filter overshoots where the input is at full scale."""
    return samples.clip(-1.0, 1.0, out=samples)
