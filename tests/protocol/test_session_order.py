"""What clients may rely on in fields, order and text: sections 4 to 6 of the protocol reference."""

import pytest
from tests.protocol.driver import (
    COMMITTED,
    COMPLETED,
    CREATED,
    FAILED,
    STARTED,
    STOPPED,
    TEXT,
    Driver,
    types,
)

from qwen3_asr_realtime.protocol.commands import (
    AddAudio,
    EndSegment,
    FinishUtterance,
    OpenUtterance,
    StartSegment,
)


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
