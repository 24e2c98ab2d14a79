"""What the session core makes of each client event: section 3 of the protocol reference."""

import pytest
from tests.protocol.driver import (
    AUDIO,
    CLEARED,
    COMMITTED,
    COMPLETED,
    CREATED,
    FINISHED,
    MODEL,
    STOPPED,
    UPDATED,
    Driver,
    commands_since,
    the_error,
    types,
)

from qwen3_asr_realtime.protocol.commands import (
    AddAudio,
    CancelUtterance,
    Close,
    ConfigureDetection,
    ConfigureIntake,
    DiscardAudio,
    EndSegment,
    FinishUtterance,
    FlushAudio,
    OpenUtterance,
)
from qwen3_asr_realtime.protocol.configuration import TurnDetection
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import AudioAppend
from qwen3_asr_realtime.protocol.session import MALFORMED_FRAMES_MAX


class TestSection31SessionUpdate:
    def test_answers_with_the_whole_configuration(self):
        driver = Driver()

        [event] = driver.update(
            input_audio_transcription={"language": "zh", "corpus": {"text": "浦东"}},
            turn_detection={"type": "server_vad", "threshold": 0.2, "silence_duration_ms": 800},
        )

        assert event["type"] == UPDATED
        assert event["session"] == {
            **driver.events[0]["session"],
            "input_audio_transcription": {"model": MODEL, "language": "zh", "corpus": {"text": "浦东"}},
            "turn_detection": {"type": "server_vad", "threshold": 0.2, "silence_duration_ms": 800},
        }

    @pytest.mark.parametrize(
        ("session", "param"),
        [
            ({"sample_rate": 44100}, "session.sample_rate"),
            ({"input_audio_format": "mp3"}, "session.input_audio_format"),
            ({"input_audio_transcription": {"language": "xx"}}, "session.input_audio_transcription.language"),
            ({"turn_detection": {"threshold": 2}}, "session.turn_detection.threshold"),
            ({"turn_detection": {"silence_duration_ms": 100}}, "session.turn_detection.silence_duration_ms"),
        ],
    )
    def test_an_invalid_one_is_an_error_and_changes_nothing(self, session, param):
        driver = Driver()
        before = driver.session.configuration

        error = the_error(driver.send("session.update", event_id="event_123", session={"sample_rate": 8000} | session))

        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", param, "event_123")
        assert driver.session.configuration == before
        assert commands_since(driver, driver.update) == []

    def test_without_a_session(self):
        assert the_error(Driver().send("session.update"))["param"] == "session"

    def test_any_number_of_times_before_audio(self):
        driver = Driver()

        assert types(driver.update(turn_detection=None) + driver.update(turn_detection={})) == [UPDATED, UPDATED]

    def test_only_what_changed_is_set_up_anew(self):
        driver = Driver()

        assert commands_since(driver, lambda: driver.update(turn_detection={"threshold": 0.3})) == [
            ConfigureDetection(TurnDetection(0.3, 400, 300))
        ]
        assert commands_since(driver, lambda: driver.update(sample_rate=8000)) == [
            DiscardAudio(),
            ConfigureIntake("pcm", 8000),
        ]
        assert commands_since(driver, lambda: driver.update(sample_rate=8000, turn_detection={"threshold": 0.3})) == []

    def test_takes_effect_before_the_audio_behind_it(self):
        driver = Driver()
        driver.update(
            turn_detection=None, input_audio_transcription={"language": "de-DE", "corpus": {"text": "Ahrweiler"}}
        )
        driver.append()

        assert driver.commands[-2:] == [
            AddAudio(AUDIO, None),
            OpenUtterance(driver.open_item, language="de", context="Ahrweiler"),
        ]

    def test_language_context_and_thresholds_may_change_within_an_item_and_count_from_the_next(self):
        driver = Driver()
        first = driver.start_speech()
        [event] = driver.update(
            input_audio_transcription={"language": "ja"}, turn_detection={"threshold": 0.5, "silence_duration_ms": 900}
        )
        assert event["type"] == UPDATED
        driver.append()
        driver.stop_speech()
        second = driver.turn()

        assert driver.complete(first, "hello", "en")[0]["language"] == "en"
        assert driver.complete(second, "もしもし", "en")[0]["language"] == "ja"
        assert [c.language for c in driver.commands if isinstance(c, OpenUtterance)] == [None, "ja"]

    @pytest.mark.parametrize("manual", [False, True])
    @pytest.mark.parametrize(
        ("session", "param"),
        [
            ({"sample_rate": 8000}, "session.sample_rate"),
            ({"input_audio_format": "wav"}, "session.input_audio_format"),
            ("other mode", "session.turn_detection"),
        ],
    )
    def test_mode_and_format_may_not_change_within_an_item(self, manual, session, param):
        driver = Driver(manual=manual)
        driver.append()
        if not manual:
            driver.start_speech()
        if session == "other mode":
            session = {"turn_detection": {} if manual else None}

        assert the_error(driver.update(**session))["param"] == param
        assert driver.session.configuration.sample_rate == 16000

        driver.commit()
        assert types(driver.update(**session)) == [UPDATED]

    def test_mode_may_change_between_items_while_earlier_ones_are_recognised(self):
        driver = Driver()
        first = driver.turn()
        assert types(driver.update(turn_detection=None)) == [UPDATED]
        driver.append()
        second = driver.open_item
        driver.commit()

        assert second != first
        assert types(driver.complete(first)) == [COMPLETED]
        assert types(driver.complete(second)) == [COMPLETED]


class TestSection32Append:
    def test_is_never_acknowledged(self):
        driver = Driver()

        assert commands_since(driver, driver.append) == [AddAudio(AUDIO, None)]
        assert types(driver.events) == ["session.created"]

    def test_before_any_update_counts(self):
        """The ancestor dropped it without a word."""
        driver = Driver(manual=True)
        driver.append()

        assert types(driver.commit()) == [COMMITTED, CREATED]

    def test_empty_audio_is_ignored(self):
        driver = Driver(manual=True)

        assert commands_since(driver, lambda: driver.send("input_audio_buffer.append", audio="")) == []
        assert the_error(driver.commit())["code"] == "input_audio_buffer_commit_empty"

    def test_too_much_in_one_event(self):
        driver = Driver(append_chars_max=8)

        assert commands_since(driver, lambda: driver.send("input_audio_buffer.append", audio="A" * 8)) == [
            AddAudio("A" * 8, None)
        ]
        error = the_error(driver.send("input_audio_buffer.append", audio="A" * 12, event_id="mine"))

        assert (error["param"], error["event_id"]) == ("audio", "mine")
        assert isinstance(driver.commands[-1], AddAudio)
        assert driver.commands[-1].audio == "A" * 8

    def test_the_documented_limit_is_the_default(self):
        driver = Driver()

        assert driver.session.receive(AudioAppend(audio="A" * (15 * 1024 * 1024))) != []
        [event] = driver.session.receive(AudioAppend(audio="A" * (15 * 1024 * 1024 + 1)))
        assert event.error.param == "audio"

    def test_audio_that_cannot_be_used_is_an_error_with_its_own_id(self):
        driver = Driver()

        error = the_error(
            driver.carry_out(driver.session.refuse(ProtocolError("not base64", param="audio", event_id="event_9")))
        )

        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "audio", "event_9")


class TestSection33Commit:
    def test_manual(self):
        driver = Driver(manual=True)
        driver.append()

        assert types(driver.commit()) == [COMMITTED, CREATED]
        assert driver.commands[-1] == FinishUtterance(driver.open_item)

    def test_manual_brings_out_what_is_held_back_first(self):
        driver = Driver(manual=True)
        driver.append()
        driver.start_speech(0)

        assert commands_since(driver, driver.commit) == [
            FlushAudio(),
            EndSegment(driver.open_item, 16000),
            FinishUtterance(driver.open_item),
        ]

    def test_several_on_one_connection(self):
        driver = Driver(manual=True)
        items = []
        for _ in range(3):
            driver.append()
            items.append(driver.open_item)
            driver.commit()
            driver.complete(driver.open_item, "x")

        assert len(set(items)) == 3
        assert types(driver.events[1:]) == [COMMITTED, CREATED, COMPLETED] * 3

    def test_nothing_ever_appended(self):
        driver = Driver(manual=True)

        error = the_error(driver.send("input_audio_buffer.commit", event_id="event_commit"))

        assert error["code"] == "input_audio_buffer_commit_empty"
        assert error["message"] == "Error committing input audio buffer: buffer too small, or have no audio."
        assert error["event_id"] == "event_commit"
        driver.append()
        assert types(driver.commit()) == [COMMITTED, CREATED]

    def test_one_too_many_is_ignored(self):
        """Real clients send one right before `session.finish`, and an error there breaks them."""
        driver = Driver(manual=True)
        driver.append()
        driver.commit()

        assert driver.commit() == []
        driver.complete(driver.open_item)
        assert driver.commit() == []
        assert types(driver.finish()) == [FINISHED]

    def test_after_a_clear_is_one_too_many(self):
        driver = Driver(manual=True)
        driver.append()
        driver.clear()

        assert driver.commit() == []

    def test_vad_ends_the_open_turn(self):
        driver = Driver()
        item = driver.start_speech()
        driver.append()

        assert types(driver.commit()) == [STOPPED, COMMITTED, CREATED]
        assert types(driver.complete(item, "x")) == [COMPLETED]

    @pytest.mark.parametrize("appended_ms", [0, 1000])
    def test_vad_without_speech_is_ignored(self, appended_ms):
        driver = Driver()
        if appended_ms:
            driver.append(appended_ms)

        assert driver.commit() == []

    def test_vad_strict(self):
        driver = Driver(vad_commit="error")
        item = driver.start_speech()
        driver.append()

        error = the_error(driver.commit())

        assert (error["code"], error["param"]) == ("invalid_value", "type")
        assert types(driver.stop_speech()) == [STOPPED, COMMITTED, CREATED]
        assert types(driver.complete(item, "x")) == [COMPLETED]

    def test_strict_does_not_concern_manual_mode(self):
        driver = Driver(manual=True, vad_commit="error")
        driver.append()

        assert types(driver.commit()) == [COMMITTED, CREATED]


class TestSection35OtherEvents:
    def test_clear_in_manual_mode_forgets_the_item(self):
        driver = Driver(manual=True)
        driver.append()
        item = driver.open_item
        driver.preview(item, stash="never mi")

        assert commands_since(driver, driver.clear) == [DiscardAudio(), CancelUtterance(item)]
        assert types(driver.events)[-1] == CLEARED
        assert driver.preview(item, stash="never mind") == []

    def test_clear_in_vad_mode_drops_the_open_turn_without_an_end(self):
        driver = Driver()
        item = driver.start_speech()

        assert types(driver.clear()) == [CLEARED]
        assert CancelUtterance(item) in driver.commands
        driver.speaking = False
        assert types(driver.finish()) == [FINISHED]

    def test_clear_with_nothing_to_clear(self):
        driver = Driver()

        assert types(driver.clear()) == [CLEARED]
        assert driver.commands[-1] == DiscardAudio()

    def test_clear_leaves_committed_items_alone(self):
        driver = Driver(manual=True)
        driver.append()
        first = driver.open_item
        driver.commit()
        driver.append()

        driver.clear()

        assert types(driver.complete(first, "kept")) == [COMPLETED]

    def test_a_cleared_item_is_no_previous_item(self):
        driver = Driver(manual=True)
        driver.append()
        first = driver.open_item
        driver.commit()
        driver.append()
        driver.clear()
        driver.append()

        assert driver.commit()[0]["previous_item_id"] == first

    @pytest.mark.parametrize("type_", ["response.create", "response.cancel"])
    def test_habits_of_sdk_samples_are_ignored(self, type_):
        driver = Driver()

        assert driver.send(type_, response={}) == []

    @pytest.mark.parametrize(
        "type_",
        [
            "conversation.item.create",
            "input_image_buffer.append",
            "transcription_session.update",
            "hello",
            "x" * 100_000,
        ],
    )
    def test_events_of_other_protocols(self, type_):
        driver = Driver()

        error = the_error(driver.send(type_, event_id="event_1"))

        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "event_1")
        assert len(error["message"]) < 1000
        assert driver.closes == []

    def test_a_row_of_malformed_frames_ends_the_connection(self):
        driver = Driver()
        for _ in range(MALFORMED_FRAMES_MAX - 1):
            assert the_error(driver.send_frame("{"))["code"] == "invalid_json"
        assert driver.closes == []

        the_error(driver.send_frame("{}"))

        assert driver.closes == [Close(1007, "20 malformed events in a row")]

    @pytest.mark.parametrize("between", ["event", "other refusal"])
    def test_anything_that_is_an_event_breaks_the_row(self, between):
        driver = Driver()
        for _ in range(3):
            for _ in range(MALFORMED_FRAMES_MAX - 1):
                driver.send_frame("{")
            if between == "event":
                driver.send("unheard.of")
            else:
                driver.carry_out(driver.session.refuse(ProtocolError("binary")))

        assert driver.closes == []
