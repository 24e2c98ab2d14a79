"""Integrity of the model files we ship or install: nothing is loaded that is not byte for byte what was measured."""

import hashlib
from pathlib import Path

from qwen3_asr_realtime.start_error import StartError

REINSTALL = "Reinstall the dependencies (make clean-all, then make start)."
"""What to do about a file that came with a package."""


class ChecksumError(StartError):
    """A model file is missing or is not the one we know; the message is for the operator."""


def verify_sha256(path: Path, expected: str, advice: str = REINSTALL) -> Path:
    """Return `path` if its content has the given SHA-256.

    Args:
        path: The file to check.
        expected: Its digest in lower-case hexadecimal.
        advice: What the operator can do if it is damaged, a sentence.

    Raises:
        ChecksumError: The file cannot be read, or differs.
    """
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ChecksumError(f"model file {path.name} cannot be read: {error.strerror}") from error
    if actual != expected:
        raise ChecksumError(
            f"model file {path.name} is damaged or of another version: sha256 is {actual[:12]}…, expected "
            f"{expected[:12]}…. {advice}"
        )
    return path
