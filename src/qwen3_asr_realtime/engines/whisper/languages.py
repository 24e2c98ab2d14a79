"""The protocol's language codes, and what Whisper calls these languages."""

CODES = "zh yue en ja de ko ru fr pt ar it es hi id th tr uk vi cs da fil fi is ms no pl sv nl fa el ro hu mk".split()
"""Every code the protocol knows; Whisper knows all of their languages."""

_NAMES = {"fil": ("tl",), "no": ("no", "nn")}

TAKEN_FOR = {"yue": "zh"}
"""Models before large-v3 have no token for Cantonese, and take it for Chinese."""


def names_of(code: str) -> tuple[str, ...]:
    """Whisper's own codes for a language, the best first."""
    return _NAMES.get(code, (code,))
