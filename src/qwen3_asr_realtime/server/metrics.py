"""What is measured, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter


class Metrics:
    """The measures of one process.

    With `PROMETHEUS_MULTIPROC_DIR` set, the library keeps the values in files there and adds up those of all processes.

    Attributes:
        registry: Holds them.
        sessions_refused: Sessions that were not admitted, by the setting that kept them out.
        limits_reached: How often a limit of an admitted session was reached, by setting.
        worker_restarts: Workers that died and were replaced.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions_refused = Counter(
            "qwen3_asr_sessions_refused", "Sessions refused, by limit.", ["limit"], registry=self.registry
        )
        self.limits_reached = Counter(
            "qwen3_asr_limits_reached",
            "How often a limit of an admitted session was reached, by setting.",
            ["limit"],
            registry=self.registry,
        )
        self.worker_restarts = Counter(
            "qwen3_asr_worker_restarts", "Workers that died and were replaced.", registry=self.registry
        )
