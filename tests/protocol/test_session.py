"""The session core, in the order of the protocol reference."""

import itertools

import pytest
from tests.protocol.driver import (
    AUDIO,
    CLEARED,
    COMMITTED,
    COMPLETED,
    CREATED,
    FAILED,
    FINISHED,
    MODEL,
    STARTED,
    STOPPED,
    TEXT,
    UPDATED,
    VAD,
    Driver,
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
    StartSegment,
)
from qwen3_asr_realtime.protocol.configuration import Support, TurnDetection
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import AudioAppend, SessionFinish
from qwen3_asr_realtime.protocol.items import IllegalTransition
from qwen3_asr_realtime.protocol.session import (
    MALFORMED_FRAMES_MAX,
    SESSION_TRANSITIONS,
    SessionSignal,
    SessionState,
)

FINISHED_CLOSE = Close(1000, "session finished", await_client=True)
SHUTDOWN_CLOSE = Close(1001, "server shutdown")


def commands_since(driver, action):
    """The commands that an action brings about."""
    before = len(driver.commands)
    action()
    return driver.commands[before:]


class TestSection2LifeCycle:
    def test_greets_at_once_and_with_nothing_else(self):
        driver = Driver()

        assert types(driver.events) == ["session.created"]
        assert driver.events[0]["session"]["id"] == "sess_1"
        assert driver.commands == []

    def test_the_model_is_echoed_in_both_places_before_and_after_an_update(self):
        driver = Driver()
        driver.update()

        for event in driver.events:
            assert event["session"]["model"] == MODEL
            assert event["session"]["input_audio_transcription"]["model"] == MODEL

    def test_a_server_may_start_sessions_in_manual_mode(self):
        driver = Driver(manual=True)

        assert driver.events[0]["session"]["turn_detection"] is None

    def test_a_silent_client_expires_once_what_is_open_has_ended(self):
        driver = Driver(manual=True)
        driver.append()
        item_id = driver.open_item

        driver.carry_out(driver.session.expire())
        assert driver.session.state is SessionState.CLOSING
        assert driver.append() == []
        driver.complete(item_id, "words")

        assert driver.commands[-1] == Close(1000, "idle timeout")
        assert "session.finished" not in [event["type"] for event in driver.events]
        assert driver.session.expire() == []

    def test_whoever_finishes_while_the_server_closes_gets_the_answer(self):
        driver = Driver(manual=True)
        driver.append()
        item_id = driver.open_item
        driver.carry_out(driver.session.expire())

        assert driver.finish() == driver.finish() == []
        assert types(driver.complete(item_id, "words")) == [COMPLETED, FINISHED]
        assert driver.closes == [FINISHED_CLOSE]

    def test_the_transition_table_allows_few_ways_to_one_end(self):
        legal = {
            (SessionState.OPEN, SessionSignal.FINISH): SessionState.FINISHING,
            (SessionState.OPEN, SessionSignal.RETIRE): SessionState.RETIRING,
            (SessionState.OPEN, SessionSignal.CLOSE): SessionState.CLOSING,
            (SessionState.RETIRING, SessionSignal.FINISH): SessionState.FINISHING,
            (SessionState.RETIRING, SessionSignal.CLOSE): SessionState.CLOSING,
            (SessionState.CLOSING, SessionSignal.FINISH): SessionState.FINISHING,
            (SessionState.CLOSING, SessionSignal.DRAINED): SessionState.CLOSED,
            (SessionState.FINISHING, SessionSignal.DRAINED): SessionState.FINISHED,
        }

        assert {
            (state, signal): to for state, row in SESSION_TRANSITIONS.items() for signal, to in row.items()
        } == legal
        assert SESSION_TRANSITIONS.keys() == set(SessionState)

    @pytest.mark.parametrize(("state", "signal"), list(itertools.product(SessionState, SessionSignal)))
    def test_a_signal_the_table_does_not_name_changes_nothing(self, state, signal):
        session = Driver().session
        session.state = state

        if signal not in SESSION_TRANSITIONS[state]:
            with pytest.raises(IllegalTransition):
                session._signal(signal)
            assert session.state is state


class TestServerShutdown:
    def test_a_session_without_an_open_item_is_closed_at_once(self):
        driver = Driver()
        driver.append()

        driver.carry_out(driver.session.retire())

        assert driver.closes == [SHUTDOWN_CLOSE]
        assert types(driver.events) == ["session.created"]

    def test_a_final_on_its_way_is_waited_for(self):
        driver = Driver()
        item_id = driver.turn()
        driver.carry_out(driver.session.retire())

        assert driver.closes == []
        assert types(driver.complete(item_id, "words")) == [COMPLETED]
        assert driver.closes == [SHUTDOWN_CLOSE]

    def test_a_turn_goes_on_and_the_session_is_closed_after_it(self):
        driver = Driver()
        item_id = driver.start_speech()
        driver.carry_out(driver.session.retire())
        driver.append()
        assert types(driver.preview(item_id, stash="wor")) == [TEXT]
        assert driver.update(input_audio_transcription={"language": "en"}) != []
        assert driver.session.state is SessionState.RETIRING

        driver.stop_speech()
        driver.append()

        assert driver.session.state is SessionState.CLOSING
        assert types(driver.complete(item_id, "words")) == [COMPLETED]
        assert driver.closes == [SHUTDOWN_CLOSE]

    def test_a_turn_that_begins_in_the_frame_in_which_another_ends_goes_on_too(self):
        driver = Driver()
        driver.start_speech()
        driver.carry_out(driver.session.retire())

        driver.stop_speech()
        driver.start_speech()
        driver.carry_out(driver.session.settled())

        assert driver.session.state is SessionState.RETIRING

    def test_in_manual_mode_the_commit_is_waited_for(self):
        driver = Driver(manual=True)
        driver.append()
        driver.carry_out(driver.session.retire())
        assert driver.append() == []

        driver.commit()
        driver.complete(driver.open_item, "words")

        assert driver.events[-1]["transcript"] == "words"
        assert driver.closes == [SHUTDOWN_CLOSE]

    def test_who_clears_what_was_open_is_closed(self):
        driver = Driver(manual=True)
        driver.append()
        driver.carry_out(driver.session.retire())

        assert types(driver.clear()) == [CLEARED]
        assert driver.closes == [SHUTDOWN_CLOSE]

    def test_who_finishes_is_answered_as_ever(self):
        driver = Driver()
        item_id = driver.start_speech()
        driver.carry_out(driver.session.retire())

        driver.finish()

        assert types(driver.complete(item_id, "words")) == [COMPLETED, FINISHED]
        assert driver.closes == [FINISHED_CLOSE]

    @pytest.mark.parametrize("retired", [False, True])
    def test_when_time_is_over_the_turn_is_ended_and_its_final_sent(self, retired):
        driver = Driver()
        item_id = driver.start_speech()
        driver.append()
        if retired:
            driver.carry_out(driver.session.retire())

        assert types(driver.carry_out(driver.session.cut())) == [STOPPED, COMMITTED, CREATED]
        assert driver.session.cut() == driver.session.retire() == []
        assert types(driver.complete(item_id, "words")) == [COMPLETED]
        assert driver.closes == [SHUTDOWN_CLOSE]

    def test_speech_held_back_when_the_session_retires_is_recognised(self):
        driver = Driver()
        driver.append()

        [flush] = driver.session.retire()
        assert flush == FlushAudio()
        item_id = driver.start_speech()
        driver.carry_out([flush])

        assert types(driver.complete(item_id, "words")) == [COMPLETED]
        assert driver.closes == [SHUTDOWN_CLOSE]


class TestSection23Finish:
    def test_as_the_very_first_event(self):
        driver = Driver()

        assert types(driver.finish()) == [FINISHED]
        assert driver.closes == [FINISHED_CLOSE]

    @pytest.mark.parametrize("manual", [False, True])
    def test_directly_after_an_update(self, manual):
        driver = Driver(manual=manual)
        driver.update(input_audio_format="pcm16")

        assert types(driver.finish()) == [FINISHED]

    def test_after_silence_only(self):
        driver = Driver()
        driver.append(5000)

        assert types(driver.finish()) == [FINISHED]

    def test_in_mid_speech_ends_the_turn_first(self):
        driver = Driver()
        driver.append(500)
        item = driver.start_speech()
        driver.append(2000)

        assert types(driver.finish()) == [STOPPED, COMMITTED, CREATED]
        assert types(driver.complete(item, "hello")) == [COMPLETED, FINISHED]

    def test_with_uncommitted_audio_in_manual_mode_is_a_commit(self):
        driver = Driver(manual=True)
        driver.append()

        assert types(driver.finish()) == [COMMITTED, CREATED]
        assert types(driver.complete(driver.open_item, "hello")) == [COMPLETED, FINISHED]

    def test_waits_for_every_item(self):
        driver = Driver()
        first, second = driver.turn(), driver.turn()

        assert types(driver.finish()) == []
        assert types(driver.complete(first)) == [COMPLETED]
        assert types(driver.fail(second)) == [FAILED, FINISHED]

    def test_after_everything_is_done_is_answered_at_once(self):
        driver = Driver()
        driver.complete(driver.turn(), "hello")

        assert types(driver.finish()) == [FINISHED]

    def test_does_not_end_while_the_last_audio_is_still_looked_at(self):
        """Recognition of an earlier item may end at that very moment, and the last audio may hold one more."""
        driver = Driver()
        first = driver.turn()
        outputs = driver.session.receive(SessionFinish())
        assert outputs == [FlushAudio()]
        assert types(driver.complete(first)) == [COMPLETED]

        last = driver.start_speech()
        driver.stop_speech()
        driver.carry_out(driver.session.audio_flushed())

        assert FINISHED not in types(driver.events)
        assert types(driver.complete(last)) == [COMPLETED, FINISHED]

    def test_carries_all_finals_joined(self):
        driver = Driver()
        items = [driver.turn() for _ in range(4)]
        driver.complete(items[0], "Hello there.")
        driver.complete(items[1], "")
        driver.fail(items[2])
        driver.complete(items[3], "Bye.")

        assert driver.finish()[-1]["transcript"] == "Hello there. Bye."

    def test_transcript_can_be_left_out(self):
        driver = Driver(finished_transcript=False)
        driver.complete(driver.turn(), "hello")

        assert driver.finish()[-1].keys() == {"event_id", "type"}

    @pytest.mark.parametrize("drained", [False, True])
    def test_silence_after_it(self, drained):
        """Microphone threads race it, and an `error` would turn into an exception in the SDK's `end_session`."""
        driver = Driver(manual=True)
        driver.append()
        driver.finish()
        if drained:
            driver.complete(driver.open_item)
        before = len(driver.events), len(driver.commands)

        driver.append()
        driver.commit()
        driver.clear()
        driver.finish()
        driver.update(sample_rate=1)
        driver.send("conversation.item.create")
        for _ in range(MALFORMED_FRAMES_MAX):
            driver.send_frame("{")

        assert (len(driver.events), len(driver.commands)) == before

    def test_previews_still_come_after_it(self):
        driver = Driver()
        item = driver.turn()
        driver.finish()

        assert types(driver.preview(item, stash="hel")) == [TEXT]


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


class TestSection4Fields:
    def test_ids_are_never_used_twice(self):
        driver = Driver()
        driver.complete(driver.turn(), "x")
        driver.finish()
        ids = [event["event_id"] for event in driver.events]

        assert len(set(ids)) == len(ids)

    def test_milliseconds_are_whole_and_on_the_session_s_timeline(self):
        driver = Driver()
        driver.append(10_000)
        driver.carry_out(driver.session.speech_started(16_007))
        driver.carry_out(driver.session.speech_stopped(63_999))

        assert driver.events[1]["audio_start_ms"] == 1000
        assert driver.events[2]["audio_end_ms"] == 3999

    def test_previous_item_ids_form_a_chain(self):
        driver = Driver()
        items = [driver.turn() for _ in range(3)]

        committed = [event for event in driver.events if event["type"] == COMMITTED]
        created = [event for event in driver.events if event["type"] == CREATED]
        assert [event["item_id"] for event in committed] == items
        assert [event["item"]["id"] for event in created] == items
        assert [event["previous_item_id"] for event in committed] == ["", *items[:-1]]
        assert [event["previous_item_id"] for event in created] == ["", *items[:-1]]

    @pytest.mark.parametrize("manual", [False, True])
    def test_usage_is_the_session_s_seconds_so_far_rounded_up(self, manual):
        driver = Driver(manual=manual)
        for duration_ms in (1000, 1001, 2000):
            if manual:
                driver.append(duration_ms)
                driver.commit()
            else:
                driver.turn(duration_ms)
            driver.complete(driver.open_item, "x")

        durations = [event["usage"]["duration"] for event in driver.events if event["type"] == COMPLETED]
        assert durations == [1, 3, 5]

    def test_usage_counts_up_to_the_end_of_the_item_s_speech(self):
        driver = Driver()
        item = driver.start_speech()
        driver.append(3000)
        driver.stop_speech(1900)

        assert driver.complete(item, "x")[0]["usage"] == {"duration": 2}

    def test_language_is_the_requested_one_as_spelt_else_the_detected_one(self):
        driver = Driver()
        detected = driver.turn()
        driver.update(input_audio_transcription={"language": "zh-CN"})
        requested = driver.turn()

        assert driver.preview(detected, stash="a", language="en")[0]["language"] == "en"
        assert driver.complete(detected, "a", "en")[0]["language"] == "en"
        assert driver.preview(requested, stash="a", language="en")[0]["language"] == "zh-CN"
        assert driver.complete(requested, "a", "en")[0]["language"] == "zh-CN"

    def test_nothing_said_is_completed_with_empty_strings(self):
        driver = Driver()
        driver.update(input_audio_transcription={"language": "zh"})

        [event] = driver.complete(driver.turn(), "")

        assert (event["transcript"], event["language"], event["emotion"]) == ("", "", "")

    def test_a_failure_names_its_reason_and_the_session_goes_on(self):
        driver = Driver()

        [event] = driver.fail(driver.turn())

        assert event["error"] == {"code": "server_error", "message": "broken", "param": None}
        assert types(driver.complete(driver.turn(), "x")) == [COMPLETED]


class TestSection51VadOrder:
    def test_one_turn(self):
        driver = Driver()
        driver.append(2000)
        item = driver.start_speech(1240)
        driver.append(2000)
        driver.preview(item, stash="hel")
        driver.preview(item, text="hello", stash=" wor")
        driver.append(1000)
        driver.stop_speech(4180)
        driver.preview(item, text="hello", stash=" world")
        driver.complete(item, "Hello, world.", "en")

        assert types(driver.events[1:]) == [STARTED, TEXT, TEXT, STOPPED, COMMITTED, CREATED, TEXT, COMPLETED]
        assert {event.get("item_id") or event["item"]["id"] for event in driver.events[1:]} == {item}
        assert [type(command) for command in driver.commands] == [
            AddAudio,
            OpenUtterance,
            StartSegment,
            AddAudio,
            AddAudio,
            EndSegment,
            FinishUtterance,
        ]

    def test_a_noise_turn_has_the_whole_sequence(self):
        driver = Driver()
        driver.complete(driver.turn())

        assert types(driver.events[1:]) == [STARTED, STOPPED, COMMITTED, CREATED, COMPLETED]

    def test_the_next_turn_may_start_before_the_last_one_is_recognised(self):
        driver = Driver()
        first = driver.turn()
        second = driver.start_speech()

        assert types(driver.events[-1:]) == [STARTED]
        assert types(driver.complete(first)) == [COMPLETED]
        assert types(driver.preview(second, stash="x")) == [TEXT]

    def test_no_preview_of_an_item_before_the_end_of_the_one_before(self):
        driver = Driver()
        first = driver.turn()
        second = driver.start_speech()

        assert driver.preview(second, stash="wor") == []
        assert driver.preview(second, text="wor", stash="ld") == []
        assert types(driver.preview(first, stash="hello")) == [TEXT]
        events = driver.complete(first, "Hello")

        assert types(events) == [COMPLETED, TEXT]
        assert (events[1]["item_id"], events[1]["text"], events[1]["stash"]) == (second, "wor", "ld")

    def test_a_held_item_without_preview_shows_none_when_its_turn_comes(self):
        driver = Driver()
        first = driver.turn()
        driver.start_speech()

        assert types(driver.complete(first)) == [COMPLETED]

    def test_finals_wait_for_the_ones_before(self):
        driver = Driver()
        first, second, third, fourth = (driver.turn() for _ in range(4))
        driver.preview(first, stash="one")
        driver.preview(second, stash="two")
        driver.preview(fourth, stash="fo")

        assert driver.complete(second, "two") == []
        assert driver.fail(third) == []
        events = driver.complete(first, "one")

        assert types(events) == [COMPLETED, COMPLETED, FAILED, TEXT]
        assert [event["item_id"] for event in events] == [first, second, third, fourth]

    def test_nothing_about_an_item_after_its_end(self):
        driver = Driver()
        first, second = driver.turn(), driver.turn()
        driver.complete(second, "two")

        assert driver.preview(second, text="two") == []
        assert types(driver.complete(first, "one")) == [COMPLETED, COMPLETED]
        assert driver.preview(first, text="one") == []


class TestSection52ManualOrder:
    def test_one_turn(self):
        driver = Driver(manual=True)
        driver.append()
        item = driver.open_item
        driver.start_speech(0)
        driver.preview(item, stash="hel")
        driver.append()
        driver.preview(item, text="hello")
        driver.commit()
        driver.preview(item, text="hello", stash="!")
        driver.complete(item, "Hello!")

        assert types(driver.events[1:]) == [TEXT, TEXT, COMMITTED, CREATED, TEXT, COMPLETED]
        assert {event.get("item_id") or event["item"]["id"] for event in driver.events[1:]} == {item}

    def test_pauses_are_segments_of_one_item(self):
        driver = Driver(manual=True)
        driver.append()
        item = driver.open_item
        for start_ms, end_ms in ((100, 900), (2000, 2900)):
            driver.start_speech(start_ms)
            driver.append()
            assert driver.stop_speech(end_ms) == []

        segments = [command for command in driver.commands if isinstance(command, StartSegment | EndSegment)]
        assert segments == [
            StartSegment(item, 1_600),
            EndSegment(item, 14_400),
            StartSegment(item, 32_000),
            EndSegment(item, 46_400),
        ]

    def test_audio_after_a_commit_is_the_next_item(self):
        driver = Driver(manual=True)
        driver.append()
        first = driver.open_item
        driver.commit()
        driver.append()
        second = driver.open_item

        assert first != second
        assert driver.preview(second, stash="next") == []
        assert types(driver.complete(first, "x")) == [COMPLETED, TEXT]


class TestSection6TextAndStash:
    def test_unchanged_previews_are_sent_once(self):
        driver = Driver()
        item = driver.start_speech()

        assert types(driver.preview(item, text="a", stash="b")) == [TEXT]
        assert driver.preview(item, text="a", stash="b") == []
        assert types(driver.preview(item, text="ab")) == [TEXT]

    def test_an_empty_preview_is_not_sent(self):
        driver = Driver()
        item = driver.start_speech()

        assert driver.preview(item) == []
        driver.preview(item, stash="um")
        assert driver.preview(item) == []
        assert types(driver.preview(item, stash="uh")) == [TEXT]

    @pytest.mark.parametrize("text", ["", "hell", "help", "Hello"])
    def test_confirmed_text_is_never_taken_back(self, text):
        """The ancestor guessed what was confirmed from a number of characters."""
        driver = Driver()
        item = driver.start_speech()
        driver.preview(item, text="hello")

        assert driver.preview(item, text=text, stash="x") == []
        assert driver.session.retractions_prevented == 1
        assert driver.preview(item, text="hello", stash="!")[0]["text"] == "hello"

    def test_the_final_may_differ_from_what_was_confirmed(self):
        driver = Driver()
        item = driver.turn()
        driver.preview(item, text="hello")

        assert driver.complete(item, "Yellow.")[0]["transcript"] == "Yellow."
        assert driver.session.retractions_prevented == 0


class TestReportsThatCannotBeTrue:
    """A defect of ours, which must not reach the client as a broken order of events."""

    @pytest.mark.parametrize("end", [Driver.complete, Driver.fail])
    @pytest.mark.parametrize("state", ["unknown", "open", "ended", "ended early", "cleared"])
    def test_an_end_of_an_item_that_is_not_committed(self, end, state):
        driver = Driver()
        first = driver.turn()
        item = driver.turn() if state == "ended early" else driver.start_speech()
        match state:
            case "unknown":
                item = "item_unknown"
            case "ended":
                item = first
                driver.complete(first)
            case "ended early":
                driver.complete(item)
            case "cleared":
                driver.clear()
        before = list(driver.events)

        with pytest.raises(IllegalTransition):
            end(driver, item)

        assert driver.events == before

    def test_the_end_of_speech_that_never_began(self):
        driver = Driver()

        with pytest.raises(IllegalTransition):
            driver.stop_speech()

    def test_speech_in_manual_mode_without_an_item(self):
        driver = Driver(manual=True)

        with pytest.raises(IllegalTransition):
            driver.start_speech()

    def test_speech_that_starts_within_speech(self):
        driver = Driver()
        item = driver.start_speech()

        with pytest.raises(IllegalTransition):
            driver.start_speech()

        driver.stop_speech()
        driver.complete(item)
        assert types(driver.finish()) == [FINISHED]


def test_a_limited_engine_is_named_to_the_client():
    support = Support(turn_detection=VAD, audio_formats=("pcm",), languages=frozenset({"en"}), engine="embedded, tiny")
    driver = Driver(support=support)

    error = the_error(driver.update(input_audio_transcription={"language": "zh"}))

    assert "embedded, tiny" in error["message"]
    assert types(driver.update(input_audio_transcription={"language": "en"})) == [UPDATED]
