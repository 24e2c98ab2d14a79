"""Ogg streams, read as they come: bytes to pages, pages to packets (RFC 3533).

    bytes ─ PageReader ─▶ pages of all logical streams ─ PacketJoiner, one per stream ─▶ packets

A page is "OggS", a header, a table of segment lengths and the segments; segments of 255 bytes go on in the next one,
and so packets may span pages.
"""

import struct
import zlib
from dataclasses import dataclass

CAPTURE = b"OggS"
"""How every page, and so every Ogg stream, begins."""

PACKET_BYTES_MAX = 61_296
"""Longest packet put together from several pages: the longest Opus packet without padding (RFC 7845 section 6).
Comment headers may be longer, when they hold pictures. They and damage are dropped, and take no more memory than this.
"""

VAIN_CHECKS_MAX = 16
"""How many times the bytes that have come may be checked for pages that are none; then all that such a page claims is
passed over at once. Damage costs a check or two. But marks of pages can be made so that each claims the 64 KiB behind
it, and to check them all would cost 100 ms of CPU for 32 KiB; so it is 1 ms.
"""

_HEADER = struct.Struct("<4sBBqIIIB")
_VERSION = 4
_CHECKSUM = slice(22, 26)
_SEGMENT_COUNT = 26
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        serial: The logical stream it belongs to.
        sequence: Its number in that stream, modulo 2³².
        granule: Position of the end of the last packet that ends on it, in units of the codec; negative if none does.
        first: It begins its stream.
        last: It ends its stream.
        pieces: The packets on it, or what is on it of them.
        continued: The first piece continues a packet of the page before.
        unfinished: The last piece goes on on the next page.
    """

    serial: int
    sequence: int
    granule: int
    first: bool
    last: bool
    pieces: tuple[bytes, ...]
    continued: bool
    unfinished: bool

    @classmethod
    def parse(cls, data: bytes) -> "Page":
        """Read a complete page."""
        _, _, flags, granule, serial, sequence, _, segment_count = _HEADER.unpack_from(data)
        begin = end = _HEADER.size + segment_count
        segments = data[_HEADER.size : begin]
        pieces = []
        for size in segments:
            end += size
            if size < 255:
                pieces.append(data[begin:end])
                begin = end
        unfinished = segments.endswith(b"\xff")
        if unfinished:
            pieces.append(data[begin:])
        return cls(
            serial=serial,
            sequence=sequence,
            granule=granule,
            first=bool(flags & _FIRST),
            last=bool(flags & _LAST),
            pieces=tuple(pieces),
            continued=bool(flags & _CONTINUED),
            unfinished=unfinished,
        )


class PageReader:
    """Finds the sound pages in bytes of any kind, however they are cut. Holds one page (64 KiB) at most.

    What is between pages and what is damaged, by its checksum, is passed over. A page whose damaged header claims too
    many bytes is given up when a sound one has come within them, so it does not hold up those after it.

    Attributes:
        passed_over: How many bytes belonged to no sound page.
    """

    def __init__(self) -> None:
        self.passed_over = 0
        self._received = 0  # Bytes in all.
        self._checked_in_vain = 0  # Bytes in all, some more than once.
        self._held = bytearray()  # Begins with the page that is being awaited, if any.
        self._searched = len(CAPTURE)  # Up to where no sound page begins inside the awaited one.

    @property
    def waiting(self) -> bool:
        """Whether it holds the beginning of a page whose rest is due."""
        return bool(self._held)

    def push(self, data: bytes) -> list[Page]:
        """Take the next bytes and return the pages that are complete, in order."""
        self._held += data
        self._received += len(data)
        pages = []
        while self._find_front():
            size = _page_bytes(self._held, 0)
            if size <= len(self._held):
                page = bytes(self._held[:size])
                if _is_sound(page):
                    pages.append(Page.parse(page))
                    self._remove(size)
                else:
                    self._pass_over(self._stride(size))
            elif not self._find_inside():
                break
        return pages

    def _stride(self, size: int) -> int:
        """How far to go on after a page of `size` bytes that proved not to be sound; another one may begin inside."""
        self._checked_in_vain += size
        return len(CAPTURE) if self._checked_in_vain <= VAIN_CHECKS_MAX * self._received else size

    def _remove(self, size: int) -> None:
        del self._held[:size]
        self._searched = len(CAPTURE)

    def _pass_over(self, size: int) -> None:
        self._remove(size)
        self.passed_over += size

    def _find_front(self) -> bool:
        """Pass over what is before the first mark of a page; whether there is one."""
        if self._held.startswith(CAPTURE):
            return True
        begin = self._held.find(CAPTURE)
        if begin < 0:
            begin = len(self._held) - _cut_mark_bytes(self._held)
        self._pass_over(begin)
        return self._held.startswith(CAPTURE)

    def _find_inside(self) -> bool:
        """Look for a sound page inside the one that is not complete; if there is one, pass over all before it."""
        while (begin := self._held.find(CAPTURE, self._searched)) >= 0:
            self._searched = begin
            size = _page_bytes(self._held, begin)
            if begin + size > len(self._held):
                return False
            if _is_sound(bytes(self._held[begin : begin + size])):
                self._pass_over(begin)
                return True
            self._searched = begin + self._stride(size)
        self._searched = max(self._searched, len(self._held) - len(CAPTURE) + 1)
        return False


class PacketJoiner:
    """Puts the packets of one logical stream together from its pages.

    Args:
        sequence: Number of the first page that is to come.
    """

    def __init__(self, sequence: int) -> None:
        self._sequence = sequence
        self._begun: bytes | None = None  # Of a packet that goes on; None if its beginning is lost, or it is too long.

    def follows(self, page: Page) -> bool:
        """Whether no page is missing before this one."""
        return page.sequence == self._sequence

    def push(self, page: Page) -> list[bytes]:
        """Take the next page and return the packets that end on it; not those whose beginning is lost."""
        begun = self._begun if self.follows(page) else None
        self._begun = None
        self._sequence = (page.sequence + 1) % 2**32
        packets: list[bytes | None] = [*page.pieces]
        if page.continued and packets:
            packets[0] = None if begun is None else begun + page.pieces[0]
        if page.unfinished:
            begun = packets.pop()
            self._begun = begun if begun is not None and len(begun) <= PACKET_BYTES_MAX else None
        return [packet for packet in packets if packet is not None]


def _page_bytes(data: bytearray, begin: int) -> int:
    """Size of the page that begins there; as far as its table has not come, a bound below, beyond the data's end."""
    if begin + _HEADER.size > len(data):
        return _HEADER.size
    segment_count = data[begin + _SEGMENT_COUNT]
    table = begin + _HEADER.size
    return _HEADER.size + segment_count + sum(data[table : table + segment_count])


def _cut_mark_bytes(data: bytearray) -> int:
    """How many bytes at the end may be the beginning of the mark of a page."""
    return next(size for size in (3, 2, 1, 0) if data.endswith(CAPTURE[:size]))


def _is_sound(page: bytes) -> bool:
    """Whether the page is of the version we know and has the checksum that it states.

    Ogg's CRC-32 has the polynomial of zlib's, but works through each byte from its other end and inverts nothing. So
    zlib, given mirrored bytes and the inverted start value, computes it mirrored, hundreds of times as fast as Python.
    """
    if page[_VERSION] != 0:
        return False
    mirrored = page.translate(_MIRRORED)
    stated = int.from_bytes(mirrored[_CHECKSUM], "big")
    crc = zlib.crc32(mirrored[: _CHECKSUM.start], 0xFFFFFFFF)
    crc = zlib.crc32(bytes(4), crc)
    crc = zlib.crc32(mirrored[_CHECKSUM.stop :], crc)
    return crc ^ 0xFFFFFFFF == stated
