"""A session's configuration and the rules by which `session.update` changes it.

A field that is present replaces, at every depth; a field that is absent stays. Absent is not null:
`turn_detection: null` means Manual mode, no `turn_detection` means "as before". An invalid update changes nothing.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

from msgspec import UNSET

from qwen3_asr_realtime.protocol.errors import ProtocolError, invalid_value, shown
from qwen3_asr_realtime.protocol.events import CorpusView, SessionView, TranscriptionView, TurnDetectionView
from qwen3_asr_realtime.protocol.languages import LANGUAGES, canonical_language

THRESHOLD_MIN, THRESHOLD_MAX = -1.0, 1.0
SILENCE_MS_MIN, SILENCE_MS_MAX = 200, 6000
PREFIX_PADDING_MS_MAX = 2000
"""Longer pre-rolls are cut to this: detection must hold that much audio for every idle session."""

SAMPLE_RATES = (8000, 16000)
_FORMAT_ALIASES = {"pcm16": "pcm"}  # the SDKs send pcm16 where the user named no format

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """Server VAD settings.

    Attributes:
        threshold: Sensitivity on the API's scale, -1 (everything is speech) to 1; not a probability.
        silence_duration_ms: Silence that ends a turn.
        prefix_padding_ms: Audio kept before the onset of speech.
    """

    threshold: float
    silence_duration_ms: int
    prefix_padding_ms: int


@dataclass(frozen=True, slots=True)
class Support:
    """What this server can offer beyond the protocol's fixed ranges.

    Attributes:
        turn_detection: Settings of VAD mode that the client leaves out.
        audio_formats: Formats intake can read.
        languages: Codes the engine recognises, or None for all of the protocol.
        engine: The engine's name, for the message that refuses a language.
    """

    turn_detection: TurnDetection
    audio_formats: tuple[str, ...]
    languages: frozenset[str] | None
    engine: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything a client can set.

    Attributes:
        audio_format: How appended bytes are encoded.
        sample_rate: Samples per second of appended audio.
        requested_language: The language as the client spelt it (and reads it back), or None for automatic detection.
        corpus_text: Context that names what may be spoken of.
        turn_detection: VAD settings, or None in Manual mode.
    """

    audio_format: str = "pcm"
    sample_rate: int = 16000
    requested_language: str | None = None
    corpus_text: str | None = None
    turn_detection: TurnDetection | None = None

    @property
    def language(self) -> str | None:
        """Canonical code of the requested language, or None for automatic detection."""
        return canonical_language(self.requested_language) if self.requested_language else None

    def updated(self, session: object, support: Support) -> "Configuration":
        """Return the configuration after a `session.update`.

        Args:
            session: The event's `session` field, as decoded from JSON.
            support: What this server offers.

        Raises:
            ProtocolError: A field is invalid; `param` names it.
        """
        fields = _object(session, "session")
        flat_format, flat_rate = fields.get("input_audio_format"), fields.get("sample_rate")
        nested = _nested_audio_format(fields)
        transcription = fields.get("input_audio_transcription", _ABSENT)
        turn_detection = fields.get("turn_detection", _ABSENT)
        language, corpus_text = self.requested_language, self.corpus_text
        if transcription is not _ABSENT:
            transcription = {} if transcription is None else _object(transcription, _TRANSCRIPTION)
            if not transcription.keys() & {"language", "corpus"}:
                language, corpus_text = None, None  # how SDKs say that nothing is set
            if "language" in transcription:
                language = _language(transcription["language"], support)
            if "corpus" in transcription:
                corpus_text = _corpus_text(transcription["corpus"], corpus_text)
        return replace(
            self,
            audio_format=_audio_format(nested.get("type", flat_format), support, self.audio_format),
            sample_rate=_sample_rate(nested.get("sample_rate", flat_rate), self.sample_rate),
            requested_language=language,
            corpus_text=corpus_text,
            turn_detection=(
                self.turn_detection
                if turn_detection is _ABSENT
                else _turn_detection(turn_detection, self.turn_detection or support.turn_detection, support)
            ),
        )

    def view(self, session_id: str, model: str) -> SessionView:
        """The configuration as the client reads it back."""
        vad = self.turn_detection
        return SessionView(
            id=session_id,
            model=model,
            input_audio_format=self.audio_format,
            sample_rate=self.sample_rate,
            input_audio_transcription=TranscriptionView(
                model=model,
                language=self.requested_language or UNSET,
                corpus=UNSET if self.corpus_text is None else CorpusView(self.corpus_text),
            ),
            turn_detection=None
            if vad is None
            else TurnDetectionView(threshold=vad.threshold, silence_duration_ms=vad.silence_duration_ms),
        )


_ABSENT = object()
_TRANSCRIPTION = "session.input_audio_transcription"
_TURN_DETECTION = "session.turn_detection"


def _object(value: object, param: str) -> Fields:
    if not isinstance(value, dict):
        raise ProtocolError(f"'{param}' must be an object.", param=param)
    return cast(Fields, value)


def _nested_audio_format(fields: Fields) -> Fields:
    """The `audio.input.format` object of newer SDKs, where it is one; it wins over the flat fields."""
    node: object = fields
    for name in ("audio", "input", "format"):
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def _number(value: object) -> float | None:
    """A JSON number, also one that arrives as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None  # also False for NaN


def _integer(value: object) -> int | None:
    """A whole JSON number, also one written as 16000.0 or "16000"; None for anything else."""
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _audio_format(value: object, support: Support, current: str) -> str:
    if value is None:
        return current
    name = _FORMAT_ALIASES.get(value, value) if isinstance(value, str) else None
    if name not in support.audio_formats:
        raise invalid_value(value, ", ".join(map(repr, support.audio_formats)), "session.input_audio_format")
    return name


def _sample_rate(value: object, current: int) -> int:
    if value is None:
        return current
    rate = _integer(value)
    if rate not in SAMPLE_RATES:
        raise invalid_value(value, ", ".join(map(str, SAMPLE_RATES)), "session.sample_rate")
    return rate


def _language(value: object, support: Support) -> str | None:
    param = f"{_TRANSCRIPTION}.language"
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "auto")):
        return None
    code = canonical_language(value) if isinstance(value, str) else None
    if code is None:
        raise invalid_value(value, ", ".join(map(repr, sorted(LANGUAGES))), param)
    if support.languages is not None and code not in support.languages:
        known = ", ".join(map(repr, sorted(support.languages)))
        raise ProtocolError(
            f"Language {shown(value)} is not recognised by this server's engine ({support.engine}), which knows "
            f"{known}. Leave the language out for automatic detection, or run the server with an engine that knows it.",
            param=param,
        )
    return cast(str, value)


def _corpus_text(value: object, current: str | None) -> str | None:
    if value is None:
        return None
    text = _object(value, f"{_TRANSCRIPTION}.corpus").get("text", current)
    if text is not None and not isinstance(text, str):
        raise ProtocolError("'corpus.text' must be a string.", param=f"{_TRANSCRIPTION}.corpus.text")
    return text


def _turn_detection(value: object, current: TurnDetection, support: Support) -> TurnDetection | None:
    if value is None:
        return None
    fields = _object(value, _TURN_DETECTION)
    kind = fields.get("type", "server_vad")
    if kind != "server_vad":
        raise invalid_value(kind, "'server_vad'", f"{_TURN_DETECTION}.type")
    defaults = support.turn_detection

    def given(name: str) -> object:
        """The field's value: as sent, the server's default for an explicit null, the current one if absent."""
        value = fields.get(name, getattr(current, name))
        return getattr(defaults, name) if value is None else value

    threshold = _number(given("threshold"))
    if threshold is None or not THRESHOLD_MIN <= threshold <= THRESHOLD_MAX:
        raise invalid_value(fields["threshold"], "-1.0 to 1.0", f"{_TURN_DETECTION}.threshold")
    silence_ms = _integer(given("silence_duration_ms"))
    if silence_ms is None or not SILENCE_MS_MIN <= silence_ms <= SILENCE_MS_MAX:
        raise invalid_value(
            fields["silence_duration_ms"],
            f"{SILENCE_MS_MIN} to {SILENCE_MS_MAX}",
            f"{_TURN_DETECTION}.silence_duration_ms",
        )
    padding_ms = _integer(given("prefix_padding_ms"))
    if padding_ms is None or padding_ms < 0:
        raise invalid_value(fields["prefix_padding_ms"], "0 and above", f"{_TURN_DETECTION}.prefix_padding_ms")
    return TurnDetection(threshold, silence_ms, min(padding_ms, PREFIX_PADDING_MS_MAX))
