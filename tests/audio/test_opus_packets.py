"""Opus in bare packets, one in a push."""

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.opus_material import (
    BAD_PACKET,
    DAMAGED_PACKET,
    ENCODER_DELAY,
    ENCODERS,
    FRAME,
    decoded,
    encoded,
    lag_and_correlation,
    likeness_due,
)

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.ogg import CAPTURE
from qwen3_asr_realtime.audio.opus import (
    OPUS_RATE,
    OpusDecoder,
    packet_samples,
)
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples


@pytest.mark.parametrize("options", ENCODERS, ids=lambda options: " ".join(options.values()) or "default")
@pytest.mark.parametrize("channels", [1, 2])
def test_raw_packets_are_decoded(clip: Samples, clip48: Samples, channels: int, options: dict[str, str]) -> None:
    packets = encoded(clip, channels=channels, **options)
    samples = decoded(packets)
    assert len(samples) == sum(map(packet_samples, packets))
    lag, correlation = lag_and_correlation(samples, clip48)
    assert 0 <= lag <= ENCODER_DELAY
    assert correlation > likeness_due(options)


def test_stereo_is_averaged(clip: Samples) -> None:
    codec = av.AudioCodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = OPUS_RATE, "stereo", "flt", 256_000
    tone = np.sin(np.arange(FRAME * 20) * 2 * np.pi * 440 / OPUS_RATE).astype(np.float32) / 2
    left = np.stack([tone, np.zeros_like(tone)], axis=1).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(left, format="flt", layout="stereo")
    frame.sample_rate = OPUS_RATE
    samples = decoded([bytes(packet) for frame in (frame, None) for packet in codec.encode(frame)])
    assert np.abs(samples[FRAME * 5 : FRAME * 15]).max() == pytest.approx(0.25, abs=0.02)


def test_packets_as_good_as_empty_last_as_long_as_others(packets: list[bytes]) -> None:
    samples = decoded([*packets, *(packets[-1][:1] for _ in range(50)), *packets])
    assert len(samples) == (2 * len(packets) + 50) * FRAME
    pause = samples[(len(packets) + 25) * FRAME : (len(packets) + 50) * FRAME]
    assert np.abs(pause).max() < 0.01


@pytest.mark.parametrize("configuration", range(32))
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_length_of_every_kind_of_packet_is_known(configuration: int, frames: int) -> None:
    packet = bytes([configuration << 3 | 3, frames])
    size = packet_samples(packet)
    if size:
        assert len(decoded([packet])) == size
    else:
        assert (configuration, frames) in {(3, 3), (7, 3), (11, 3)}  # 180 ms


@settings(deadline=None, max_examples=500)
@given(packet=st.binary(min_size=1, max_size=200).filter(lambda packet: not CAPTURE.startswith(packet[:4])))
def test_any_packet_has_its_stated_length_or_is_refused(packet: bytes) -> None:
    try:
        samples = decoded([packet])
    except AudioError:
        return
    assert len(samples) == packet_samples(packet) > 0
    assert np.isfinite(samples).all()


def test_no_packet_begins_like_ogg() -> None:
    decoder = av.AudioCodecContext.create("libopus", "r")
    for size in range(1, 300):
        for packet in (b"O"[:size], b"Og" + bytes(size), b"Op" + bytes(size), CAPTURE + bytes(size)):
            with pytest.raises(av.FFmpegError):
                decoder.decode(av.Packet(packet))


def test_bad_raw_packet_harms_only_itself(packets: list[bytes]) -> None:
    decoder = OpusDecoder(SAMPLE_RATE)
    audio = []
    for packet in packets:
        for bad in (BAD_PACKET, DAMAGED_PACKET):
            with pytest.raises(AudioError, match="not a valid Opus packet") as caught:
                decoder.decode(bad)
            assert caught.value.field == "audio"
        audio.append(decoder.decode(packet))
    assert np.array_equal(np.concatenate(audio), decoded(packets))
    assert decoder.decode(b"").size == 0
