"""WAV headers at the start of a PCM stream: found, checked against the session and taken off.

A header may arrive in pieces of any size, with other chunks (`LIST`, `bext`, `JUNK`) before the audio:

    "RIFF" size "WAVE"  { id size content [pad] }*  "data" size  audio…
"""

import struct

from qwen3_asr_realtime.audio.errors import AudioError

HEADER_BYTES_MAX = 64 * 1024
"""Longest header accepted. Broadcast metadata (`bext`, `iXML`) takes a few KiB; more is damage or a trick."""

_RIFF_BYTES = 12
_CHUNK_HEADER = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_SUBFORMAT_TAG = slice(24, 26)
_TAG_PCM = 0x0001
_TAG_EXTENSIBLE = 0xFFFE
_TAG_NAMES = {
    _TAG_PCM: "PCM",
    0x0002: "ADPCM",
    0x0003: "float",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0055: "MP3",
}


class WavHeaderReader:
    """Separates one stream's header, if it has one, from its audio.

    Push until bytes come back; they and all later ones are audio. The size that the `data` chunk declares is ignored:
    whoever writes a stream cannot know it (0, 0x7FFFFFFF and 0xFFFFFFFF are all in use) and a wrong one would lose
    speech. The price is that chunks after the audio of a file, if any, are heard as noise, mostly a few milliseconds.

    Args:
        sample_rate: Rate the header must declare, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._held = b""
        self._consumed = 0
        self._riff_seen = False
        self._format_seen = False

    def push(self, data: bytes) -> bytes | None:
        """Take the next bytes of the stream.

        Returns:
            The first bytes of the audio, once it is certain where it starts (`data` itself, uncopied, if the stream
            has no header and nothing was held back); None until then.

        Raises:
            AudioError: The header is damaged or describes other audio than 16-bit PCM mono at the session's rate.
        """
        data = self._held + data
        position = 0
        if not self._riff_seen:
            if not _may_be_wav(data):
                return data
            if len(data) < _RIFF_BYTES:
                self._held = data
                return None
            self._riff_seen = True
            position = _RIFF_BYTES
        while position + _CHUNK_HEADER.size <= len(data):
            chunk, size = _CHUNK_HEADER.unpack_from(data, position)
            start = position + _CHUNK_HEADER.size
            if chunk == b"data":
                if not self._format_seen:
                    raise AudioError("WAV header has no 'fmt ' chunk before the audio.", field="input_audio_format")
                return data[start:]
            end = start + size + size % 2
            if self._consumed + end > HEADER_BYTES_MAX:
                raise AudioError(f"WAV header is longer than {HEADER_BYTES_MAX} bytes.")
            if end > len(data):
                break
            if chunk == b"fmt ":
                self._check_format(data[start : start + size])
            position = end
        self._consumed += position
        self._held = data[position:]
        return None

    def flush(self) -> bytes:
        """End of the stream: the bytes held back, if they turned out too few to be a header; else nothing."""
        return b"" if self._riff_seen else self._held

    def _check_format(self, content: bytes) -> None:
        if len(content) < _FORMAT.size:
            raise AudioError("WAV header is damaged: its 'fmt ' chunk is too short.", field="input_audio_format")
        tag, channels, sample_rate, _, _, bits = _FORMAT.unpack_from(content)
        if tag == _TAG_EXTENSIBLE:
            tag = int.from_bytes(content[_SUBFORMAT_TAG], "little")
        if (tag, channels, bits) != (_TAG_PCM, 1, 16):
            name = _TAG_NAMES.get(tag, f"format 0x{tag:04X}")
            raise AudioError(
                f"WAV header says {bits}-bit {name}, {channels} channel(s); 16-bit PCM, 1 channel is needed.",
                field="input_audio_format",
            )
        if sample_rate != self._sample_rate:
            raise AudioError(
                f"WAV header says {sample_rate} Hz, the session is set to {self._sample_rate} Hz.", field="sample_rate"
            )
        self._format_seen = True


def _may_be_wav(start: bytes) -> bool:
    """Whether a stream that starts so is a WAV file, or could become one."""
    return b"RIFF".startswith(start[:4]) and b"WAVE".startswith(start[8:12])
