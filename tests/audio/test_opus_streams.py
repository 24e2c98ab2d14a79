"""Opus in Ogg, cut anywhere and damaged in every way."""

import contextlib
import tracemalloc
from itertools import pairwise, zip_longest

import numpy as np
import pytest
import soxr
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
    head,
    lag_and_correlation,
    likeness_due,
    ogg,
    pages_of,
    similar,
    stream,
)
from tests.audio.test_ogg import FIRST, page

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.ogg import CAPTURE
from qwen3_asr_realtime.audio.opus import (
    GAP_SAMPLES_MAX,
    OPUS_RATE,
    PACKET_SAMPLES_MAX,
    PUSH_SAMPLES_MAX,
    OpusDecoder,
)
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples


@pytest.mark.parametrize("options", ENCODERS, ids=lambda options: " ".join(options.values()) or "default")
@pytest.mark.parametrize("channels", [1, 2])
def test_ogg_is_decoded_in_place(clip: Samples, clip48: Samples, channels: int, options: dict[str, str]) -> None:
    samples = decoded([ogg(clip, channels=channels, **options)])
    assert samples.dtype == np.float32
    assert len(samples) == len(clip48)
    lag, correlation = lag_and_correlation(samples, clip48)
    assert abs(lag) <= OPUS_RATE // 1000
    assert correlation > likeness_due(options)


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_rate_of_encoder_and_session_does_not_matter(clip: Samples, clip48: Samples, rate: int) -> None:
    samples = decoded([ogg(soxr.resample(clip, SAMPLE_RATE, rate), rate=rate)], OpusDecoder(rate))
    assert OpusDecoder(rate).sample_rate == OPUS_RATE
    assert len(samples) == pytest.approx(len(clip48), abs=OPUS_RATE // rate)
    lag, correlation = lag_and_correlation(samples, clip48)
    assert abs(lag) <= OPUS_RATE // 1000
    assert correlation > 0.9


def test_very_short_stream_is_trimmed(clip: Samples) -> None:
    for size in (1, 100, 320, 1000):
        assert len(decoded([ogg(clip[:size])])) == size * 3


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(0, 2000) | st.integers(0, 30), max_size=60))
def test_ogg_may_be_cut_anywhere(clip: Samples, sizes: list[int]) -> None:
    data = ogg(clip[:SAMPLE_RATE], application="voip")
    ends = np.cumsum([0, *sizes, len(data)])
    pushes = [data[begin:end] for begin, end in pairwise(ends)]
    assert np.array_equal(decoded(pushes), decoded([data]))


def test_ogg_comes_byte_by_byte(clip: Samples) -> None:
    data = ogg(clip[:SAMPLE_RATE])
    assert np.array_equal(decoded(data[at : at + 1] for at in range(len(data))), decoded([data]))


def test_bad_packet_in_a_page_is_concealed(packets: list[bytes]) -> None:
    packets = packets[:60]
    sound = decoded(stream([packets[:30], packets[30:]]))
    damaged = [*packets[:10], DAMAGED_PACKET, *packets[11:]]
    decoder = OpusDecoder(SAMPLE_RATE)
    samples = decoded([b"".join(stream([damaged[:30], damaged[30:]]))], decoder)
    assert len(samples) == len(sound) + FRAME  # the damaged one claims two frames
    assert np.array_equal(samples[: 10 * FRAME], sound[: 10 * FRAME])
    assert 0 < np.abs(samples[10 * FRAME : 12 * FRAME]).max() < 1
    assert decoder.concealed_samples == 2 * FRAME
    assert similar(samples[20 * FRAME :], sound[19 * FRAME :])


@pytest.mark.parametrize("bad", [b"", BAD_PACKET, b"\x4b"])
def test_packet_of_unknown_length_leaves_nothing(packets: list[bytes], bad: bytes) -> None:
    packets = packets[:20]
    samples = decoded(stream([[*packets[:10], bad, *packets[10:]]]))
    assert np.array_equal(samples, decoded(packets))


@pytest.mark.parametrize("damage", ["lost", "damaged", "cut"])
def test_damaged_page_harms_only_itself(clip: Samples, damage: str) -> None:
    pages = pages_of(ogg(clip))
    sound = decoded(pages)
    page_samples = 10 * FRAME
    for index in range(2, len(pages) - 1):
        damaged = {
            "lost": b"",
            "damaged": pages[index][:60] + bytes([pages[index][60] ^ 1]) + pages[index][61:],
            "cut": pages[index][:-20],
        }[damage]
        decoder = OpusDecoder(SAMPLE_RATE)
        samples = decoded([b"".join([*pages[:index], damaged, *pages[index + 1 :]])], decoder)
        assert len(samples) == len(sound)
        # Before the last page, whose packets are longer than its position says, the gap is estimated.
        assert page_samples - FRAME < decoder.concealed_samples <= page_samples
        begin = max((index - 2) * page_samples - ENCODER_DELAY, 0)
        end = begin + page_samples
        assert np.array_equal(samples[:begin], sound[:begin])
        assert not samples[begin : end - ENCODER_DELAY].any()
        assert decoder.concealed_samples == page_samples or index == len(pages) - 2
        if index < len(pages) - 2:
            assert similar(samples[end + 4 * FRAME :], sound[end + 4 * FRAME :])


def test_stream_without_its_header_is_heard(clip: Samples) -> None:
    pages = pages_of(ogg(clip))
    sound = decoded(pages)
    for missing in (1, 2):  # the header's page, and that of the comments
        samples = decoded(pages[missing:])
        assert np.array_equal(samples[ENCODER_DELAY:], sound)
    damaged = pages[0][:30] + b"x" + pages[0][31:]
    decoder = OpusDecoder(SAMPLE_RATE)
    with pytest.raises(AudioError, match="checksum") as caught:
        decoder.decode(damaged + pages[1][:30])
    assert caught.value.field == "input_audio_format"
    assert np.array_equal(decoded([pages[1][30:], *pages[2:]], decoder)[ENCODER_DELAY:], sound)


def test_live_stream_is_joined_midway(clip: Samples) -> None:
    pages = pages_of(ogg(clip))
    sound = decoded(pages)
    samples = decoded(pages[5:])
    assert similar(samples[4 * FRAME :], sound[-len(samples) + 4 * FRAME :])
    assert len(samples) > OPUS_RATE


def test_chained_streams_follow_one_another(clip: Samples) -> None:
    first, second = ogg(clip[:20000]), ogg(clip[20000:], channels=2)
    sound = np.concatenate([decoded([first]), decoded([second])])
    assert np.array_equal(decoded([first + second]), sound)
    unfinished = b"".join(pages_of(first)[:-1])
    assert np.array_equal(decoded([unfinished + second]), np.concatenate([decoded([unfinished]), decoded([second])]))


def test_first_opus_stream_of_several_is_heard(clip: Samples) -> None:
    streams = [pages_of(data) for data in (ogg(clip, codec="flac"), ogg(clip), ogg(clip[::-1].copy()))]
    mixed = [page for pages in zip_longest(*streams, fillvalue=b"") for page in pages]
    assert np.array_equal(decoded([b"".join(mixed)]), decoded(streams[1]))


@pytest.mark.parametrize(
    "first",
    [
        page([b"\x7fFLAC" + bytes(40)], flags=FIRST),
        page([b"OpusHead\1\1"], flags=FIRST),
        page([], flags=FIRST),
        head(channels=6, family=1, table=b"\4\2\0\4\1\2\3\5"),
        head(channels=2, family=255, table=b"\2\0\0\1"),
        head(channels=0),
        head(version=16),
    ],
    ids=["other codec", "cut short", "empty", "surround", "two streams", "no channel", "version"],
)
def test_stream_without_usable_opus_is_reported_once(clip: Samples, packets: list[bytes], first: bytes) -> None:
    decoder = OpusDecoder(SAMPLE_RATE)
    pages = pages_of(ogg(clip))
    others = [page([packet], sequence) for sequence, packet in enumerate(packets, 1)]
    assert decoder.decode(first).size == 0
    with pytest.raises(AudioError, match="no Opus audio in 1 or 2 channels") as caught:
        decoder.decode(b"".join(others[:3]))
    assert caught.value.field == "input_audio_format"
    assert decoder.decode(b"".join(others[3:20])).size == 0
    assert decoder.flush().size == 0
    with pytest.raises(AudioError, match="no Opus audio"):
        decoder.decode(b"".join(others[20:30]))
    assert np.array_equal(decoded(pages, decoder), decoded(pages))


def test_header_of_two_channels_may_have_a_table(packets: list[bytes]) -> None:
    pages = stream([packets])
    tabled = head(channels=2, family=1, table=b"\1\1\0\1")
    assert np.array_equal(decoded([tabled, *pages[1:]]), decoded(pages))


def test_header_says_what_to_skip_and_to_amplify(packets: list[bytes]) -> None:
    pages = stream([packets])
    skipped = decoded([head(pre_skip=5000), *pages[1:]])
    assert np.array_equal(skipped, decoded(pages)[5000:])
    quiet = decoded([head(gain=-20 * 256), *pages[1:]])
    np.testing.assert_allclose(quiet, decoded(pages) / 10, rtol=1e-5)


@pytest.mark.parametrize("trim", [0, 1, FRAME - 1, FRAME, 3 * FRAME])
def test_padding_at_the_end_is_left_out(packets: list[bytes], trim: int) -> None:
    packets = packets[:20]
    sound = decoded(packets)
    left_out = min(trim, FRAME)  # a position that denies more than a packet is wrong
    for pages in ([packets], [packets[:10], packets[10:]]):
        assert np.array_equal(decoded(stream(pages, trim=trim)), sound[: len(sound) - left_out])
        assert len(decoded(stream(pages, trim=trim, last=0))) == len(sound)


def test_stream_goes_on_after_a_flush(clip: Samples) -> None:
    data = ogg(clip)
    sound = decoded([data])
    for size in (1, 27, 46, 47, 1000, 2222, len(data) // 2):
        decoder = OpusDecoder(SAMPLE_RATE)
        pushes = [data[at : at + size] for at in range(0, len(data), size)]
        assert np.array_equal(np.concatenate([decoded([push], decoder) for push in pushes]), sound)


def test_other_streams_may_follow_a_flush(clip: Samples) -> None:
    data, packets = ogg(clip[:20000]), encoded(clip[:20000])
    decoder = OpusDecoder(SAMPLE_RATE)
    for pushes in ([data], packets, packets, [data], [data[:4000]], [data], pages_of(data)[:-1], packets):
        samples = decoded(pushes, decoder)
        expected = decoded(pushes)
        assert len(samples) == len(expected)
        assert similar(samples[2 * FRAME :], expected[2 * FRAME :])


@pytest.mark.parametrize(("sequence", "silence"), [(3, 0), (4, GAP_SAMPLES_MAX)])
def test_positions_that_leap_make_silence_only_for_lost_pages(
    packets: list[bytes], sequence: int, silence: int
) -> None:
    leaping = page(packets[10:20], sequence, granule=2**62)
    decoder = OpusDecoder(SAMPLE_RATE)
    samples = decoded([*stream([packets[:10]], last=0), leaping], decoder)
    assert decoder.concealed_samples == silence
    assert len(samples) == 20 * FRAME + silence


def test_one_push_makes_a_bounded_amount_of_audio() -> None:
    page_of_30_s = [b"\xfb\x06"] * 255
    decoder = OpusDecoder(SAMPLE_RATE)
    pages = stream([page_of_30_s] * 40)
    assert len(b"".join(pages)) < 33_000
    assert len(decoder.decode(b"".join(pages))) < PUSH_SAMPLES_MAX + 31 * OPUS_RATE


@pytest.mark.parametrize(
    "garbage", [CAPTURE, CAPTURE + bytes(1000), b"OggS\0\0" + bytes(20) + b"\xff\xff"], ids=range(3)
)
def test_endless_garbage_takes_no_memory(garbage: bytes) -> None:
    decoder = OpusDecoder(SAMPLE_RATE)
    refusals = 0
    tracemalloc.start()
    try:
        for _ in range(2000):
            try:
                assert decoder.decode(garbage * (2000 // len(garbage))).size == 0
            except AudioError:
                refusals += 1
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refusals == 1
    assert peak_bytes < 2**20


@settings(deadline=None, max_examples=300)
@given(
    pushes=st.lists(
        st.binary(max_size=300)
        | st.binary(max_size=300).map(CAPTURE.__add__)
        | st.builds(
            page,
            st.lists(st.binary(max_size=255), max_size=10),
            st.integers(0, 3),
            granule=st.integers(-(2**63), 2**63 - 1),
            flags=st.integers(0, 7),
            serial=st.integers(0, 1),
        )
        | st.builds(
            head,
            pre_skip=st.integers(0, 2**16 - 1),
            gain=st.integers(-(2**15), 2**15 - 1),
            channels=st.integers(0, 3),
            family=st.integers(0, 2),
        )
        | st.none(),
        max_size=20,
    )
)
def test_nothing_but_refusals_and_sound_samples_come_of_garbage(pushes: list[bytes | None]) -> None:
    decoder = OpusDecoder(SAMPLE_RATE)
    for data in pushes:
        with contextlib.suppress(AudioError):
            is_short = data is None or not decoder.may_be_long(data)
            samples = decoder.flush() if data is None else decoder.decode(data)
            assert samples.dtype == np.float32
            assert np.isfinite(samples).all()
            assert len(samples) <= PACKET_SAMPLES_MAX or not is_short


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_damaged_bytes_never_stop_the_stream(packets: list[bytes], data: st.DataObject) -> None:
    pages = stream([packets[:10], packets[10:20]])
    damaged = bytearray(b"".join(pages))
    for offset in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=5)):
        damaged[offset] ^= data.draw(st.integers(1, 255))
    decoder = OpusDecoder(SAMPLE_RATE)
    with contextlib.suppress(AudioError):
        decoder.decode(bytes(damaged))
    decoder.flush()
    assert len(decoded(pages, decoder)) == 20 * FRAME
