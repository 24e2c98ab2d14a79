"""Word error rate of English after Whisper's normaliser, which spells numbers and contractions one way."""

import warnings

import jiwer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an invalid escape sequence in the package's source
    from whisper_normalizer.english import EnglishTextNormalizer


def word_error_rate(references: list[str], heard: list[str]) -> float:
    """Errors per reference word over all texts."""
    normalise = EnglishTextNormalizer()
    return float(jiwer.wer(list(map(normalise, references)), list(map(normalise, heard))))
