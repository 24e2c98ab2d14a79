"""Statements about a whole case that need code: comparisons of turns, of connections, of times with the audio."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qwen3_asr_realtime.conformance.events import COMPLETED, CREATED, STARTED, STOPPED, TEXT, item_id_of
from qwen3_asr_realtime.conformance.log import Log, value_at
from qwen3_asr_realtime.conformance.predicates import Mismatch, shown
from qwen3_asr_realtime.conformance.speech import FIRST, Sound, words
from qwen3_asr_realtime.conformance.vocabulary import Played

BOUNDARY_MS = 150
"""How far a boundary of a turn may lie from the speech: detectors look at windows of some 30 to 100 ms."""

SAME_TIME_MS = 50
"""How far two boundaries of the same turn may lie apart when audio is cut into other messages."""

Rule = Callable[[Played], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a log in VAD mode."""

    start_ms: int
    end_ms: int
    transcript: str


def turns(log: Log) -> list[Turn]:
    """The turns that ended with a transcript, in their order."""
    starts = _by_item(log, STARTED, "audio_start_ms")
    ends = _by_item(log, STOPPED, "audio_end_ms")
    found = []
    for item, transcript in _by_item(log, COMPLETED, "transcript").items():
        start_ms, end_ms = starts.get(item), ends.get(item)
        if type(start_ms) is not int or type(end_ms) is not int:
            raise Mismatch(f"integers for start and end of {item}", shown((start_ms, end_ms)))
        found.append(Turn(start_ms, end_ms, str(transcript)))
    return found


def transcripts(log: Log) -> list[str]:
    """All finals, in their order."""
    return [str(event.get("transcript")) for event in log.events(COMPLETED)]


def all_transcripts_are_empty(played: Played) -> None:
    """No final has words in it."""
    for transcript in transcripts(played.log):
        if transcript != "":
            raise Mismatch('transcript: ""', shown(transcript))


def turns_are(*sounds: Sound) -> Rule:
    """A rule: these were heard, each in a turn of its own."""

    def rule(played: Played) -> None:
        _compare([turn.transcript for turn in turns(played.log)], sounds, played)

    return rule


def transcripts_are(*sounds: Sound) -> Rule:
    """A rule: these were heard, each in an item of its own, in whatever mode."""

    def rule(played: Played) -> None:
        _compare(transcripts(played.log), sounds, played)

    return rule


def something_was_heard(played: Played) -> None:
    """At least one final has words in it."""
    if not any(transcripts(played.log)):
        raise Mismatch("a transcript with words in it", shown(transcripts(played.log)))


def boundaries(sound: Sound, *, pre_roll_ms: int | None = None, silence_ms: int = 0) -> Rule:
    """A rule: every recording in `sound` is a turn, which begins and ends where the recording is heard.

    Args:
        sound: All that was sent.
        pre_roll_ms: Audio before the onset that belongs to the turn; None for any up to a second.
        silence_ms: Silence after the end that may belong to the turn.
    """
    earliest_ms, latest_ms = (pre_roll_ms, pre_roll_ms) if pre_roll_ms is not None else (1000, 0)

    def rule(played: Played) -> None:
        found, spans = turns(played.log), played.recordings.spans(sound)
        if len(found) != len(spans):
            raise Mismatch(f"{len(spans)} turns", f"{len(found)}")
        for turn, span in zip(found, spans, strict=True):
            first, last = (max(0, span.onset_ms - ms + off) for ms, off in ((earliest_ms, -150), (latest_ms, 150)))
            if not first <= turn.start_ms <= last:
                raise Mismatch(f"audio_start_ms in {first}..{last}", str(turn.start_ms))
            first, last = span.loud_end_ms - BOUNDARY_MS, span.end_ms + BOUNDARY_MS + silence_ms
            if not first <= turn.end_ms <= last:
                raise Mismatch(f"audio_end_ms in {first}..{last}", str(turn.end_ms))

    return rule


def same_turns(one: str, other: str) -> Rule:
    """A rule: two connections, named so, gave the same turns, with the same words at the same times."""

    def rule(played: Played) -> None:
        left, right = turns(played.logs[one]), turns(played.logs[other])
        if len(left) != len(right):
            raise Mismatch(f"{len(left)} turns as when {one}", f"{len(right)} when {other}")
        for first, second in zip(left, right, strict=True):
            if words(first.transcript) != words(second.transcript):
                raise Mismatch(f"{shown(first.transcript)} as when {one}", f"{shown(second.transcript)} when {other}")
            for at, then in ((first.start_ms, second.start_ms), (first.end_ms, second.end_ms)):
                if abs(at - then) > SAME_TIME_MS:
                    raise Mismatch(f"a boundary at {at} ms as when {one}", f"{then} ms when {other}")

    return rule


def same_transcripts(one: str, other: str) -> Rule:
    """A rule: two connections, named so, gave the same finals."""

    def rule(played: Played) -> None:
        left, right = (list(map(words, transcripts(played.logs[name]))) for name in (one, other))
        if left != right:
            raise Mismatch(f"{shown(left)} as when {one}", f"{shown(right)} when {other}")

    return rule


def starts_differ(one: str, other: str, *, by_ms: int) -> Rule:
    """A rule: the first turn of one connection starts so much before that of the other."""

    def rule(played: Played) -> None:
        first, second = (turns(played.logs[name])[0].start_ms for name in (one, other))  # the script saw their ends
        if abs(second - first - by_ms) > SAME_TIME_MS:
            raise Mismatch(f"a start {by_ms} ms earlier when {one}", f"{first} ms, and {second} ms when {other}")

    return rule


def sessions_have_ids_of_their_own(played: Played) -> None:
    """No two connections have the same `session.id`."""
    ids = [value_at(event, "session", "id") for log in played.logs.values() for event in log.events(CREATED)]
    if len(set(ids)) != len(ids):
        raise Mismatch("a session.id for every connection", shown(ids))


def finished_repeats_the_finals(played: Played) -> None:
    """`session.finished.transcript` has the words of all finals, in their order."""
    wanted = [word for transcript in transcripts(played.log) for word in words(transcript)]
    got = words(str(played.log.events()[-1].get("transcript")))
    if got != wanted:
        raise Mismatch(f"the finals joined: {shown(wanted)}", shown(got))


def both_fields_are_used(played: Played) -> None:
    """Some preview has words in `text`, and some in `stash`: some clients show one of them only."""
    previews = played.log.events(TEXT)
    for name in ("text", "stash"):
        if not any(event.get(name) for event in previews):
            raise Mismatch(f"a preview with words in {name}", f"none in {len(previews)} previews")


def previews_came_live(played: Played) -> None:
    """The first preview came within a second and a half of the onset of speech, while audio was still being sent.

    A second is the aim; the rest is for the way there and back.
    """
    log = played.log
    onset_ms = played.recordings.spans(FIRST)[0].onset_ms
    sent_s = next(entry.at_s for entry in log.entries if entry.kind == "sent" and entry.audio_ms >= onset_ms)
    previews = log.received(TEXT)
    if not previews:
        raise Mismatch("a preview", "none")
    delay_s = previews[0].at_s - sent_s
    if delay_s > 1.5:
        raise Mismatch("the first preview within 1.5 s of the onset of speech", f"{delay_s:.2f} s")


def _compare(heard: list[str], sounds: tuple[Sound, ...], played: Played) -> None:
    if len(heard) != len(sounds):
        raise Mismatch(f"{len(sounds)} finals", f"{len(heard)}: {shown(heard)}")
    for transcript, sound in zip(heard, sounds, strict=True):
        if not played.recordings.is_transcript(transcript, sound):
            raise Mismatch("a transcript of what was said", shown(transcript))


def _by_item(log: Log, type_: str, name: str) -> dict[str, Any]:
    return {item_id_of(event): event.get(name) for event in log.events(type_)}
