"""The life of a session, in the order of the protocol reference: sections 1 and 2, and its end for other reasons."""

import itertools

import pytest
from tests.protocol.driver import (
    CLEARED,
    COMMITTED,
    COMPLETED,
    CREATED,
    FAILED,
    FINISHED,
    MODEL,
    STOPPED,
    TEXT,
    UPDATED,
    VAD,
    Driver,
    the_error,
    types,
)

from qwen3_asr_realtime.protocol.commands import (
    Close,
    FlushAudio,
)
from qwen3_asr_realtime.protocol.configuration import Support
from qwen3_asr_realtime.protocol.events import SessionFinish
from qwen3_asr_realtime.protocol.items import IllegalTransition
from qwen3_asr_realtime.protocol.session import MALFORMED_FRAMES_MAX
from qwen3_asr_realtime.protocol.states import SESSION_TRANSITIONS, SessionSignal, SessionState

FINISHED_CLOSE = Close(1000, "session finished", await_client=True)
SHUTDOWN_CLOSE = Close(1001, "server shutdown")


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
