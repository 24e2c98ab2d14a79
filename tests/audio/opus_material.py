"""Opus as encoders make it, in bare packets and in Ogg, and a look at what was decoded."""

import io
import re
import struct
from collections.abc import Iterable, Sequence

import av
import numpy as np
from tests.audio.test_ogg import FIRST, LAST, page, segmented

from qwen3_asr_realtime.audio.opus import (
    OpusDecoder,
    packet_samples,
)
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

ENCODER_DELAY = 312
"""What libopus puts before the audio, at 48 kHz."""

FRAME = 960
"""Samples of a packet of 20 ms."""

BAD_PACKET = b"\x4b\xff\xff"
"""63 frames of 20 ms."""

DAMAGED_PACKET = b"\x4a\xfe\x10"
"""Two frames of 20 ms, the first of them longer than the packet."""

ENCODERS = [
    {},
    {"application": "voip"},
    {"application": "lowdelay"},
    {"frame_duration": "2.5"},
    {"frame_duration": "60"},
    {"frame_duration": "120"},
]


def encoded(samples: Samples, *, rate: int = SAMPLE_RATE, channels: int = 1, **options: str) -> list[bytes]:
    """Raw packets at 32 kbit/s of the whole frames in `samples`, which both channels get."""
    layout = "mono" if channels == 1 else "stereo"
    codec = av.AudioCodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.options = rate, layout, "s16", options
    codec.bit_rate = 32_000
    codec.open()
    frames = [frame_of(samples[at : at + codec.frame_size], rate, channels, at)
              for at in range(0, len(samples) - codec.frame_size + 1, codec.frame_size)]  # fmt: skip
    return [bytes(packet) for frame in [*frames, None] for packet in codec.encode(frame)]


def ogg(
    samples: Samples, *, rate: int = SAMPLE_RATE, channels: int = 1, codec: str = "libopus", **options: str
) -> bytes:
    """An Ogg file of Opus at 32 kbit/s, in pages of 0.2 s."""
    file = io.BytesIO()
    layout = "mono" if channels == 1 else "stereo"
    with av.open(file, "w", format="ogg", options={"page_duration": "200000"}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=options)
        stream.bit_rate = 32_000
        container.mux(stream.encode(frame_of(samples, rate, channels, 0)))
        container.mux(stream.encode(None))
    return file.getvalue()


def frame_of(samples: Samples, rate: int, channels: int, position: int) -> av.AudioFrame:
    pcm = np.repeat((samples * 32767).astype(np.int16), channels).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono" if channels == 1 else "stereo")
    frame.sample_rate, frame.pts = rate, position
    return frame


def pages_of(data: bytes) -> list[bytes]:
    return re.split(rb"(?=OggS)", data)[1:]


def head(
    *, pre_skip: int = 0, gain: int = 0, channels: int = 1, family: int = 0, table: bytes = b"", version: int = 1
) -> bytes:
    """The first page of a stream."""
    packet = struct.pack("<8sBBHIhB", b"OpusHead", version, channels, pre_skip, 44100, gain, family) + table
    return page([packet], 0, flags=FIRST)


def stream(pages: Sequence[Sequence[bytes]], *, last: int = LAST, trim: int = 0) -> list[bytes]:
    """Pages with these packets, after a header and a page of comments."""
    made = [head(), page([b"OpusTags"], 1)]
    granule = 0
    for sequence, packets in enumerate(pages, 2):
        ends = sequence == len(pages) + 1
        granule += sum(map(packet_samples, packets)) - (trim if ends else 0)
        segments = [segment for packet in packets for segment in segmented(packet)]
        made.append(page(segments, sequence, granule=granule, flags=last if ends else 0))
    return made


def decoded(pushes: Iterable[bytes], decoder: OpusDecoder | None = None) -> Samples:
    decoder = decoder or OpusDecoder(SAMPLE_RATE)
    return np.concatenate([*(decoder.decode(data) for data in pushes), decoder.flush()])


def lag_and_correlation(samples: Samples, reference: Samples) -> tuple[int, float]:
    """How many samples later `samples` says what `reference` says, and how alike they are then."""
    size = len(samples) + len(reference)
    likeness = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(reference, size).conj(), size)
    best = int(np.argmax(likeness))
    lag = best if best < len(samples) else best - size
    return lag, float(likeness[best] / np.linalg.norm(samples) / np.linalg.norm(reference))


def likeness_due(options: dict[str, str]) -> float:
    return 0.8 if options.get("application") == "voip" else 0.94  # for voice, the encoder takes the lowest tones out


def similar(samples: Samples, reference: Samples) -> bool:
    return len(samples) == len(reference) and float(np.corrcoef(samples, reference)[0, 1]) > 0.98
