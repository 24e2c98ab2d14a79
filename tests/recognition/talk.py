"""One utterance being spoken, recognised and watched."""

import asyncio
from dataclasses import dataclass, replace

from tests.recognition.hearing import HearingEngine
from tests.recognition.virtual_time import everything_ready

from qwen3_asr_realtime.engines.base import Priority, SegmentOptions
from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.recognition.cadence import Cadence
from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.recognition.line import Claim
from qwen3_asr_realtime.recognition.recogniser import Recogniser
from qwen3_asr_realtime.recognition.speaker import PreviousFinal, Speaker
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

CADENCE = Cadence(first_s=1.0, idle_s=0.5, busy_s=2.0, timeout_s=10.0, speculation=False)


NO_OPTIONS = SegmentOptions()


@dataclass(frozen=True)
class Shown:
    """One preview, and when it came."""

    at_s: float
    text: str
    stash: str
    language: str


class Talk:
    """Feeds an utterance as a session would, and is its sink.

    Attributes:
        previews: All so far.
        ends: What ended it: ("completed", transcript, language) or ("failed", code, message).
        position: Samples of the session so far.
        voiced_until: Up to where there was speech.
    """

    def __init__(
        self,
        engine: HearingEngine,
        recogniser: Recogniser | None = None,
        backlog: Backlog | None = None,
        *,
        options: SegmentOptions = NO_OPTIONS,
        previous: PreviousFinal | None = None,
    ):
        recogniser = recogniser or Recogniser(engine, CADENCE)
        self.engine = engine
        self.recogniser = recogniser
        self.scheduler = recogniser.scheduler
        self.backlog = backlog or Backlog(10**9)
        self.previews: list[Shown] = []
        self.ends: list[tuple[str, str, str]] = []
        self.position = self.voiced_until = 0
        self.speaker = Speaker(self.backlog, previous=previous or PreviousFinal())
        self.utterance = recogniser.open(options, self, self.speaker)
        self.task = asyncio.create_task(self.utterance.run())

    # --- sink --------------------------------------------------------------------------------------------------------

    def preview(self, text: str, stash: str, language: str) -> None:
        assert not self.ends
        self.previews.append(Shown(asyncio.get_running_loop().time(), text, stash, language))

    def completed(self, transcript: str, language: str, ledger: Ledger) -> None:
        self.ends.append(("completed", transcript, language))
        self.ledger = ledger

    def failed(self, code: str, message: str) -> None:
        self.ends.append(("failed", code, message))

    @property
    def transcript(self) -> str:
        [(how, transcript, _)] = self.ends
        assert how == "completed"
        return transcript

    # --- speaker -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a segment here."""
        self.utterance.start_segment(self.position)

    def add(self, samples: Samples, *, like_speech: float = 1.0) -> None:
        """Bring audio in one piece; whatever is not silent sounds so much like speech."""
        self.position += len(samples)
        self.speaker.arrivals.note(self.position, asyncio.get_running_loop().time())
        if samples.any():
            self.voiced_until = self.position
        voice_s = max(2 * like_speech - 1, 0.0) * len(samples) / SAMPLE_RATE
        self.utterance.add(samples, self.voiced_until, voice_s if samples.any() else 0.0)

    async def say(self, samples: Samples, *, speed: float = 1.0, piece_s: float = 0.1) -> None:
        """Bring audio piece by piece, as it is spoken."""
        piece = int(piece_s * SAMPLE_RATE)
        for first in range(0, len(samples), piece):
            await asyncio.sleep(piece_s / speed)
            self.add(samples[first : first + piece])
        await everything_ready()

    def stop(self) -> None:
        """End the segment where its speech ended."""
        self.utterance.end_segment(self.voiced_until)

    async def finish(self) -> None:
        """Finish, and wait for the end."""
        self.utterance.finish()
        await self.task

    def assert_nothing_left(self) -> None:
        """All that the utterance held is free again."""
        assert self.engine.open_streams == 0
        assert self.backlog.amount == 0
        assert (self.scheduler.running, self.scheduler.waiting) == (0, 0)
        assert all(call.ended != "running" for call in self.engine.calls)


def speculating(engine, **cadence):
    """An utterance whose finals are begun early."""
    return Talk(engine, Recogniser(engine, replace(CADENCE, speculation=True, **cadence)))


def other_decode(scheduler):
    """Holds a slot for somebody else."""
    return scheduler.slot(scheduler.turn(Claim("other", Priority.FINAL, 0.0)))
