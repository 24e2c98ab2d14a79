"""The life of an item: one utterance on the wire.

    open ──commit──▶ committed ──complete──▶ completed
      │                  ├──────fail───────▶ failed
      └──────clear───────┴─ (open only) ───▶ cleared

Previews and decoding are not states: they change nothing the client can rely on.
"""

from dataclasses import dataclass
from enum import Enum, auto


class ItemState(Enum):
    """Where an item is in its life."""

    OPEN = auto()
    COMMITTED = auto()
    COMPLETED = auto()
    FAILED = auto()
    CLEARED = auto()


class ItemSignal(Enum):
    """What can happen to an item."""

    COMMIT = auto()
    COMPLETE = auto()
    FAIL = auto()
    CLEAR = auto()


ITEM_TRANSITIONS: dict[ItemState, dict[ItemSignal, ItemState]] = {
    ItemState.OPEN: {ItemSignal.COMMIT: ItemState.COMMITTED, ItemSignal.CLEAR: ItemState.CLEARED},
    ItemState.COMMITTED: {ItemSignal.COMPLETE: ItemState.COMPLETED, ItemSignal.FAIL: ItemState.FAILED},
    ItemState.COMPLETED: {},
    ItemState.FAILED: {},
    ItemState.CLEARED: {},
}


class IllegalTransition(Exception):
    """A state machine was told something that cannot happen there: a defect of ours, never the client's doing."""


@dataclass(slots=True)
class Item:
    """One item of a session.

    Attributes:
        id: On the wire.
        requested_language: Echoed in its events; None where the engine detects it.
        state: See `ITEM_TRANSITIONS`.
        text: Confirmed text published so far; only ever grows.
        stash: Tentative rest published last.
        language: Detected code, once known.
        end_sample: Position on the session's timeline at which its audio ended, once committed.
    """

    id: str
    requested_language: str | None
    state: ItemState = ItemState.OPEN
    text: str = ""
    stash: str = ""
    language: str = ""
    end_sample: int = 0

    def signal(self, signal: ItemSignal) -> None:
        """Move to the next state.

        Raises:
            IllegalTransition: The signal has no meaning in this state; nothing has changed.
        """
        try:
            self.state = ITEM_TRANSITIONS[self.state][signal]
        except KeyError:
            raise IllegalTransition(f"{self.id}: {signal.name} while {self.state.name}") from None
