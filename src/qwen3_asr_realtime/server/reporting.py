"""What is told of utterances to those who run the server: a line of the log, metrics, a span."""

from dataclasses import dataclass, field

import structlog

from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.server.latencies import Latencies
from qwen3_asr_realtime.server.metrics import Metrics, Outcome
from qwen3_asr_realtime.server.tracing import Spans

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reporting:
    """Where it goes.

    Attributes:
        metrics: For Prometheus.
        latencies: For `/stats`.
        spans: For a tracing collector, or None.
        transcripts: Whether lines of the log hold what was said.
    """

    metrics: Metrics = field(default_factory=Metrics)
    latencies: Latencies = field(default_factory=Latencies)
    spans: Spans | None = None
    transcripts: bool = False

    def utterance_ended(self, outcome: Outcome, ledger: Ledger, transcript: str = "") -> None:
        """Tell of one utterance. Its session and item are those of the log's context.

        Args:
            outcome: How it ended.
            ledger: Where its time went.
            transcript: What was heard.
        """
        said = {"transcript": transcript} if self.transcripts and outcome is Outcome.COMPLETED else {}
        log.info("utterance", outcome=outcome, **ledger.summary(), **said)
        self.metrics.utterance_ended(outcome, ledger)
        if outcome in {Outcome.COMPLETED, Outcome.EMPTY}:
            self.latencies.add(ledger)
        if self.spans is not None:
            self.spans.add(outcome, ledger)
