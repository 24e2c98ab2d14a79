"""Opus to samples: Ogg streams (RFC 7845), or one raw packet in each push.

The two are told apart by the first bytes: no Opus packet begins like an Ogg page ("Og" would be a packet of 39 frames
of 20 ms, and 120 ms is the limit).

A raw packet that cannot be decoded is refused; it is a push of its own. A push of Ogg may hold many packets besides the
bad one, so nothing is refused there. What is missing is replaced instead, as Opus is meant to be used: a packet by
libopus's concealment of as much audio as its first byte states, lost pages by the silence that the next page's position
tells of. So the timeline stays right.
"""

import struct
from dataclasses import dataclass
from typing import Final

import av
import numpy as np

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.ogg import CAPTURE, PacketJoiner, Page, PageReader
from qwen3_asr_realtime.samples import NO_SAMPLES, Samples

OPUS_RATE = 48_000
"""Rate at which FFmpeg decodes Opus, and the unit of all positions in Ogg-Opus, in Hz."""

PACKET_SAMPLES_MAX = OPUS_RATE * 120 // 1000
"""Longest packet there is (RFC 6716 section 3.2.5)."""

GAP_SAMPLES_MAX = 10 * OPUS_RATE
"""Longest silence in place of lost pages, which encoders make 1 s long at most. Positions that leap further are wrong,
and a few bytes must not become an hour."""

PUSH_SAMPLES_MAX = 300 * OPUS_RATE
"""Audio of one push of Ogg, 58 MB; what exceeds it is left out. 32 KiB hold 44 s at the lowest bit rate of Opus and
about 240 s of silence (DTX), but 1300 s of packets made to keep a server busy."""

_HEAD = b"OpusHead"
_HEADER_MARK = b"Op"  # No audio packet begins so, for the same reason as above (RFC 7845 section 5.1).
_HEAD_FIELDS = struct.Struct("<8sBBHIhB")

_FRAME_SAMPLES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
"""Samples in a frame, by configuration number: SILK, hybrid, CELT (RFC 6716 table 2)."""


class OpusDecoder:
    """Turns one stream after another into mono samples at 48 kHz.

    Ogg: pushes may be cut anywhere. Stereo is mixed down, what the header says to skip or to amplify is done, chained
    streams follow on one another, and of several streams at once the first Opus one is heard. Encoders that are joined
    midway have sent their header to somebody else: pages without one are taken for Opus. A stream may also go on after
    a flush, even within a page; clients commit while their encoder runs.

    Raw packets: one in each push, with 2.5 to 120 ms of audio, or as good as empty (DTX). The longest that makes sense
    has 7.7 KB, so a caller who cuts long appends into slices of 32 KiB cuts no packet. The encoder's delay, of mostly
    6.5 ms, is not stated anywhere and stays in.

    Args:
        session_rate: Rate the session is set to, in Hz. Of no account, and neither is the one in an Ogg header: Opus
            streams have no rate, they can be decoded at any.
    """

    sample_rate: Final = OPUS_RATE

    def __init__(self, session_rate: int) -> None:
        del session_rate
        self._packets = _PacketDecoder()
        self._pages = PageReader()
        self._in_ogg = False
        self._stream: _OggOpusStream | None = None
        self._others_began = False
        self._reported = False

    @property
    def concealed_samples(self) -> int:
        """How many of the samples so far stood in for damaged packets and lost pages."""
        return self._packets.concealed_samples

    def may_be_long(self, data: bytes) -> bool:
        """Whether `data` is Ogg, which may hold minutes; a raw packet has 120 ms at most: 0.4 ms of work."""
        return self._in_ogg or (bool(data) and CAPTURE.startswith(data[: len(CAPTURE)]))

    def decode(self, data: bytes) -> Samples:
        """Samples of the next bytes of the stream, shape [n].

        Raises:
            AudioError: A raw packet cannot be decoded. Or an Ogg stream holds no Opus that we can use; raised once, as
                long as no page of it is found.
        """
        if not data:
            return NO_SAMPLES
        if self.may_be_long(data):
            self._in_ogg = True
            return self._decode_ogg(data)
        try:
            return self._packets.decode(data)
        except av.FFmpegError as error:
            raise AudioError(
                "'audio' is not a valid Opus packet. Send Ogg-Opus, or exactly one packet in each append."
            ) from error

    def flush(self) -> Samples:
        """End of the stream. Raw packets or an Ogg stream may follow, a new one or the rest of this one.

        The codec is not reset between raw packets: for an encoder that runs on, the first 100 ms would have an error of
        -17 dB. A new encoder after an old one has -27 dB, measured on read speech with libopus at 32 kbit/s.
        """
        self._in_ogg = self._pages.waiting
        self._reported = False
        return NO_SAMPLES

    def _decode_ogg(self, data: bytes) -> Samples:
        audio = [NO_SAMPLES]
        room = PUSH_SAMPLES_MAX
        pages = self._pages.push(data)
        for page in pages:
            stream = self._stream_of(page)
            if stream is not None and room > 0:
                audio.append(stream.push(page))
                room -= len(audio[-1])
        if self._stream is None and not self._reported:
            self._report_unusable(pages)
        return np.concatenate(audio)

    def _report_unusable(self, pages: list[Page]) -> None:
        if not all(page.first for page in pages):
            problem = "The Ogg stream holds no Opus audio in 1 or 2 channels."
        elif not pages and self._pages.passed_over:
            problem = "The Ogg stream does not begin with an undamaged page; is its checksum right?"
        else:
            return
        self._reported = True
        raise AudioError(problem, field="input_audio_format")

    def _stream_of(self, page: Page) -> "_OggOpusStream | None":
        """The stream that `page` is the next one of, or None if there is no audio for us in it."""
        current = self._stream
        if page.first:
            head = _OpusHead.parse(page)
            if head is None:
                self._others_began = True
            elif current is None or current.under_way:
                self._begin(page, head)
            return None
        if current is not None and current.serial == page.serial:
            return current
        if (current is None or current.ended) and not self._others_began:
            return self._begin(page, _OpusHead())
        return None

    def _begin(self, page: Page, head: "_OpusHead") -> "_OggOpusStream":
        self._packets.reset()
        self._stream = _OggOpusStream(page, head, self._packets)
        return self._stream


def packet_samples(packet: bytes) -> int:
    """How many samples a packet has at 48 kHz, by its first two bytes (RFC 6716 section 3.1); 0 if they are invalid."""
    samples = _frame_count(packet) * _FRAME_SAMPLES[packet[0] >> 3] if packet else 0
    return samples if samples <= PACKET_SAMPLES_MAX else 0


def _frame_count(packet: bytes) -> int:
    code = packet[0] & 3
    if code == 3:
        return packet[1] & 63 if len(packet) > 1 else 0
    return 2 if code else 1


class _PacketDecoder:
    """Decodes the packets of one stream, and makes up for those that are missing."""

    def __init__(self) -> None:
        self.concealed_samples = 0
        # Not FFmpeg's own decoder, "opus": libopus mixes stereo down itself, and conceals what is missing.
        self._codec = av.AudioCodecContext.create("libopus", "r")
        self._codec.layout = "mono"
        self._codec.options = {"request_sample_fmt": "flt"}

    def reset(self) -> None:
        """Forget the stream so far; another one begins."""
        self._codec.flush_buffers()

    def decode(self, packet: bytes) -> Samples:
        """Samples of a packet, which must not be empty (FFmpeg would take that for the end of everything).

        Raises:
            av.FFmpegError: It is damaged. The next one may be decoded all the same.
        """
        (frame,) = self._codec.decode(av.Packet(packet))
        samples: Samples = frame.to_ndarray()[0]
        return samples

    def decode_or_conceal(self, packet: bytes) -> Samples:
        """Samples of a packet; if it is damaged, what libopus puts in place of as much audio as it claims to hold."""
        try:
            if packet:
                return self.decode(packet)
        except av.FFmpegError:
            if packet_samples(packet):
                # Frames without a byte stand for lost ones (RFC 7845 section 4.1).
                concealed = self.decode(bytes((packet[0] | 3, _frame_count(packet))))
                self.concealed_samples += len(concealed)
                return concealed
        return NO_SAMPLES

    def silence(self, size: int) -> Samples:
        """In place of audio of which nothing has come."""
        self.concealed_samples += size
        return np.zeros(size, np.float32)


@dataclass(frozen=True, slots=True)
class _OpusHead:
    """What an identification header says (RFC 7845 section 5.1).

    Attributes:
        pre_skip: Samples at 48 kHz to leave out at the beginning: the encoder's delay.
        gain: Amplification in 1/256 dB.
    """

    pre_skip: int = 0
    gain: int = 0

    @classmethod
    def parse(cls, page: Page) -> "_OpusHead | None":
        """Read the header on the first page of a stream; None if that is not Opus, or not in 1 or 2 channels."""
        packet = page.pieces[0] if page.pieces else b""
        if not packet.startswith(_HEAD) or len(packet) < _HEAD_FIELDS.size:
            return None
        _, version, channels, pre_skip, _, gain, family = _HEAD_FIELDS.unpack_from(packet)
        one_stream = family == 0 or packet[_HEAD_FIELDS.size :].startswith(b"\1")
        return cls(pre_skip, gain) if version < 16 and channels in (1, 2) and one_stream else None


class _OggOpusStream:
    """The audio of one logical stream.

    Args:
        page: The first page: the one with the header or, without one, the first that has come.
        head: The header.
        packets: Decodes the packets; shared with no other stream that is under way.
    """

    def __init__(self, page: Page, head: _OpusHead, packets: _PacketDecoder) -> None:
        self.serial = page.serial
        self.under_way = False
        self.ended = False
        self._joiner = PacketJoiner(page.sequence + 1 if page.first else page.sequence)
        self._packets = packets
        self._skip = head.pre_skip
        self._gain = np.float32(10 ** (head.gain / (20 * 256)))
        self._position: int | None = None  # End of what has come, on the scale of the stream's positions.

    def push(self, page: Page) -> Samples:
        """Take the next page, not the one with the header, and return its audio."""
        self.under_way = True
        self.ended = page.last
        pages_lost = not self._joiner.follows(page)
        packets = [packet for packet in self._joiner.push(page) if not packet.startswith(_HEADER_MARK)]
        if not packets:
            return NO_SAMPLES
        audio = [self._packets.decode_or_conceal(packet) for packet in packets]
        size = sum(map(len, audio))
        missing = self._missing(page, size, pages_lost)
        if missing > 0 and pages_lost:
            audio.insert(0, self._packets.silence(min(missing, GAP_SAMPLES_MAX)))
        samples = np.concatenate(audio)
        if missing < 0 and page.last:
            # The encoder filled its last packet up; a position that denies more than that is wrong.
            samples = samples[: len(samples) - min(-missing, len(audio[-1]))]
        skipped = min(self._skip, len(samples))
        self._skip -= skipped
        return samples[skipped:] * self._gain if self._gain != 1 else samples[skipped:]

    def _missing(self, page: Page, size: int, pages_lost: bool) -> int:
        """Samples between the last position and the audio of `page`; negative if they overlap."""
        begin = page.granule - size
        if page.granule < 0:
            return 0
        if self._position is None:
            # Who joins a live stream meets positions far from 0; but if something was lost before, it had begun there.
            self._position = 0 if pages_lost else max(begin, 0)
        missing = begin - self._position
        self._position = page.granule
        return missing
