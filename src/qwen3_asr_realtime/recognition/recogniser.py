"""Recognition for the whole process: one engine, one scheduler, all utterances of all sessions."""

from qwen3_asr_realtime.engines.base import Engine, SegmentOptions
from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.recognition.scheduler import Scheduler
from qwen3_asr_realtime.recognition.utterance import Cadence, Utterance, UtteranceSink


class Recogniser:
    """Opens utterances on a started engine.

    Attributes:
        engine: What decodes.
        scheduler: Who decodes next.
    """

    def __init__(self, engine: Engine, cadence: Cadence) -> None:
        self.engine = engine
        self.scheduler = Scheduler(engine.info.concurrency)
        self._cadence = cadence

    def open(self, options: SegmentOptions, sink: UtteranceSink, backlog: Backlog) -> Utterance:
        """Begin an utterance; the caller runs it and feeds it."""
        return Utterance(self.engine, self.scheduler, self._cadence, options=options, sink=sink, backlog=backlog)
