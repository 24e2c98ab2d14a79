"""One example of each event, for the documentation of the protocol. A test holds them against the protocol itself."""

from qwen3_asr_realtime.protocol.events import (
    AudioAppend,
    AudioClear,
    AudioCleared,
    AudioCommit,
    AudioCommitted,
    ClientEvent,
    ErrorEvent,
    ErrorView,
    FailureView,
    ItemCreated,
    ItemView,
    ServerEvent,
    SessionCreated,
    SessionFinish,
    SessionFinished,
    SessionUpdate,
    SessionUpdated,
    SessionView,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
    TranscriptionText,
    TranscriptionView,
    TurnDetectionView,
    Usage,
)

MODEL = "qwen3-asr-flash-realtime"
ITEM = "item_AbCdEf0123456789AbCdE"

CONFIGURATION = {
    "input_audio_format": "pcm",
    "sample_rate": 16000,
    "input_audio_transcription": {"language": "en", "corpus": {"text": "Dashwood, Norland Park"}},
    "turn_detection": {"type": "server_vad", "threshold": 0.0, "silence_duration_ms": 400, "prefix_padding_ms": 300},
}

SESSION = SessionView(
    id="sess_AbCdEf0123456789AbCdE",
    model=MODEL,
    input_audio_format="pcm",
    sample_rate=16000,
    input_audio_transcription=TranscriptionView(model=MODEL),
    turn_detection=TurnDetectionView(threshold=0.0, silence_duration_ms=400),
)

CLIENT_EVENTS: tuple[ClientEvent, ...] = (
    SessionUpdate(event_id="event_1", session=CONFIGURATION),
    AudioAppend(event_id="event_2", audio="AAABAAIAAwAEAAUA"),
    AudioCommit(event_id="event_3"),
    AudioClear(event_id="event_4"),
    SessionFinish(event_id="event_5"),
)

SERVER_EVENTS: tuple[ServerEvent, ...] = (
    SessionCreated(event_id="event_a", session=SESSION),
    SessionUpdated(event_id="event_b", session=SESSION),
    SpeechStarted(event_id="event_c", audio_start_ms=640, item_id=ITEM),
    TranscriptionText(event_id="event_d", item_id=ITEM, language="en", text="And Mr. John", stash=" Dash"),
    SpeechStopped(event_id="event_e", audio_end_ms=6860, item_id=ITEM),
    AudioCommitted(event_id="event_f", previous_item_id="", item_id=ITEM),
    ItemCreated(event_id="event_g", previous_item_id="", item=ItemView(id=ITEM)),
    TranscriptionCompleted(
        event_id="event_h",
        item_id=ITEM,
        language="en",
        emotion="neutral",
        transcript="And Mr. John Dashwood had then leisure.",
        usage=Usage(duration=7),
    ),
    TranscriptionFailed(
        event_id="event_i", item_id=ITEM, error=FailureView(code="server_error", message="Recognition failed.")
    ),
    AudioCleared(event_id="event_j"),
    SessionFinished(event_id="event_k", transcript="And Mr. John Dashwood had then leisure."),
    ErrorEvent(
        event_id="event_l",
        error=ErrorView(
            type="invalid_request_error",
            code="invalid_value",
            message="Invalid value: 44100. Supported values are: 8000, 16000.",
            param="session.sample_rate",
            event_id="event_1",
        ),
    ),
)
"""In the order in which they may be met."""
