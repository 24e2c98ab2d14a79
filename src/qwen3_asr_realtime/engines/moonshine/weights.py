"""Where the weights of Moonshine tiny-en lie, and proof that they are the ones we measured.

The maker's own package `moonshine-voice` 0.1.0 carries them as data files (27 M parameters, 8 bit, MIT licence); from
0.1.2 on it does not. Its code is never imported: that would load a second onnxruntime.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from qwen3_asr_realtime.checksums import ChecksumError, verify_sha256
from qwen3_asr_realtime.engines.base import EngineError

PACKAGE = "moonshine_voice"
ENCODER_SHA256 = "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"
DECODER_SHA256 = "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0"
TOKENIZER_SHA256 = "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d"


@dataclass(frozen=True, slots=True)
class Weights:
    """The three files of the model, each byte for byte the expected one."""

    encoder: Path
    decoder: Path
    tokenizer: Path


def locate_weights() -> Path:
    """Return the folder the installed package keeps the model in, without importing the package.

    Raises:
        EngineError: The package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EngineError(
            "the package moonshine-voice==0.1.0, which carries the embedded engine's model, is not installed. "
            "Reinstall the dependencies (make start)."
        )
    return Path(spec.origin).parent / "assets" / "tiny-en"


def verify_weights(folder: Path) -> Weights:
    """Return the model files in `folder` after checking all three (44 MB, about 0.05 s).

    Raises:
        EngineError: A file is missing, damaged or of another version.
    """
    try:
        return Weights(
            encoder=verify_sha256(folder / "encoder_model.ort", ENCODER_SHA256),
            decoder=verify_sha256(folder / "decoder_model_merged.ort", DECODER_SHA256),
            tokenizer=verify_sha256(folder / "tokenizer.bin", TOKENIZER_SHA256),
        )
    except ChecksumError as error:
        raise EngineError(str(error)) from error
