"""Base64 text to bytes, as strict as the audio needs and as lenient as clients are."""

import pybase64

from qwen3_asr_realtime.audio.errors import AudioError

_WHITESPACE = b" \t\n\v\f\r"


def decode_base64(text: str) -> bytes:
    """The bytes that `text` encodes in the standard alphabet.

    Whitespace anywhere (line-wrapped MIME output) and missing padding are accepted. Everything else that is not
    canonical, the URL-safe alphabet included, rejects the whole text: audio with a hole in it would be recognised as
    something nobody said.

    Raises:
        AudioError: `text` is not base64.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        # Rare: copy, tidy up and try once more, so that clean text pays nothing for it.
        return _decode_untidy(text)


def _decode_untidy(text: str) -> bytes:
    try:
        digits = text.encode("ascii").translate(None, _WHITESPACE)
        return pybase64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except ValueError as error:
        raise AudioError("'audio' is not valid base64 (standard alphabet, RFC 4648 section 4).") from error
