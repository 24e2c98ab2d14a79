import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterable
from itertools import zip_longest

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.audio.ogg import CAPTURE, PACKET_BYTES_MAX, VAIN_CHECKS_MAX, PacketJoiner, Page, PageReader

SERIAL = 0x1234ABCD
FIRST, LAST = 2, 4
HEADER = struct.Struct("<4sBBqIIIB")

PACKETS = st.lists(st.integers(0, 700).map(lambda size: bytes(n % 251 for n in range(size))), min_size=1, max_size=12)
SIZES = st.lists(st.integers(0, 400), max_size=60)

NO_MARK = st.binary(max_size=60).filter(lambda garbage: not set(CAPTURE).intersection(garbage))


def checksum(data: bytes) -> int:
    """The CRC as RFC 3533 describes it."""
    register = 0
    for byte in data:
        register = (register << 8 & 0xFFFFFFFF) ^ REMAINDERS[register >> 24 ^ byte]
    return register


def remainder(byte: int) -> int:
    register = byte << 24
    for _ in range(8):
        register = (register << 1) ^ (0x104C11DB7 if register >> 31 else 0)
    return register


REMAINDERS = [remainder(byte) for byte in range(256)]


def page(
    segments: Iterable[bytes], sequence: int = 0, *, granule: int = 0, flags: int = 0, serial: int = SERIAL
) -> bytes:
    segments = list(segments)
    header = HEADER.pack(CAPTURE, 0, flags, granule, serial, sequence, 0, len(segments))
    data = header + bytes(map(len, segments)) + b"".join(segments)
    return data[:22] + struct.pack("<I", checksum(data)) + data[26:]


def segmented(packet: bytes) -> list[bytes]:
    return [packet[at : at + 255] for at in range(0, len(packet) + 1, 255)]


def paged(packets: list[bytes], segments_per_page: int) -> list[bytes]:
    """Pages with so many segments each, wherever packets end."""
    segments = [segment for packet in packets for segment in segmented(packet)]
    pages = []
    for sequence, at in enumerate(range(0, len(segments), segments_per_page)):
        continued = at > 0 and len(segments[at - 1]) == 255
        pages.append(page(segments[at : at + segments_per_page], sequence, flags=int(continued)))
    return pages


def read(data: bytes, sizes: Iterable[int] = ()) -> list[Page]:
    """The pages of `data`, which comes in chunks of `sizes` and the rest in one."""
    reader = PageReader()
    pages = []
    for size in [*sizes, len(data)]:
        pages += reader.push(data[:size])
        data = data[size:]
    return pages


def joined(pages: Iterable[Page]) -> list[bytes]:
    joiner = PacketJoiner(0)
    return [packet for page in pages for packet in joiner.push(page)]


@given(packets=PACKETS, segments_per_page=st.integers(1, 9), sizes=SIZES)
def test_packets_come_out_however_they_are_paged_and_cut(
    packets: list[bytes], segments_per_page: int, sizes: list[int]
) -> None:
    assert joined(read(b"".join(paged(packets, segments_per_page)), sizes)) == packets


def test_page_says_what_its_header_says() -> None:
    (first,) = read(page([b"a", b"bc"], 7, granule=2**40, flags=FIRST, serial=0xFFFFFFFF))
    assert (first.serial, first.sequence, first.granule) == (0xFFFFFFFF, 7, 2**40)
    assert (first.first, first.last, first.pieces) == (True, False, (b"a", b"bc"))
    (last,) = read(page([], granule=-1, flags=LAST))
    assert (last.first, last.last, last.granule, last.pieces) == (False, True, -1, ())


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_files_are_read_like_ffmpeg_reads_them(codec: str) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        stream.codec_context.open()
        for sample in range(0, 48000 * 2, stream.frame_size):
            frame = av.AudioFrame(format=stream.format.name, layout="mono", samples=stream.frame_size)
            frame.sample_rate, frame.pts = 48000, sample
            frame.planes[0].update(bytes(n * n % 251 for n in range(frame.planes[0].buffer_size)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    assert len(packets) > 20
    assert joined(read(file.getvalue()))[-len(packets) :] == packets


@given(
    packets=PACKETS,
    garbage=st.lists(NO_MARK, max_size=20),
    mark=NO_MARK.map(CAPTURE.__add__),
    position=st.integers(0, 20),
    sizes=SIZES,
)
def test_garbage_between_pages_is_passed_over(
    packets: list[bytes], garbage: list[bytes], mark: bytes, position: int, sizes: list[int]
) -> None:
    garbage.insert(position, mark)
    pages = paged(packets, 3)
    data = b"".join(piece for pair in zip_longest(garbage, pages, fillvalue=b"") for piece in pair) + page([])
    assert read(data, sizes) == read(b"".join(pages) + page([]))
    reader = PageReader()
    reader.push(data)
    assert reader.passed_over == sum(map(len, garbage))


@given(data=st.data(), packets=PACKETS, segments_per_page=st.integers(1, 9), sizes=SIZES)
def test_damaged_page_harms_only_itself(
    data: st.DataObject, packets: list[bytes], segments_per_page: int, sizes: list[int]
) -> None:
    pages = paged(packets, segments_per_page)
    sound = read(b"".join(pages))
    index = data.draw(st.integers(0, len(pages) - 1))
    offset = data.draw(st.integers(0, len(pages[index]) - 1))
    damaged = bytearray(pages[index])
    damaged[offset] ^= data.draw(st.integers(1, 255))
    pages[index] = bytes(damaged)
    found = read(b"".join(pages), sizes)
    assert found == sound[:index] + sound[index + 1 :]
    untouched = paged([b"x" * len(packet) for packet in packets], segments_per_page)
    del untouched[index]
    assert len(joined(found)) == len(joined(read(b"".join(untouched))))


@given(packets=PACKETS, segments_per_page=st.integers(1, 5), lost=st.sets(st.integers(0, 20)))
def test_lost_pages_lose_only_packets_on_them(packets: list[bytes], segments_per_page: int, lost: set[int]) -> None:
    packets = [bytes([number]) + packet for number, packet in enumerate(packets)]
    expected = []
    segment = 0
    for packet in packets:
        end = segment + len(segmented(packet))
        if lost.isdisjoint(range(segment // segments_per_page, (end - 1) // segments_per_page + 1)):
            expected.append(packet)
        segment = end
    pages = read(b"".join(paged(packets, segments_per_page)))
    assert joined(page for page in pages if page.sequence not in lost) == expected


def test_page_with_a_wrong_size_does_not_hold_up_the_next() -> None:
    pages = [page([b"a" * 200] * 3, sequence) for sequence in range(3)]
    liar = bytearray(pages[1])
    liar[26] = 255  # segments, so the page seems to be far from complete
    for size in range(len(pages[2])):
        reader = PageReader()
        assert len(reader.push(pages[0] + liar + pages[2][:size])) == 1
        assert [page.sequence for page in reader.push(pages[2][size:])] == [2]


def test_page_of_another_version_is_passed_over() -> None:
    data = bytearray(page([b"a"]))
    data[4] = 1
    data[22:26] = bytes(4)
    data[22:26] = struct.pack("<I", checksum(data))
    assert read(bytes(data)) == []


def test_waiting_ends_with_the_page() -> None:
    reader = PageReader()
    data = page([b"a" * 100])
    for size in (1, 3, 26, 50, len(data) - 1):
        reader.push(data[:size])
        assert reader.waiting
        reader.push(data[size:])
        assert not reader.waiting
    reader.push(b"no page")
    assert not reader.waiting


def test_long_packets_are_dropped_with_bounded_memory() -> None:
    longest, too_long = bytes(PACKET_BYTES_MAX), bytes(PACKET_BYTES_MAX + 65_025)
    pages = read(b"".join(paged([b"head", longest, b"a", too_long, b"b"], 200)))
    assert [len(packet) for packet in joined(pages)] == [4, len(longest), 1, 1]
    joiner = PacketJoiner(0)
    tracemalloc.start()
    try:
        for sequence in range(1000):
            endless = Page(
                SERIAL, sequence, -1, False, False, (bytes(65_025),), continued=sequence > 0, unfinished=True
            )
            assert joiner.push(endless) == []
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**20


@pytest.mark.parametrize(
    "garbage", [b"OggS", b"O", b"OggS\0\0" + bytes(20) + b"\xff\xff", b"Ogg" * 5, bytes(1000)], ids=range(5)
)
def test_endless_garbage_takes_no_memory(garbage: bytes) -> None:
    reader = PageReader()
    tracemalloc.start()
    try:
        for _ in range(2000):
            assert reader.push(garbage * (2000 // len(garbage))) == []
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**20
    assert reader.passed_over > 3_000_000


def test_marks_that_claim_much_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    checked_bytes = 0
    crc32 = zlib.crc32

    def counting_crc32(data: bytes, value: int = 0) -> int:
        nonlocal checked_bytes
        checked_bytes += len(data)
        return crc32(data, value)

    monkeypatch.setattr(zlib, "crc32", counting_crc32)
    data = (CAPTURE + bytes(2) + b"\xff" * 21) * 10_000
    assert read(data, [32768] * 10) == []
    assert checked_bytes < (VAIN_CHECKS_MAX + 2) * len(data)
