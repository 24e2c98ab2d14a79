"""Language codes a client may fix (protocol reference, section "Languages").

The cloud documents 27. The open Qwen3-ASR weights know six more; three of the 27 they do not know; those are accepted
all the same and run with automatic detection.
"""

CLOUD_LANGUAGES = frozenset(
    "zh yue en ja de ko ru fr pt ar it es hi id th tr uk vi cs da fil fi is ms no pl sv".split()
)
EXTRA_LANGUAGES = frozenset("nl fa el ro hu mk".split())
CODE_CHARS_MAX = 35
"""Longest language tag that RFC 5646 asks software to handle; what the client sends is echoed in every preview."""

LANGUAGES = CLOUD_LANGUAGES | EXTRA_LANGUAGES


def canonical_language(code: str) -> str | None:
    """The known code behind a client's spelling (`ZH`, `zh-CN`, `zh_CN` → `zh`), or None if there is none."""
    if len(code) > CODE_CHARS_MAX:
        return None
    base = code.strip().lower().replace("_", "-").partition("-")[0]
    return base if base in LANGUAGES else None
