from tests.load.material import COMMITTED, COMPLETED, FAILED, item_events, turn

from qwen3_asr_realtime.load.items import match_by_order, match_by_time, read_items
from qwen3_asr_realtime.load.session import Received

TURNS = [turn(1.0), turn(5.0), turn(9.0)]  # two seconds each


def groups(*items):
    """(utterances, transcripts) of each group for items as (start_s, end_s, transcript)."""
    events = [
        event
        for number, (start_s, end_s, transcript) in enumerate(items)
        for event in item_events(f"item_{number}", start_s, end_s, transcript, final_s=end_s + 0.5)
    ]
    return match_by_time(TURNS, read_items(events).items)


def shape(found):
    return [(group.turns, [item.transcript for item in group.items]) for group in found]


def test_one_item_for_each_utterance():
    found = groups((0.9, 2.8, "a"), (4.8, 6.9, "b"), (9.1, 10.8, "c"))
    assert shape(found) == [((0,), ["a"]), ((1,), ["b"]), ((2,), ["c"])]
    assert sum(group.duplicates for group in found) == 0


def test_an_utterance_without_an_item_is_lost():
    assert shape(groups((0.9, 2.8, "a"), (9.1, 10.8, "c"))) == [((0,), ["a"]), ((1,), []), ((2,), ["c"])]


def test_a_pause_within_an_utterance_makes_two_items_of_it():
    found = groups((2.1, 2.9, "later"), (1.0, 2.0, "first"))
    assert shape(found)[0] == ((0,), ["first", "later"])
    assert found[0].transcript == "first later"
    assert found[0].duplicates == 0


def test_an_item_over_two_utterances_joins_them():
    assert shape(groups((1.0, 6.5, "a b"), (9.1, 10.8, "c"))) == [((0, 1), ["a b"]), ((2,), ["c"])]


def test_text_where_nobody_spoke_is_a_stray_and_no_text_is_nothing():
    assert shape(groups((3.5, 4.5, "hum"), (7.5, 8.5, "")))[-2:] == [((2,), []), ((), ["hum"])]


def test_two_items_for_the_same_audio_are_a_duplicate():
    assert [group.duplicates for group in groups((0.9, 2.8, "a"), (1.0, 2.9, "a"))] == [1, 0, 0]


def test_a_second_final_of_an_item_is_a_duplicate():
    events = item_events("a", 1.0, 2.8, "a", final_s=3.3)
    heard = read_items([*events, events[-1]])
    assert match_by_time(TURNS, heard.items)[0].duplicates == 1


def test_in_manual_mode_commits_and_items_come_in_the_same_order():
    events = [
        Received(3.0, {"type": COMMITTED, "item_id": "a"}),
        Received(7.0, {"type": COMMITTED, "item_id": "b"}),
        Received(7.2, {"type": COMPLETED, "item_id": "b", "transcript": "second"}),
        Received(7.3, {"type": COMPLETED, "item_id": "a", "transcript": "first"}),
    ]
    heard = read_items(events, commits_s=[2.9, 6.9])
    assert shape(match_by_order(TURNS, heard.items)) == [((0,), ["first"]), ((1,), ["second"]), ((2,), [])]
    assert [item.stopped_s for item in heard.items] == [2.9, 6.9]


def test_errors_are_counted_by_their_message():
    events = [
        Received(1.0, {"type": "error", "error": {"message": "busy"}}),
        Received(2.0, {"type": FAILED, "item_id": "a", "error": {"message": "busy"}}),
        Received(3.0, {"type": "error"}),
    ]
    heard = read_items(events)
    assert heard.errors == {"busy": 2, "the server gave no reason": 1}
    assert [item.failed for item in heard.items] == [True]


def test_a_trace_is_read_and_nonsense_in_it_is_not():
    events = item_events("a", 1.0, 2.8, "a", final_s=3.3, x_trace={"sent": 430, "note": "hello"})
    assert read_items(events).items[0].trace == {"sent": 430.0}
    assert read_items(item_events("a", 1.0, 2.8, "a", final_s=3.3, x_trace=[1])).items[0].trace == {}
