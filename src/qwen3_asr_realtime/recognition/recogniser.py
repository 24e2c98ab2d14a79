"""Recognition for the whole process: one engine, one scheduler, all utterances of all sessions."""

import math
from collections import Counter

from qwen3_asr_realtime.engines.base import Engine, SegmentOptions
from qwen3_asr_realtime.recognition.cadence import Cadence
from qwen3_asr_realtime.recognition.guards import LIMITS, Doubt, GuardLimits
from qwen3_asr_realtime.recognition.limit import ConcurrencyLimit
from qwen3_asr_realtime.recognition.scheduler import Observe, Scheduler
from qwen3_asr_realtime.recognition.speaker import Speaker
from qwen3_asr_realtime.recognition.utterance import Utterance, UtteranceSink


class Recogniser:
    """Opens utterances on a started engine.

    Attributes:
        engine: What decodes.
        scheduler: Who decodes next.
        doubts: Finals that a guard doubted so far, by reason.
    """

    def __init__(
        self,
        engine: Engine,
        cadence: Cadence,
        *,
        concurrency: int = 0,
        guards: GuardLimits = LIMITS,
        target_decode_s: float = math.inf,
        observe: Observe = lambda priority, waited_s, held_s: None,
    ) -> None:
        """Prepare.

        Args:
            engine: What decodes, started.
            cadence: How often.
            concurrency: Most decodes at a time; 0 means what the engine says of itself.
            guards: Where finals are doubted.
            target_decode_s: Mean time of a decode above which an engine that batches gets fewer at a time.
            observe: Told of every decode.
        """
        self.engine = engine
        info = engine.info
        self.scheduler = Scheduler(
            ConcurrencyLimit(concurrency or info.concurrency, target_decode_s if info.batched else math.inf),
            observe,
        )
        self.doubts: Counter[Doubt] = Counter()
        self._cadence = cadence
        self._guards = guards

    def open(
        self,
        options: SegmentOptions,
        sink: UtteranceSink,
        speaker: Speaker,
    ) -> Utterance:
        """Begin an utterance; the caller runs it and feeds it (see `Utterance`)."""
        return Utterance(
            self.engine,
            self.scheduler,
            self._cadence,
            options=options,
            sink=sink,
            speaker=speaker,
            guards=self._guards,
            doubts=self.doubts,
        )
