"""Standing rules: what must hold on every connection, whatever is sent. Each takes a log and raises `Mismatch`."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from qwen3_asr_realtime.conformance.events import (
    CLEARED,
    COMMITTED,
    COMPLETED,
    CREATED,
    ERROR,
    FAILED,
    FIELDS,
    FINISH,
    FINISHED,
    ITEM_CREATED,
    STARTED,
    STOPPED,
    TEXT,
    UPDATED,
    item_id_of,
)
from qwen3_asr_realtime.conformance.log import Log, value_at
from qwen3_asr_realtime.conformance.predicates import Memory, Mismatch, differences, shown, undocumented
from qwen3_asr_realtime.conformance.speech import words
from qwen3_asr_realtime.conformance.vocabulary import StandingRule

SMALL_EVENT_BYTES = 6144
"""The largest event that one embedded client reads."""

PREVIEWS_PER_S = 5.0
"""Previews of one item come at most every 200 ms."""

PREVIEWS_AHEAD = 2
"""Previews that may come sooner than that: the first, and one that the network held up."""

_MAY_BE_NULL = (
    "session.turn_detection",
    "item.content[0].transcript",
    "error.param",
    "error.event_id",
    "previous_item_id",  # unknown of the cloud; the rules about these fields ask for a string
)
_ENDS = (COMPLETED, FAILED)

_LIFE: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("unborn in VAD mode", STARTED): "spoken",
        ("spoken", TEXT): "spoken",
        ("spoken", STOPPED): "stopped",
        ("stopped", TEXT): "stopped",
        ("stopped", COMMITTED): "committed",
        ("unborn in Manual mode", TEXT): "filling",
        ("unborn in Manual mode", COMMITTED): "committed",
        ("filling", TEXT): "filling",
        ("filling", COMMITTED): "committed",
        ("committed", TEXT): "committed",
        ("committed", ITEM_CREATED): "announced",
        ("announced", TEXT): "announced",
        ("announced", COMPLETED): "ended",
        ("announced", FAILED): "ended",
    }
)
"""The life of an item as its events show it; whatever is not in here is out of order."""


# --- frames ----------------------------------------------------------------------------------------------------------


def frames_are_events(log: Log) -> None:
    """Every frame is a text frame with one JSON object that has a string `type`."""
    for entry in log.received():
        if not entry.type:
            raise Mismatch("a text frame with a JSON object and a string 'type'", entry.content)


def types_are_documented(log: Log) -> None:
    """Only the event types of section 4."""
    for entry in log.received():
        if entry.type and entry.type not in FIELDS:
            raise Mismatch("an event type of section 4", entry.type)


def fields_of(*types: str) -> StandingRule:
    """A rule: events of these types have all their fields, each of its JSON type."""

    def rule(log: Log) -> None:
        for event in log.events(*types):
            for difference in differences(FIELDS[event["type"]], event, Memory()):
                raise Mismatch(f"{event['type']} with {difference.expected}", difference.got)

    return rule


def no_undocumented_fields(log: Log) -> None:
    """No event has more fields than section 4 gives it."""
    for event in log.events(*FIELDS):
        for name in undocumented(FIELDS[event["type"]], event):
            raise Mismatch(f"{event['type']} without further fields", name)


def nothing_is_null(log: Log) -> None:
    """Null only where the documentation has it: clients read strings without asking."""
    for event in log.events():
        for name in _nulls(event):
            if name not in _MAY_BE_NULL:
                raise Mismatch(f"{event.get('type')}: {name} is not null", "null")


def event_ids_are_unique(log: Log) -> None:
    """No two events of a connection have the same id."""
    seen: set[object] = set()
    for event in log.events():
        event_id = event.get("event_id")
        if event_id in seen:
            raise Mismatch("an event id that was not used before", shown(event_id))
        seen.add(event_id)


def events_are_small(log: Log) -> None:
    """All but echoed configurations and finals fit into what an embedded client reads."""
    for entry in log.received():
        if entry.type not in (UPDATED, COMPLETED, FINISHED) and entry.size > SMALL_EVENT_BYTES:
            raise Mismatch(f"{entry.type} of at most {SMALL_EVENT_BYTES} bytes", f"{entry.size} bytes")


# --- session ---------------------------------------------------------------------------------------------------------


def created_is_first_and_only(log: Log) -> None:
    """`session.created` is the first event, once; a refused session has an `error` in its place."""
    types = [entry.type for entry in log.received()]
    if types and types[0] not in (CREATED, ERROR):
        raise Mismatch(f"{CREATED} first", types[0])
    if types.count(CREATED) > 1:
        raise Mismatch(f"one {CREATED}", f"{types.count(CREATED)}")


def session_stays_the_same(log: Log) -> None:
    """`session.updated` has the id and the model of `session.created`."""
    events = log.events(CREATED, UPDATED)
    for event in events[1:]:
        for name in ("id", "model"):
            first, now = (value_at(each, "session", name) for each in (events[0], event))
            if now != first:
                raise Mismatch(f"session.{name}: {shown(first)}", shown(now))


def finished_is_asked_for_and_last(log: Log) -> None:
    """`session.finished` answers `session.finish`, comes once, and nothing comes after it."""
    asked = finished = False
    for entry in log.entries:
        asked = asked or (entry.kind == "sent" and entry.type == FINISH)
        if entry.kind != "received":
            continue
        if finished:
            raise Mismatch(f"nothing after {FINISHED}", entry.type)
        finished = entry.type == FINISHED
        if finished and not asked:
            raise Mismatch(f"{FINISHED} only after session.finish", FINISHED)


def no_error_after_finish(log: Log) -> None:
    """Python's `end_session()` raises at any `error` while it waits."""
    asked = False
    for entry in log.entries:
        asked = asked or (entry.kind == "sent" and entry.type == FINISH)
        if asked and entry.type == ERROR and entry.kind == "received":
            raise Mismatch("no error after session.finish", entry.content)


# --- items -----------------------------------------------------------------------------------------------------------


def items_live_in_order(log: Log) -> None:
    """Every item goes through the events of its mode in their order, and has ended by `session.finished`."""
    lives: dict[str, str] = {}
    birth = "unborn in VAD mode"
    for event in log.events():
        type_ = event.get("type")
        if type_ in (CREATED, UPDATED):
            birth = f"unborn in {'Manual' if value_at(event, 'session', 'turn_detection') is None else 'VAD'} mode"
        elif type_ == CLEARED:
            lives = {item: "cleared" if life in ("spoken", "filling") else life for item, life in lives.items()}
        elif type_ == FINISHED:
            for item, life in lives.items():
                if life not in ("ended", "cleared"):
                    raise Mismatch(f"an end of {item} before {FINISHED}", f"none; it is {life}")
        elif item := item_id_of(event):
            life = lives.get(item, birth)
            if (life, str(type_)) not in _LIFE:
                raise Mismatch(f"no {type_} for an item that is {life}", item)
            lives[item] = _LIFE[life, str(type_)]


def turns_end_in_one_go(log: Log) -> None:
    """Nothing comes between `speech_stopped`, `committed` and `conversation.item.created`."""
    expected = {STOPPED: COMMITTED, COMMITTED: ITEM_CREATED}
    for event, following in pairwise(log.events()):
        wanted = expected.get(str(event.get("type")))
        if wanted and (following.get("type"), item_id_of(following)) != (wanted, item_id_of(event)):
            raise Mismatch(f"{wanted} of {item_id_of(event)} right after {event['type']}", str(following.get("type")))


def items_are_chained(log: Log) -> None:
    """`previous_item_id` is the item committed before, the same in `committed` and `conversation.item.created`."""
    previous: dict[str, object] = {}
    last: object = None
    for event in log.events(COMMITTED, ITEM_CREATED):
        item, before = item_id_of(event), event.get("previous_item_id")
        if event["type"] == ITEM_CREATED:
            if before != previous.get(item):
                raise Mismatch(f"previous_item_id {shown(previous.get(item))} as in {COMMITTED}", shown(before))
            continue
        if last is not None and before != last:
            raise Mismatch(f"previous_item_id {shown(last)}", shown(before))
        previous[item], last = before, item


def items_end_in_order(log: Log) -> None:
    """Items end in the order in which they were committed."""
    waiting: list[str] = []
    for event in log.events(COMMITTED, *_ENDS):
        item = item_id_of(event)
        if event["type"] == COMMITTED:
            waiting.append(item)
        elif item in waiting:
            if waiting[0] != item:
                raise Mismatch(f"the end of {waiting[0]} first", f"{event['type']} of {item}")
            waiting.remove(item)


def previews_wait_their_turn(log: Log) -> None:
    """No text of an item before the end of the one committed before it: some clients have room for one preview."""
    waiting: list[str] = []
    for event in log.events(COMMITTED, TEXT, *_ENDS):
        item = item_id_of(event)
        if event["type"] == COMMITTED:
            waiting.append(item)
        elif event["type"] == TEXT and waiting and waiting[0] != item:
            raise Mismatch(f"the end of {waiting[0]} first", f"text of {item}")
        elif event["type"] in _ENDS and item in waiting:
            waiting.remove(item)


def times_are_on_the_audio(log: Log) -> None:
    """Turns start before they end, not before the last one ended, and never later than the audio that was sent."""
    start_ms = end_ms = 0
    for entry in log.received(STARTED, STOPPED):
        at_ms = value_at(entry.event, "audio_start_ms" if entry.type == STARTED else "audio_end_ms")
        if not isinstance(at_ms, int | float):
            continue
        if at_ms > entry.audio_ms + 1:
            raise Mismatch(f"{entry.type} at most at the {entry.audio_ms:.0f} ms sent so far", f"{at_ms} ms")
        if entry.type == STARTED:
            if at_ms < end_ms:
                raise Mismatch(f"audio_start_ms not before the last turn's end at {end_ms} ms", f"{at_ms} ms")
            start_ms = int(at_ms)
        elif at_ms <= start_ms:
            raise Mismatch(f"audio_end_ms after audio_start_ms {start_ms}", f"{at_ms} ms")
        else:
            end_ms = int(at_ms)


def durations_accumulate(log: Log) -> None:
    """`usage.duration` never falls, and never exceeds the audio sent by more than its rounding."""
    last = 0
    for entry in log.received(COMPLETED):
        duration = value_at(entry.event, "usage", "duration")
        if not isinstance(duration, int | float):
            continue
        if duration < last:
            raise Mismatch(f"usage.duration of at least {last}", str(duration))
        if duration > entry.audio_ms / 1000 + 1:
            raise Mismatch(f"usage.duration of at most {entry.audio_ms / 1000:.1f} s, rounded up", str(duration))
        last = int(duration)


# --- text ------------------------------------------------------------------------------------------------------------


def text_only_grows(log: Log) -> None:
    """Each `text` of an item begins with the one before."""
    confirmed: dict[str, str] = {}
    for event in log.events(TEXT):
        item, text = item_id_of(event), event.get("text")
        if not isinstance(text, str):
            continue
        if not text.startswith(confirmed.get(item, "")):
            raise Mismatch(f"a text that begins with {shown(confirmed[item])}", shown(text))
        confirmed[item] = text


def previews_say_something_new(log: Log) -> None:
    """No preview is empty, and none repeats the one before."""
    last: dict[str, tuple[object, object]] = {}
    for event in log.events(TEXT):
        preview = event.get("text"), event.get("stash")
        if preview == ("", ""):
            raise Mismatch("a preview that is not empty", "empty text and stash")
        if preview == last.get(item_id_of(event)):
            raise Mismatch("a preview other than the last one", shown(preview))
        last[item_id_of(event)] = preview


def previews_are_not_too_many(log: Log) -> None:
    """Previews of an item come at most every 200 ms."""
    times_s: dict[str, list[float]] = {}
    for entry in log.received(TEXT):
        times_s.setdefault(item_id_of(entry.event or {}), []).append(entry.at_s)
    for times in times_s.values() if not log.is_read_late else ():
        span_s = times[-1] - times[0]
        if len(times) > span_s * PREVIEWS_PER_S + PREVIEWS_AHEAD:
            raise Mismatch("a preview every 200 ms at most", f"{len(times)} within {span_s:.2f} s")


def stash_brings_its_own_blank(log: Log) -> None:
    """`text` and `stash` are joined as they are: no two words of the final stick together in a preview."""
    finals = {item_id_of(event): set(words(str(event.get("transcript")))) for event in log.events(COMPLETED)}
    for event in log.events(TEXT):
        text, stash = str(event.get("text")), str(event.get("stash"))
        before, after = words(text), words(stash)
        spoken = finals.get(item_id_of(event), set())
        if not before or not after or not {before[-1], after[0]} <= spoken:
            continue
        glued = before[-1] + after[0]
        if glued in words(text + stash) and glued not in spoken:
            raise Mismatch(f"a blank between {before[-1]!r} and {after[0]!r}", shown((text, stash)))


def empty_transcripts_have_no_language(log: Log) -> None:
    """A final without words has no language and no emotion; one with words has both."""
    for event in log.events(COMPLETED):
        spoken = event.get("transcript") != ""
        for name in ("language", "emotion"):
            if (event.get(name) != "") != spoken:
                raise Mismatch(f"{name} {'of the words' if spoken else 'empty'}", shown(event.get(name)))


# --- private ---------------------------------------------------------------------------------------------------------


def _nulls(value: object, path: str = "") -> Iterator[str]:
    if value is None:
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _nulls(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nulls(inner, f"{path}[{index}]")
