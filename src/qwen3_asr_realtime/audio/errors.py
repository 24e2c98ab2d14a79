"""What can be wrong with audio that a client sends, or that a file holds."""

from typing import Literal, TypeAlias

AudioField: TypeAlias = Literal["audio", "sample_rate", "input_audio_format"]
"""What the error is about: the bytes themselves, or the setting they contradict."""


class AudioError(Exception):
    """Audio that cannot be used; whoever raised it has taken nothing of it and stays usable.

    Attributes:
        message: One or two sentences for the person who sent the audio.
        field: What is at fault. How the wire names it is the caller's business.
    """

    def __init__(self, message: str, *, field: AudioField = "audio") -> None:
        super().__init__(message)
        self.message = message
        self.field: AudioField = field
