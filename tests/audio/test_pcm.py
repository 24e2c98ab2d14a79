import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.pcm import PcmDecoder

STEREO_HEADER = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 2, 16000, 64000, 4, 16)


def test_values_are_little_endian_and_scaled() -> None:
    samples = PcmDecoder(16000).decode(b"\x00\x80\xff\xff\x00\x00\x01\x00\xff\x7f")
    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, -1 / 32768, 0.0, 1 / 32768, 32767 / 32768]


@given(chunks=st.lists(st.binary(max_size=9)))
def test_samples_may_straddle_chunks(chunks: list[bytes]) -> None:
    decoder = PcmDecoder(16000)
    samples = [*(decoder.decode(chunk) for chunk in chunks), decoder.flush()]
    whole = b"".join(chunks)
    expected = np.frombuffer(whole[: len(whole) & ~1], "<i2") / 32768
    assert np.array_equal(np.concatenate(samples), expected)


def test_flush_drops_an_odd_byte() -> None:
    decoder = PcmDecoder(16000)
    decoder.decode(b"\x00\x40\x01")
    assert decoder.flush().size == 0
    assert decoder.decode(b"\x00\x40").tolist() == [0.5]


def test_flush_returns_what_looked_like_a_header() -> None:
    decoder = PcmDecoder(16000)
    assert decoder.decode(b"RIFF").size == 0
    assert decoder.flush().tobytes() == (np.frombuffer(b"RIFF", "<i2") / np.float32(32768)).tobytes()
    assert decoder.flush().size == 0


def test_refused_stream_gives_one_error_and_no_samples_until_flush() -> None:
    decoder = PcmDecoder(16000)
    with pytest.raises(AudioError):
        decoder.decode(STEREO_HEADER + b"data")
    for _ in range(3):
        assert decoder.decode(b"\x00\x40" * 100).size == 0
    assert decoder.flush().size == 0
    assert decoder.decode(b"\x00\x40").tolist() == [0.5]
    decoder.flush()
    with pytest.raises(AudioError):
        decoder.decode(STEREO_HEADER)
