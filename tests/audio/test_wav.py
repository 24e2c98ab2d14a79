import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.wav import HEADER_BYTES_MAX, WavHeaderReader

AUDIO = bytes(range(1, 200))
SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
SIZES = st.lists(st.integers(0, 50), max_size=60)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def fmt(tag: int = 1, channels: int = 1, rate: int = 16000, bits: int = 16, extra: bytes = b"") -> bytes:
    width = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits) + extra)


def extensible(subformat: int, bits: int = 16) -> bytes:
    return fmt(tag=0xFFFE, bits=bits, extra=struct.pack("<HHIH", 22, bits, 4, subformat) + SUBFORMAT_TAIL)


def wav(*chunks: bytes, data_size: int = len(AUDIO)) -> bytes:
    body = b"".join(chunks) + struct.pack("<4sI", b"data", data_size)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body) + len(AUDIO), b"WAVE") + body


def read(stream: bytes, sizes: list[int], rate: int = 16000) -> bytes:
    """What a reader takes for audio when the stream comes in chunks of `sizes`, and the rest in one."""
    reader = WavHeaderReader(rate)
    audio = b""
    header = True
    for size in [*sizes, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        rest = reader.push(piece) if header else piece
        if rest is not None:
            header = False
            audio += rest
    return audio + reader.flush() if header else audio


HEADERS = {
    "plain": wav(fmt()),
    "format with extension size": wav(fmt(extra=b"\0\0")),
    "extensible": wav(extensible(1)),
    "metadata around": wav(chunk(b"bext", b"x" * 602), fmt(), chunk(b"LIST", b"INFOISFT\x0e\0\0\0Lavf60.16.100\0")),
    "odd chunk is padded": wav(chunk(b"note", b"odd"), fmt()),
    "empty chunk": wav(chunk(b"JUNK", b""), fmt()),
    "size unknown: 0": wav(fmt(), data_size=0),
    "size unknown: ffmpeg to a pipe": wav(fmt(), data_size=0xFFFFFFFF),
    "size unknown: sox to a pipe": wav(fmt(), data_size=0x7FFFFFFF - 36),
    "size too small": wav(fmt(), data_size=10),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@given(sizes=SIZES)
def test_header_is_taken_off_however_it_is_cut(header: bytes, sizes: list[int]) -> None:
    assert read(header + AUDIO, sizes) == AUDIO


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_header_comes_byte_by_byte(header: bytes) -> None:
    assert read(header + AUDIO, [1] * (len(header) + len(AUDIO))) == AUDIO


@given(
    start=st.sampled_from(
        [b"", b"R", b"RI", b"RIFF", b"RIFF....", b"RIFF....WAV", b"RIFF....AVI LIST", b"RIFX....WAVE"]
    ),
    rest=st.binary().filter(lambda rest: not rest.startswith(b"E")),
    sizes=SIZES,
)
def test_stream_without_header_loses_nothing(start: bytes, rest: bytes, sizes: list[int]) -> None:
    assert read(start + rest, sizes) == start + rest


def test_stream_without_header_is_not_copied() -> None:
    assert WavHeaderReader(16000).push(AUDIO) is AUDIO


def test_stream_that_ends_inside_its_header_has_no_audio() -> None:
    assert read(HEADERS["plain"][:30], []) == b""


REFUSED = {
    "stereo": (wav(fmt(channels=2)), "input_audio_format", "says 16-bit PCM, 2 channel(s); 16-bit PCM, 1 channel is"),
    "24 bits": (wav(fmt(bits=24)), "input_audio_format", "says 24-bit PCM, 1 channel(s)"),
    "float": (wav(fmt(tag=3, bits=32)), "input_audio_format", "says 32-bit float"),
    "mu-law": (wav(fmt(tag=7, bits=8, rate=8000)), "input_audio_format", "says 8-bit mu-law"),
    "unheard of": (wav(fmt(tag=0x1234)), "input_audio_format", "says 16-bit format 0x1234"),
    "extensible float": (wav(extensible(3, bits=32)), "input_audio_format", "says 32-bit float"),
    "extensible, cut short": (wav(fmt(tag=0xFFFE)), "input_audio_format", "says 16-bit format 0x0000"),
    "format too short": (wav(chunk(b"fmt ", b"\1\0\1\0")), "input_audio_format", "damaged"),
    "no format": (wav(chunk(b"LIST", b"INFO")), "input_audio_format", "no 'fmt ' chunk"),
    "rate": (wav(fmt(rate=44100)), "sample_rate", "WAV header says 44100 Hz, the session is set to 16000 Hz."),
}


@pytest.mark.parametrize(("header", "field", "message"), REFUSED.values(), ids=REFUSED)
@given(sizes=SIZES)
def test_header_of_other_audio_is_refused(header: bytes, field: str, message: str, sizes: list[int]) -> None:
    with pytest.raises(AudioError) as caught:
        read(header + AUDIO, sizes)
    assert message in caught.value.message
    assert caught.value.field == field


def test_header_length_is_bounded() -> None:
    filler = HEADER_BYTES_MAX - len(b"RIFF....WAVE") - len(fmt()) - 8
    assert read(wav(fmt(), chunk(b"JUNK", bytes(filler))) + AUDIO, [1000] * 5) == AUDIO
    for sizes in ([], [1000] * 5):
        with pytest.raises(AudioError):
            read(wav(fmt(), chunk(b"JUNK", bytes(filler + 2))) + AUDIO, sizes)
        with pytest.raises(AudioError):
            read(wav(fmt(), *[chunk(b"JUNK", b"")] * (HEADER_BYTES_MAX // 8)) + AUDIO, sizes)
