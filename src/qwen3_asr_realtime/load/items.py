"""The items of a session as they were heard, and which utterances they belong to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qwen3_asr_realtime.client.events import Failed, Final, Preview, ServerError, TranscriptReader
from qwen3_asr_realtime.load.conversation import Turn
from qwen3_asr_realtime.load.session import Received
from qwen3_asr_realtime.samples import samples_from_ms
from qwen3_asr_realtime.text import join_transcripts


@dataclass(slots=True)
class Item:
    """One item of the server; times are seconds from the start of the stream.

    Attributes:
        start_ms: Where it starts in the session's audio; None in Manual mode.
        end_ms: Where it ends; None in Manual mode.
        stopped_s: When its `speech_stopped` came, or, in Manual mode, when its commit was sent; None if neither was.
        previews: In the order they came; `received_s` counts from the start of the stream.
        finals: One, unless the server made a mistake.
        failed: The item ended without a final.
        trace: What the server says in `x_trace` about the way of the final: names and milliseconds.
    """

    start_ms: int | None = None
    end_ms: int | None = None
    stopped_s: float | None = None
    previews: list[Preview] = field(default_factory=list)
    finals: list[Final] = field(default_factory=list)
    failed: bool = False
    trace: dict[str, float] = field(default_factory=dict)

    @property
    def transcript(self) -> str:
        """The first final's text, or ""."""
        return self.finals[0].transcript if self.finals else ""

    @property
    def span(self) -> tuple[int, int]:
        """Samples of the session's audio from which it is; empty if that is not known."""
        if self.start_ms is None or self.end_ms is None:
            return 0, 0
        return samples_from_ms(self.start_ms), samples_from_ms(self.end_ms)


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything a session said.

    Attributes:
        items: In the order in which they were first mentioned.
        errors: Messages of `error` and `failed` events, and how often each came.
    """

    items: list[Item]
    errors: Counter[str]


def read_items(received: Iterable[Received], commits_s: Sequence[float] = ()) -> Heard:
    """Sort the events of a session by item.

    Args:
        received: The events.
        commits_s: When commits were sent, in Manual mode: the first one made the first item, and so on.
    """
    reader = TranscriptReader()
    items: dict[str, Item] = {}
    errors: Counter[str] = Counter()
    for entry in received:
        event = entry.event
        item_id = event.get("item_id")
        item = items.setdefault(item_id, Item()) if isinstance(item_id, str) and item_id else Item()
        match reader.read(event, received_s=entry.at_s, sent_ms=0):
            case Preview() as preview:
                item.previews.append(preview)
            case Final() as final:
                item.finals.append(final)
                item.trace = _trace(event)
            case Failed(message=message):
                item.failed = True
                errors[message] += 1
            case ServerError(message=message):
                errors[message] += 1
            case None:
                _note_boundary(item, entry)
    for item, at_s in zip(items.values(), commits_s, strict=False):
        item.stopped_s = at_s
    return Heard(list(items.values()), errors)


@dataclass(frozen=True, slots=True)
class Group:
    """Utterances and the items made of them: one of each if all went well.

    Attributes:
        turns: Indices of successive utterances; empty where the server heard something in silence.
        items: In the order of their audio.
    """

    turns: tuple[int, ...]
    items: tuple[Item, ...]

    @property
    def transcript(self) -> str:
        """What was heard of these utterances."""
        return join_transcripts(item.transcript for item in self.items)

    @property
    def duplicates(self) -> int:
        """Finals too many: a second one for an item, or for more than half of the audio of another item."""
        spans = [item.span for item in self.items]
        repeated = sum(len(item.finals) - 1 for item in self.items if item.finals)
        return repeated + sum(
            2 * _overlap(one, other) > min(one[1] - one[0], other[1] - other[0]) > 0
            for index, one in enumerate(spans)
            for other in spans[:index]
        )


def match_by_time(turns: Sequence[Turn], items: Sequence[Item]) -> list[Group]:
    """Bring together what shares audio: utterances, by the whole recording, and items with a final.

    An item over two utterances joins them into one group; several items in one utterance fall into one group. An item
    with text over none of them makes a group without utterances; without text it is left out.
    """
    heard = sorted((item for item in items if item.finals), key=lambda item: item.span)
    group_of = list(range(len(turns)))
    members: list[tuple[Item, list[int]]] = []
    for item in heard:
        shared = [index for index, turn in enumerate(turns) if _overlap(item.span, (turn.first, turn.last))]
        members.append((item, shared))
        joined = {group_of[index] for index in shared}
        group_of = [min(joined) if group in joined else group for group in group_of]
    groups = [
        Group(
            tuple(index for index, group in enumerate(group_of) if group == first),
            tuple(item for item, shared in members if shared and group_of[shared[0]] == first),
        )
        for first in sorted(set(group_of))
    ]
    return groups + [Group((), (item,)) for item, shared in members if not shared and item.transcript]


def match_by_order(turns: Sequence[Turn], items: Sequence[Item]) -> list[Group]:
    """Bring together the first utterance with the first item, and so on: how it is in Manual mode.

    Items beyond the last utterance make groups without one.
    """
    groups = [
        Group((index,), tuple(item for item in items[index : index + 1] if item.finals)) for index in range(len(turns))
    ]
    return groups + [Group((), (item,)) for item in items[len(turns) :] if item.transcript]


def _note_boundary(item: Item, entry: Received) -> None:
    event = entry.event
    match event.get("type"):
        case "input_audio_buffer.speech_started":
            item.start_ms = _integer(event.get("audio_start_ms"))
        case "input_audio_buffer.speech_stopped":
            item.end_ms = _integer(event.get("audio_end_ms"))
            item.stopped_s = entry.at_s


def _integer(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _trace(event: Mapping[str, Any]) -> dict[str, float]:
    trace = event.get("x_trace")
    if not isinstance(trace, Mapping):
        return {}
    return {str(station): float(at_ms) for station, at_ms in trace.items() if isinstance(at_ms, int | float)}


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))
