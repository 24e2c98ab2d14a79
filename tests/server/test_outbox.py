import pytest

from qwen3_asr_realtime.protocol.commands import Close
from qwen3_asr_realtime.protocol.events import SpeechStopped, TranscriptionText
from qwen3_asr_realtime.server.outbox import ClientNotReading, Outbox


def preview(item_id: str, stash: str) -> TranscriptionText:
    return TranscriptionText(event_id=stash, item_id=item_id, language="en", text="", stash=stash)


def stopped(item_id: str) -> SpeechStopped:
    return SpeechStopped(event_id="e", audio_end_ms=1, item_id=item_id)


async def test_a_newer_preview_takes_the_place_of_a_waiting_one_of_its_item() -> None:
    outbox = Outbox(limit=10)
    for event in (preview("a", "1"), stopped("a"), preview("b", "2"), preview("a", "3")):
        outbox.put(event)
    assert [await outbox.next() for _ in range(3)] == [preview("a", "3"), stopped("a"), preview("b", "2")]


async def test_previews_that_were_not_read_in_time_are_counted() -> None:
    replaced: list[None] = []
    outbox = Outbox(limit=2, on_replaced=lambda: replaced.append(None))
    for event in (preview("a", "1"), preview("b", "2"), preview("a", "3"), preview("b", "4")):
        outbox.put(event)
    assert len(replaced) == 2


async def test_events_that_are_alike_are_all_kept() -> None:
    outbox = Outbox(limit=10)
    outbox.put(stopped("a"))
    outbox.put(stopped("a"))
    assert [await outbox.next() for _ in range(2)] == [stopped("a"), stopped("a")]


async def test_a_sent_preview_is_not_replaced() -> None:
    outbox = Outbox(limit=10)
    outbox.put(preview("a", "1"))
    assert await outbox.next() == preview("a", "1")
    outbox.put(preview("a", "2"))
    assert await outbox.next() == preview("a", "2")


async def test_a_full_outbox_takes_replacements_only() -> None:
    outbox = Outbox(limit=2)
    outbox.put(preview("a", "1"))
    outbox.put(stopped("a"))
    outbox.put(preview("a", "2"))
    with pytest.raises(ClientNotReading):
        outbox.put(Close(1000, "done"))
