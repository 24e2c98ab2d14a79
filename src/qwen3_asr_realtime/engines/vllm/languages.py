"""The languages Qwen3-ASR knows: its full English names in prompt and answer, and the protocol's codes for them."""

NAMES = {
    "zh": "Chinese",
    "yue": "Cantonese",
    "en": "English",
    "ja": "Japanese",
    "de": "German",
    "ko": "Korean",
    "ru": "Russian",
    "fr": "French",
    "pt": "Portuguese",
    "ar": "Arabic",
    "it": "Italian",
    "es": "Spanish",
    "hi": "Hindi",
    "id": "Indonesian",
    "th": "Thai",
    "tr": "Turkish",
    "vi": "Vietnamese",
    "cs": "Czech",
    "da": "Danish",
    "fil": "Filipino",
    "fi": "Finnish",
    "ms": "Malay",
    "pl": "Polish",
    "sv": "Swedish",
    "nl": "Dutch",
    "fa": "Persian",
    "el": "Greek",
    "ro": "Romanian",
    "hu": "Hungarian",
    "mk": "Macedonian",
}
"""Model names by code (Qwen3-ASR's published list of 30). Codes the protocol accepts beyond these run undetermined."""

_CODES = {name: code for code, name in NAMES.items()}


def code_of(name: str) -> str:
    """The code of a model's language name, or "" for `None` and names nobody knows."""
    return _CODES.get(name.strip().capitalize(), "")
