"""Hands out the engine's slots by the policy of `line.py`.

Utterances queue for a turn, not with audio in hand: what is decoded is chosen when the turn comes, so the newest audio
always wins, and an utterance never has more than one decode under way and one waiting. When something final waits and
no slot is free, a partial or a speculation gives its slot up, and a partial to a speculation.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.recognition.limit import ConcurrencyLimit
from qwen3_asr_realtime.recognition.line import Claim, WaitingLine
from qwen3_asr_realtime.recognition.load import MeanLoad

DELAY_WEIGHT = 0.1
"""Share of the newest in the mean wait of finals: the last ten or twenty count."""

DELAY_FORGOTTEN_S = 10.0
"""Time without a final after which their wait is no longer known."""


_SHOWN = Priority.FIRST_PARTIAL
"""Partials but the first of an utterance, which somebody waits for."""

Observe = Callable[[Priority, float, float], None]
"""Told of each turn that had a slot: its priority, and the seconds it waited for the slot and then held it."""


class Turn:
    """One claim to decode, from asking to being done."""

    def __init__(self, scheduler: "Scheduler", claim: Claim, give_up: Callable[[], bool]) -> None:
        """Use `Scheduler.turn`."""
        self.claim = claim
        self.give_up = give_up
        self.granted = asyncio.Event()
        self.begun = False  # It has a slot, and knows.
        self._scheduler = scheduler

    def hurry(self, priority: Priority) -> None:
        """Become more urgent, waiting or running."""
        self._scheduler.hurry(self, priority)


class Scheduler:
    """The slots of one engine, one per process.

    Attributes:
        limit: How many there are.
    """

    def __init__(self, limit: ConcurrencyLimit, observe: Observe = lambda priority, waited_s, held_s: None) -> None:
        self.limit = limit
        self._observe = observe
        self._final_delay_s = 0.0
        self._delay_noted_at_s = 0.0
        self._line: WaitingLine[Turn] = WaitingLine()
        self._running: dict[Turn, None] = {}  # a set in the order in which they had their slots
        self._giving_up: set[Turn] = set()
        self._mean_load = MeanLoad()

    @property
    def running(self) -> int:
        """Decodes under way."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Turns that wait."""
        return len(self._line)

    def load(self, besides: Turn | None, now_s: float) -> float:
        """Decodes that run or wait, for each slot: now, not counting one's own, or lately on average if that is more.

        Recordings that wait do not count.
        """
        now = self.running + self.speakers_wait - (besides is not None)
        return max(now, self._mean_load.mean(now_s)) / self.limit.slots

    @property
    def speakers_wait(self) -> int:
        """Turns that wait and are not of a recording."""
        return self.waiting - self._line.count(Priority.RECORDING)

    @property
    def finals_wait(self) -> bool:
        """Whether something that is due waits: no time for anything that is not."""
        return self._line.count(Priority.FINAL) > 0

    def final_delay_s(self, now_s: float) -> float:
        """How long finals have waited for a slot lately."""
        return self._final_delay_s if now_s - self._delay_noted_at_s < DELAY_FORGOTTEN_S else 0.0

    def note_delay(self, waited_s: float, now_s: float) -> None:
        """A final has waited for so long."""
        self._final_delay_s = self.final_delay_s(now_s)
        self._final_delay_s += (waited_s - self._final_delay_s) * DELAY_WEIGHT
        self._delay_noted_at_s = now_s

    def turn(self, claim: Claim, give_up: Callable[[], bool] = lambda: False) -> Turn:
        """A claim to be used with `slot`.

        Args:
            claim: What it is entitled to.
            give_up: Called when the slot is needed for something final; tells whether the holder leaves it soon.
        """
        return Turn(self, claim, give_up)

    @asynccontextmanager
    async def slot(self, turn: Turn) -> AsyncIterator[None]:
        """Wait for a slot and hold it for the length of the block."""
        loop = asyncio.get_running_loop()
        joined_s = loop.time()
        self._line.join(turn, turn.claim)
        self._grant()
        self._note_load(joined_s)
        began_s = None
        try:
            while not turn.granted.is_set():  # a slot may be taken back before this task sees it
                await turn.granted.wait()
            turn.begun = True
            began_s = loop.time()
            if turn.claim.priority is Priority.FINAL:
                self.note_delay(began_s - joined_s, began_s)
            yield
        finally:
            if turn in self._running:
                service_s = loop.time() - began_s if began_s is not None else 0.0
                if turn not in self._giving_up and began_s is not None:
                    self.limit.observe(service_s, full=self.running >= self.limit.slots)
                del self._running[turn]
                self._giving_up.discard(turn)
                self._line.done(turn.claim.tenant, service_s)
                if began_s is not None:
                    self._observe(turn.claim.priority, began_s - joined_s, service_s)
            else:
                self._line.leave(turn)
            self._grant()
            self._note_load(loop.time())

    def hurry(self, turn: Turn, priority: Priority) -> None:
        """Make a turn more urgent."""
        if priority < turn.claim.priority:
            turn.claim.priority = priority
            self._grant()

    @property
    def _recordings_may_run(self) -> bool:
        """Whether there is a slot for them beside one that is kept free: they do not give up what they have."""
        running = sum(turn.claim.priority is Priority.RECORDING for turn in self._running)
        return running < max(1, self.limit.slots - 1)

    def _grant(self) -> None:
        self._hand_out()
        finals = self._line.count(Priority.FINAL)
        self._take_slots(finals, Priority.FINAL)
        self._take_slots(finals + self._line.count(Priority.SPECULATIVE_FINAL), _SHOWN)
        self._hand_out()

    def _hand_out(self) -> None:
        while self.running < self.limit.slots and (turn := self._line.next(recordings=self._recordings_may_run)):
            self._running[turn] = None
            turn.granted.set()

    def _take_slots(self, wanted: int, urgency: Priority) -> None:
        """Have so many turns in all give up, and none that is as urgent as that.

        The least urgent go first, and of equals the newest, with whom the least work is lost.
        """
        lacking = wanted - len(self._giving_up) - max(0, self.limit.slots - self.running)
        least_urgent = sorted(
            (turn for turn in reversed(self._running) if turn not in self._giving_up and turn.claim.priority > urgency),
            key=lambda turn: turn.claim.priority,
            reverse=True,
        )
        for turn in least_urgent:
            if lacking <= 0:
                return
            if not turn.begun:
                self._take_back(turn)
                lacking -= 1
            elif turn.give_up():
                self._giving_up.add(turn)
                lacking -= 1

    def _take_back(self, turn: Turn) -> None:
        """Have a turn wait again whose holder has not noticed yet that it has a slot."""
        del self._running[turn]
        turn.granted.clear()
        self._line.done(turn.claim.tenant, 0.0)
        self._line.join(turn, turn.claim)

    def _note_load(self, now_s: float) -> None:
        self._mean_load.note(self.running + self.speakers_wait, now_s)
