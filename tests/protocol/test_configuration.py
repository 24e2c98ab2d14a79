"""Section 3.1 of the protocol reference, field by field, and the notes A to F on it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.documented import documented
from tests.protocol.driver import SUPPORT, VAD

from qwen3_asr_realtime.protocol.configuration import Configuration, Support, TurnDetection
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import CorpusView, SessionUpdated
from qwen3_asr_realtime.protocol.languages import LANGUAGES

INITIAL = Configuration(turn_detection=VAD)
CHANGED = Configuration(
    audio_format="wav",
    sample_rate=8000,
    requested_language="zh-CN",
    corpus_text="浦东",
    turn_detection=TurnDetection(threshold=0.7, silence_duration_ms=600, prefix_padding_ms=100),
)
MANUAL = Configuration(turn_detection=None)


def refusal(session, configuration=INITIAL, support=SUPPORT):
    """The error of an update; its message is short whatever the client sent."""
    with pytest.raises(ProtocolError) as caught:
        configuration.updated(session, support)
    assert caught.value.code == "invalid_value"
    assert len(caught.value.message) < 1000
    return caught.value


class TestSection31Payloads:
    """What the SDKs send, byte for byte."""

    def test_python_sdk_with_defaults(self):
        payload = json.loads(
            '{"modalities":["text"],"voice":null,"input_audio_format":"pcm16","output_audio_format":"pcm16",'
            '"input_audio_transcription":{"model":null},"turn_detection":{"type":"server_vad","threshold":0.2,'
            '"prefix_padding_ms":300,"silence_duration_ms":800}}'
        )

        assert INITIAL.updated(payload, SUPPORT) == Configuration(turn_detection=TurnDetection(0.2, 800, 300))

    def test_python_sdk_manual_with_language_and_corpus(self):
        payload = json.loads(
            '{"modalities":["text"],"voice":null,"input_audio_format":"pcm","output_audio_format":"pcm16",'
            '"input_audio_transcription":{"language":"zh","corpus":{"text":"foo"}},"turn_detection":null,'
            '"sample_rate":16000}'
        )

        assert INITIAL.updated(payload, SUPPORT) == Configuration(requested_language="zh", corpus_text="foo")

    def test_python_sdk_with_turn_detection_param(self):
        payload = json.loads(
            '{"modalities":["text"],"voice":null,"input_audio_format":"pcm","output_audio_format":"pcm16",'
            '"input_audio_transcription":{},"turn_detection":{"type":"server_vad","threshold":0.0,'
            '"prefix_padding_ms":300,"silence_duration_ms":400,"create_response":true},"sample_rate":16000}'
        )

        assert INITIAL.updated(payload, SUPPORT) == Configuration(turn_detection=TurnDetection(0.0, 400, 300))

    def test_python_sdk_2_with_the_nested_format(self):
        payload = json.loads(
            '{"modalities":["text"],"voice":null,"audio":{"input":{"format":{"type":"pcm","sample_rate":8000}}},'
            '"input_audio_transcription":{"language":"en"},"turn_detection":{"type":"server_vad","threshold":0.2,'
            '"prefix_padding_ms":300,"silence_duration_ms":800}}'
        )

        assert INITIAL.updated(payload, SUPPORT) == Configuration(
            sample_rate=8000, requested_language="en", turn_detection=TurnDetection(0.2, 800, 300)
        )

    def test_python_sdk_without_transcription_does_not_switch_recognition_off(self):
        assert INITIAL.updated({"input_audio_transcription": None}, SUPPORT) == INITIAL

    def test_java_sdk(self):
        payload = json.loads(
            '{"modalities":["text"],"input_audio_format":"pcm16","output_audio_format":"pcm24","sample_rate":8000,'
            '"input_audio_transcription":{"model":null,"language":"zh","corpus":{"text":null}},"turn_detection":null,'
            '"audio":{"input":{"format":{"type":"wav","sample_rate":16000}},"output":{"format":{"type":"mp3"}}},'
            '"translation":null,"smooth_output":true,"temperature":0.1,"tools":[],"video":{}}'
        )

        assert INITIAL.updated(payload, SUPPORT) == Configuration(audio_format="wav", requested_language="zh")


class TestSection31Merging:
    @pytest.mark.parametrize("configuration", [INITIAL, CHANGED, MANUAL])
    @pytest.mark.parametrize(
        "session",
        [
            {},
            {"modalities": ["audio", 1], "voice": None, "instructions": "hum", "output_audio_format": "x"},
            {"input_audio_format": None, "sample_rate": None},
            {"audio": None},
            {"audio": {"input": 3, "output": {"format": {"type": "nonsense"}}}},
            {"audio": {"input": {"format": {"type": None, "sample_rate": None}}}},
            {"input_audio_transcription": {"corpus": {}}},
        ],
    )
    def test_what_is_absent_stays(self, configuration, session):
        assert configuration.updated(session, SUPPORT) == configuration

    def test_what_is_present_replaces_at_every_depth(self):
        updated = CHANGED.updated(
            {"input_audio_transcription": {"language": "en"}, "turn_detection": {"threshold": 0.1}}, SUPPORT
        )

        assert updated == Configuration(
            audio_format="wav",
            sample_rate=8000,
            requested_language="en",
            corpus_text="浦东",
            turn_detection=TurnDetection(threshold=0.1, silence_duration_ms=600, prefix_padding_ms=100),
        )

    @pytest.mark.parametrize("transcription", [None, {}, {"model": None}])
    def test_a_transcription_that_says_nothing_resets_it(self, transcription):
        updated = CHANGED.updated({"input_audio_transcription": transcription}, SUPPORT)

        assert (updated.requested_language, updated.corpus_text) == (None, None)

    @pytest.mark.parametrize("session", [None, 5, "x", [], [{}]])
    def test_session_must_be_an_object(self, session):
        assert refusal(session).param == "session"

    def test_an_update_with_one_bad_field_changes_nothing(self):
        refusal({"sample_rate": 8000, "turn_detection": None, "input_audio_format": "mp3"})

        assert Configuration(turn_detection=VAD) == INITIAL

    @given(
        st.dictionaries(
            st.sampled_from(
                ["input_audio_format", "sample_rate", "input_audio_transcription", "turn_detection", "audio", "voice"]
            ),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text("zh0", max_size=3),
                lambda inner: st.dictionaries(
                    st.sampled_from(["threshold", "type", "language", "corpus", "text", "input", "format"]), inner
                ),
                max_leaves=5,
            ),
        )
    )
    def test_whatever_comes_gives_a_sound_configuration_or_a_refusal(self, session):
        try:
            updated = INITIAL.updated(session, SUPPORT)
        except ProtocolError as error:
            assert (error.param or "").startswith("session")  # noqa: PT017 - either outcome is right
            return
        documented(SessionUpdated(event_id="e", session=updated.view("sess_1", "m")))
        assert updated.audio_format in SUPPORT.audio_formats
        assert updated.sample_rate in (8000, 16000)
        if updated.turn_detection is not None:
            assert -1 <= updated.turn_detection.threshold <= 1
            assert 200 <= updated.turn_detection.silence_duration_ms <= 6000
            assert 0 <= updated.turn_detection.prefix_padding_ms <= 2000


class TestNoteAFormats:
    @pytest.mark.parametrize(("sent", "echoed"), [("pcm", "pcm"), ("pcm16", "pcm"), ("wav", "wav")])
    def test_supported(self, sent, echoed):
        flat = INITIAL.updated({"input_audio_format": sent}, SUPPORT)
        nested = INITIAL.updated({"audio": {"input": {"format": {"type": sent}}}}, SUPPORT)

        assert flat.view("s", "m").input_audio_format == echoed
        assert nested == flat

    @pytest.mark.parametrize("value", ["mp3", "PCM", "", "pcm24", 5, True, ["pcm"], {"type": "pcm"}])
    def test_unsupported(self, value):
        error = refusal({"input_audio_format": value})

        assert error.param == "session.input_audio_format"
        assert error.message.endswith("Supported values are: 'pcm', 'wav'.")

    def test_what_intake_cannot_read_is_refused(self):
        support = Support(turn_detection=VAD, audio_formats=("pcm", "opus"), languages=None, engine="test")

        assert INITIAL.updated({"input_audio_format": "opus"}, support).audio_format == "opus"
        refusal({"input_audio_format": "wav"}, support=support)

    def test_nested_wins_over_flat(self):
        updated = INITIAL.updated(
            {
                "input_audio_format": "pcm",
                "sample_rate": 16000,
                "audio": {"input": {"format": {"type": "wav", "sample_rate": 8000}}},
            },
            SUPPORT,
        )

        assert (updated.audio_format, updated.sample_rate) == ("wav", 8000)


class TestNoteBNumbers:
    @pytest.mark.parametrize("value", [8000, 8000.0, "8000", "8000.0", " 8000 "])
    def test_a_whole_number_however_written(self, value):
        assert INITIAL.updated({"sample_rate": value}, SUPPORT).sample_rate == 8000

    @pytest.mark.parametrize(
        "value", [44100, 0, -16000, 16000.5, "16k", "", "nan", "inf", True, [16000], {}, 1e308, 10**400]
    )
    def test_anything_else_is_refused(self, value):
        error = refusal({"sample_rate": value})

        assert error.param == "session.sample_rate"
        assert error.message.endswith("Supported values are: 8000, 16000.")

    def test_the_message_is_the_cloud_s(self):
        assert refusal({"sample_rate": 44100}).message == ("Invalid value: 44100. Supported values are: 8000, 16000.")

    def test_the_message_stays_small_whatever_was_sent(self):
        """One embedded client takes no event over 6,144 bytes, and 15 MiB would have to be sent back."""
        refusal({"input_audio_format": "x" * 1_000_000})
        refusal({"sample_rate": [0] * 1_000_000})
        refusal({"input_audio_transcription": {"language": "x" * 1_000_000}})

    def test_nesting_that_the_decoder_let_pass_is_refused_and_not_a_crash(self):
        nested = []
        for _ in range(10_000):
            nested = [nested]

        refusal({"sample_rate": nested})


class TestNoteCLanguage:
    @pytest.mark.parametrize(("spelling", "code"), [("zh", "zh"), ("zh-CN", "zh"), ("zh_CN", "zh"), ("EN", "en")])
    def test_understood_and_echoed_as_spelt(self, spelling, code):
        updated = INITIAL.updated({"input_audio_transcription": {"language": spelling}}, SUPPORT)

        assert updated.language == code
        assert updated.view("s", "m").input_audio_transcription.language == spelling

    @pytest.mark.parametrize("value", [None, "", "auto", "AUTO", "  "])
    def test_automatic_detection(self, value):
        assert CHANGED.updated({"input_audio_transcription": {"language": value}}, SUPPORT).language is None

    @pytest.mark.parametrize("code", sorted(LANGUAGES))
    def test_every_documented_code(self, code):
        assert INITIAL.updated({"input_audio_transcription": {"language": code}}, SUPPORT).language == code

    @pytest.mark.parametrize("value", ["xx", "Chinese", 5, ["zh"], True, {"code": "zh"}])
    def test_unknown(self, value):
        assert refusal({"input_audio_transcription": {"language": value}}).param == (
            "session.input_audio_transcription.language"
        )

    def test_a_language_the_engine_does_not_know(self):
        support = Support(turn_detection=VAD, audio_formats=("pcm",), languages=frozenset({"en"}), engine="tiny-en")

        error = refusal({"input_audio_transcription": {"language": "zh"}}, support=support)

        assert error.param == "session.input_audio_transcription.language"
        assert "'zh'" in error.message
        assert "tiny-en" in error.message
        assert "'en'" in error.message
        assert INITIAL.updated({"input_audio_transcription": {"language": "en-US"}}, support).language == "en"
        assert INITIAL.updated({"input_audio_transcription": {"language": "auto"}}, support).language is None


class TestNoteDCorpus:
    @pytest.mark.parametrize(("corpus", "text"), [({"text": "foo"}, "foo"), ({"text": ""}, ""), ({"text": None}, None)])
    def test_text(self, corpus, text):
        assert CHANGED.updated({"input_audio_transcription": {"corpus": corpus}}, SUPPORT).corpus_text == text

    def test_an_empty_text_is_echoed_too(self):
        updated = INITIAL.updated({"input_audio_transcription": {"corpus": {"text": ""}}}, SUPPORT)

        assert updated.view("s", "m").input_audio_transcription.corpus == CorpusView("")

    def test_null_removes_it(self):
        assert CHANGED.updated({"input_audio_transcription": {"corpus": None}}, SUPPORT).corpus_text is None

    @pytest.mark.parametrize(
        ("transcription", "param"),
        [
            (5, "session.input_audio_transcription"),
            ({"corpus": "foo"}, "session.input_audio_transcription.corpus"),
            ({"corpus": {"text": 5}}, "session.input_audio_transcription.corpus.text"),
        ],
    )
    def test_wrong_types(self, transcription, param):
        assert refusal({"input_audio_transcription": transcription}).param == param


class TestNoteETurnDetection:
    def test_absent_is_not_null(self):
        """The ancestor switched clients that send only a language into Manual mode, and they never got a result."""
        assert INITIAL.updated({"input_audio_transcription": {"language": "zh"}}, SUPPORT).turn_detection == VAD
        assert INITIAL.updated({"turn_detection": None}, SUPPORT).turn_detection is None
        assert MANUAL.updated({"sample_rate": 8000}, SUPPORT).turn_detection is None

    @pytest.mark.parametrize("turn_detection", [{}, {"type": "server_vad"}, {"create_response": True}])
    def test_an_object_switches_to_vad_with_the_defaults(self, turn_detection):
        assert MANUAL.updated({"turn_detection": turn_detection}, SUPPORT).turn_detection == VAD

    def test_a_null_field_is_the_default(self):
        nulls = {"threshold": None, "silence_duration_ms": None, "prefix_padding_ms": None}

        assert CHANGED.updated({"turn_detection": nulls}, SUPPORT).turn_detection == VAD

    def test_defaults_do_not_come_back_from_before_manual_mode(self):
        manual = CHANGED.updated({"turn_detection": None}, SUPPORT)

        assert manual.updated({"turn_detection": {"type": "server_vad"}}, SUPPORT).turn_detection == VAD

    @pytest.mark.parametrize("kind", ["semantic_vad", "", None, 1, ["server_vad"]])
    def test_only_server_vad(self, kind):
        assert refusal({"turn_detection": {"type": kind}}).param == "session.turn_detection.type"

    @pytest.mark.parametrize("value", [5, "server_vad", [], True, False])
    def test_must_be_an_object(self, value):
        assert refusal({"turn_detection": value}).param == "session.turn_detection"


class TestNoteFThreshold:
    @pytest.mark.parametrize("value", [-1, -1.0, 0, 0.0, 0.2, 1, 1.0, "0.5", "-1"])
    def test_the_whole_scale(self, value):
        updated = INITIAL.updated({"turn_detection": {"threshold": value}}, SUPPORT)

        assert updated.turn_detection.threshold == float(value)
        documented(SessionUpdated(event_id="e", session=updated.view("s", "m")))

    @pytest.mark.parametrize("value", [-1.001, 1.001, 400, "high", True, [0.2], "nan", "inf", 10**400])
    def test_beyond(self, value):
        assert refusal({"turn_detection": {"threshold": value}}).param == "session.turn_detection.threshold"

    @pytest.mark.parametrize("value", [200, 400, 6000, 400.0, "400"])
    def test_silence(self, value):
        updated = INITIAL.updated({"turn_detection": {"silence_duration_ms": value}}, SUPPORT)

        assert updated.turn_detection.silence_duration_ms == int(value)
        documented(SessionUpdated(event_id="e", session=updated.view("s", "m")))

    @pytest.mark.parametrize("value", [199, 6001, 0, -400, 400.5, "long", True, []])
    def test_silence_beyond(self, value):
        error = refusal({"turn_detection": {"silence_duration_ms": value}})

        assert error.param == "session.turn_detection.silence_duration_ms"

    @pytest.mark.parametrize(("value", "kept"), [(0, 0), (300, 300), ("500", 500), (2000, 2000), (1e300, 2000)])
    def test_padding_is_cut_to_what_detection_holds(self, value, kept):
        updated = INITIAL.updated({"turn_detection": {"prefix_padding_ms": value}}, SUPPORT)

        assert updated.turn_detection.prefix_padding_ms == kept

    @pytest.mark.parametrize("value", [-1, 0.5, "x", []])
    def test_padding_that_is_none(self, value):
        assert refusal({"turn_detection": {"prefix_padding_ms": value}}).param == (
            "session.turn_detection.prefix_padding_ms"
        )
