"""The wire, in the order of the protocol reference: reading client events, writing server events."""

import contextlib
import json
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.documented import SERVER_EVENTS, documented

from qwen3_asr_realtime.protocol.configuration import Configuration, TurnDetection
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import (
    EVENT_CHARS_MAX,
    AudioAppend,
    AudioClear,
    AudioCleared,
    AudioCommit,
    AudioCommitted,
    ErrorEvent,
    ErrorView,
    FailureView,
    IgnoredEvent,
    ItemCreated,
    ItemView,
    MalformedEvent,
    ServerEvent,
    SessionCreated,
    SessionFinish,
    SessionFinished,
    SessionUpdate,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
    TranscriptionText,
    UnsupportedEvent,
    Usage,
    decode_client_event,
    encode_server_event,
)

TEXT = st.lists(st.integers(0, 0xD7FF) | st.integers(0xE000, 0x10FFFF)).map(lambda codes: "".join(map(chr, codes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


class TestSection14Frames:
    def test_escaped_text_is_read(self):
        frame = r'{"type":"session.update","session":{"corpus":"浦\u4e1c \ud83d\ude00"}}'

        assert decode_client_event(frame) == SessionUpdate(session={"corpus": "浦东 😀"})

    def test_bytes_are_read_like_text(self):
        assert decode_client_event(b'{"type":"session.finish"}') == SessionFinish()

    def test_a_large_append_is_read_whole(self):
        audio = "A" * (15 * 1024 * 1024)

        event = decode_client_event(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}')

        assert event == AudioAppend(audio=audio)


class TestSection3ClientEvents:
    @pytest.mark.parametrize(
        ("type_", "expected"),
        [
            ("input_audio_buffer.commit", AudioCommit()),
            ("input_audio_buffer.clear", AudioClear()),
            ("session.finish", SessionFinish()),
            ("response.create", IgnoredEvent()),
            ("response.cancel", IgnoredEvent()),
            ("conversation.item.create", UnsupportedEvent(type="conversation.item.create")),
            ("input_image_buffer.append", UnsupportedEvent(type="input_image_buffer.append")),
            ("transcription_session.update", UnsupportedEvent(type="transcription_session.update")),
            ("", UnsupportedEvent(type="")),
        ],
    )
    def test_types(self, type_, expected):
        assert decode_client_event(json.dumps({"type": type_})) == expected

    def test_the_client_s_id_is_kept(self):
        assert decode_client_event('{"type":"session.finish","event_id":"event_123"}').event_id == "event_123"

    @pytest.mark.parametrize("event_id", [None, 7, ["x"], {}])
    def test_an_id_of_another_type_is_no_id(self, event_id):
        frame = json.dumps({"type": "session.finish", "event_id": event_id})

        assert decode_client_event(frame) == SessionFinish(event_id=None)

    def test_unknown_fields_are_ignored(self):
        assert decode_client_event('{"type":"session.finish","session":3,"audio":[],"zip":{"a":1}}') == SessionFinish()

    @given(session=JSON)
    def test_a_session_of_any_kind_is_passed_on(self, session):
        """What is in it is judged field by field, so that the error can name the field."""
        event = decode_client_event(json.dumps({"type": "session.update", "session": session}))

        assert event == SessionUpdate(session=session)

    def test_an_update_without_session_is_still_an_update(self):
        assert decode_client_event('{"type":"session.update"}') == SessionUpdate(session=None)

    @pytest.mark.parametrize("audio", ["", ',"audio":null', ',"audio":1', ',"audio":["AA=="]'])
    def test_audio_must_be_text(self, audio):
        with pytest.raises(ProtocolError) as refusal:
            decode_client_event(f'{{"type":"input_audio_buffer.append","event_id":"e"{audio}}}')

        assert not isinstance(refusal.value, MalformedEvent)
        assert (refusal.value.code, refusal.value.param, refusal.value.event_id) == ("invalid_value", "audio", "e")


class TestSection35MalformedFrames:
    @pytest.mark.parametrize(
        "frame",
        [
            "",
            "hello",
            "[]",
            "null",
            '"session.finish"',
            '{"type":"session.finish"',
            '{"type":"session.finish"} {}',
            '{"type":"session.update","session":NaN}',
            '{"type":"session.update","session":{"sample_rate":1e999}}',
            '{"type":"session.update","session":{"sample_rate":' + "1" * 5000 + "}}",
            '{"type":"session.update","session":"\\ud800"}',
            '{"type":"session.update","session":"\ud800"}',
            b'{"type":"\xff"}',
        ],
    )
    def test_no_json_object(self, frame):
        with pytest.raises(MalformedEvent) as refusal:
            decode_client_event(frame)

        assert (refusal.value.code, refusal.value.param) == ("invalid_json", None)

    @pytest.mark.parametrize("depth", [1_000, 100_000])
    def test_deep_nesting_is_refused_and_not_a_crash(self, depth):
        with pytest.raises(MalformedEvent) as refusal:
            decode_client_event('{"type":"session.update","session":' + "[" * depth + "]" * depth + "}")

        assert refusal.value.code == "invalid_json"

    @pytest.mark.parametrize("piece", ["[", "{},", "0,", '{"a":'])
    def test_a_long_event_that_is_no_append_is_refused_and_nothing_is_made_of_it(self, piece):
        bomb = piece * (EVENT_CHARS_MAX // len(piece) + 1)
        frame = '{"type":"session.update","event_id":"e","session":[' + bomb + "0]}"
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError):
                decode_client_event(frame)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak_bytes < 10_000

    def test_why_a_long_event_is_refused(self):
        with pytest.raises(ProtocolError, match="1048576 characters") as refusal:
            decode_client_event(json.dumps({"type": "session.update", "event_id": "e", "session": " " * 2**20}))
        assert refusal.value.event_id == "e"

    @pytest.mark.parametrize("field", ['"audio":7', '"audio":["QUJD"]', '"other":""'])
    def test_a_long_append_without_audio_is_refused(self, field):
        with pytest.raises(ProtocolError, match=r"audio|str"):
            decode_client_event('{"type":"input_audio_buffer.append",' + field + ',"more":"' + " " * 2**20 + '"}')

    @pytest.mark.parametrize("type_", ["{}", '{"type":null}', '{"type":5}', '{"type":["session.finish"]}'])
    def test_no_type(self, type_):
        with pytest.raises(MalformedEvent) as refusal:
            decode_client_event(type_)

        assert (refusal.value.code, refusal.value.param) == ("invalid_value", "type")

    @given(frame=TEXT | st.binary() | JSON.map(json.dumps))
    def test_anything_else_is_an_event_or_refused(self, frame):
        with contextlib.suppress(ProtocolError):
            decode_client_event(frame)


VAD = TurnDetection(threshold=0.2, silence_duration_ms=800, prefix_padding_ms=300)
SPOKEN = Configuration(requested_language="zh-CN", corpus_text="浦东机场", turn_detection=VAD)
EVERY_EVENT = [
    SessionCreated(event_id="e", session=Configuration(turn_detection=VAD).view("sess_1", "m")),
    SessionUpdated(event_id="e", session=SPOKEN.view("sess_1", "m")),
    SessionUpdated(event_id="e", session=Configuration().view("sess_1", "m")),
    SpeechStarted(event_id="e", audio_start_ms=1240, item_id="i"),
    SpeechStopped(event_id="e", audio_end_ms=4180, item_id="i"),
    AudioCommitted(event_id="e", previous_item_id="", item_id="i"),
    AudioCleared(event_id="e"),
    ItemCreated(event_id="e", previous_item_id="", item=ItemView(id="i")),
    TranscriptionText(event_id="e", item_id="i", language="", text="", stash="a"),
    TranscriptionCompleted(event_id="e", item_id="i", language="", emotion="", transcript="", usage=Usage(1)),
    TranscriptionFailed(event_id="e", item_id="i", error=FailureView(code="server_error", message="m")),
    SessionFinished(event_id="e"),
    SessionFinished(event_id="e", transcript=""),
    ErrorEvent(
        event_id="e",
        error=ErrorView(type="invalid_request_error", code="c", message="m", param=None, event_id=None),
    ),
]


class TestSection4ServerEvents:
    @pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
    def test_written_as_documented(self, event):
        documented(event)

    def test_no_event_is_missing_here_or_undocumented(self):
        tags = {msgspec.inspect.type_info(kind).tag for kind in ServerEvent.__subclasses__()}

        assert tags == SERVER_EVENTS.keys()
        assert tags == {documented(event)["type"] for event in EVERY_EVENT}

    def test_session_created_reports_what_is_in_force(self):
        session = documented(EVERY_EVENT[0])["session"]

        assert session == {
            "id": "sess_1",
            "object": "realtime.session",
            "model": "m",
            "modalities": ["text"],
            "input_audio_format": "pcm",
            "sample_rate": 16000,
            "input_audio_transcription": {"model": "m"},
            "turn_detection": {"type": "server_vad", "threshold": 0.2, "silence_duration_ms": 800},
        }

    def test_language_and_corpus_are_echoed_as_sent(self):
        assert documented(EVERY_EVENT[1])["session"]["input_audio_transcription"] == {
            "model": "m",
            "language": "zh-CN",
            "corpus": {"text": "浦东机场"},
        }

    def test_turn_detection_is_null_in_manual_mode_and_not_absent(self):
        assert documented(EVERY_EVENT[2])["session"]["turn_detection"] is None

    @given(text=TEXT)
    def test_text_survives_the_wire(self, text):
        event = TranscriptionText(event_id="e", item_id="i", language="zh", text=text, stash="")

        assert json.loads(encode_server_event(event))["text"] == text

    def test_a_preview_is_small(self):
        """One embedded client takes no event over 6,144 bytes; a minute of speech is some 1,000 characters."""
        event = TranscriptionText(event_id="e" * 27, item_id="i" * 26, language="zh", text="浦" * 1000, stash="东" * 50)

        assert len(encode_server_event(event).encode()) < 6144
