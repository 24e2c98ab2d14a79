from qwen3_asr_realtime.client.events import Failed, Final, Preview, ServerError, TranscriptReader

TRANSCRIPTION = "conversation.item.input_audio_transcription."


def read_all(*events):
    reader = TranscriptReader()
    return [reader.read(event, received_s=1.5, sent_ms=200) for event in events]


def test_a_final_carries_the_bounds_of_its_own_utterance():
    started = "input_audio_buffer.speech_started"
    stopped = "input_audio_buffer.speech_stopped"
    *_, first, second = read_all(
        {"type": started, "item_id": "a", "audio_start_ms": 100},
        {"type": stopped, "item_id": "a", "audio_end_ms": 900},
        {"type": started, "item_id": "b", "audio_start_ms": 1000},
        {"type": TRANSCRIPTION + "completed", "item_id": "a", "transcript": "one", "language": "en"},
        {"type": TRANSCRIPTION + "completed", "item_id": "b", "transcript": "two", "language": "en"},
    )
    assert first == Final(
        received_s=1.5, sent_ms=200, item_id="a", transcript="one", language="en", start_ms=100, end_ms=900
    )
    assert (second.start_ms, second.end_ms) == (1000, None)


def test_previews_and_failures_are_read():
    preview, failed, error = read_all(
        {"type": TRANSCRIPTION + "text", "item_id": "a", "text": "一", "stash": "二", "language": "zh"},
        {"type": TRANSCRIPTION + "failed", "item_id": "a", "error": {"code": "server_error", "message": "no"}},
        {"type": "error", "error": {"code": "invalid_value", "message": "bad", "param": "audio"}},
    )
    assert preview == Preview(received_s=1.5, sent_ms=200, item_id="a", text="一", stash="二", language="zh")
    assert failed == Failed(received_s=1.5, sent_ms=200, item_id="a", code="server_error", message="no")
    assert error == ServerError(received_s=1.5, sent_ms=200, code="invalid_value", message="bad", param="audio")


def test_missing_and_null_fields_read_as_empty():
    final, failed, error = read_all(
        {"type": TRANSCRIPTION + "completed", "transcript": None},
        {"type": TRANSCRIPTION + "failed", "error": None},
        {"type": "error", "error": {"code": None, "message": "<400> bad", "param": None}},
    )
    assert (final.item_id, final.transcript, final.start_ms) == ("", "", None)
    assert (failed.code, failed.message) == ("", "the server gave no reason")
    assert (error.code, error.param) == ("", None)


def test_other_events_say_nothing():
    assert read_all({"type": "conversation.item.created"}, {"type": "rate_limits.updated"}, {}) == [None] * 3
