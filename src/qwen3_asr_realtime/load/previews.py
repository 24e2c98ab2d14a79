"""How the text of an item came while it was being spoken: how often, how old, how steady."""

from dataclasses import dataclass
from itertools import pairwise

from qwen3_asr_realtime.load.error_rate import edit_distance
from qwen3_asr_realtime.load.items import Item
from qwen3_asr_realtime.load.session import Spoken


@dataclass(frozen=True, slots=True)
class Flicker:
    """How much of the stash was taken back; add them up.

    Attributes:
        changed: Characters of a stash that were not there any more one preview later.
        shown: Characters of all stashes that another preview followed.
        rewritten: Previews that changed the confirmed text, which the protocol does not allow.
    """

    changed: int = 0
    shown: int = 0
    rewritten: int = 0

    def __add__(self, other: "Flicker") -> "Flicker":
        return Flicker(self.changed + other.changed, self.shown + other.shown, self.rewritten + other.rewritten)

    @property
    def share(self) -> float | None:
        """Changed characters per character shown; None if no stash was shown twice."""
        return self.changed / self.shown if self.shown else None


def flicker(item: Item) -> Flicker:
    """Compare each preview of an item with the next one.

    A stash changed by the fewest insertions, deletions and substitutions that turn it into a beginning of what the next
    preview shows behind the same confirmed text. Text that only grew has not changed.
    """
    total = Flicker()
    for old, new in pairwise(item.previews):
        shown_now = new.text + new.stash
        rewritten = not new.text.startswith(old.text)
        changed = edit_distance(old.stash, shown_now[len(old.text) :], beginning=True)
        total += Flicker(changed, len(old.stash), int(rewritten))
    return total


def intervals_ms(item: Item) -> list[float]:
    """Times between the previews of an item."""
    return [(new.received_s - old.received_s) * 1000 for old, new in pairwise(item.previews)]


def lags_ms(item: Item, spoken: Spoken) -> list[float]:
    """How old the audio is that each preview of an item shows, about.

    Nobody tells which audio a preview shows. It is taken from the share of the final's characters that the preview has:
    half of the text stands for the first half of the speech. That is off by as much as the speaker's rate varies, and
    a preview with other words than the final counts by its length alone.
    """
    length = len(item.transcript)
    if length == 0:
        return []
    return [
        (preview.received_s - spoken.onset_s - (spoken.end_s - spoken.onset_s) * min(1.0, shown / length)) * 1000
        for preview in item.previews
        if (shown := len(preview.text + preview.stash))
    ]
