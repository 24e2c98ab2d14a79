"""The measures of all replicas at one address: behind a proxy, a scraper would meet another replica each time."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import structlog
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

PATH = "/metrics"

TIMEOUT_S = 5.0
"""Replicas that take longer to answer are left out of this scrape; Prometheus gives up after 10 s."""

Families = list[Metric]

log = structlog.get_logger()


class _Collected(Collector):
    """Measures that have been collected elsewhere."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def families_of(registry: CollectorRegistry) -> Families:
    """The measures of this process."""
    return list(registry.collect())


def merged(replicas: Iterable[tuple[str, Families]]) -> bytes:
    """The measures of several replicas as Prometheus text, each with a label `replica`.

    Args:
        replicas: Name and measures of each.
    """
    up = Metric("qwen3_asr_replica_up", "Replicas that answered this scrape.", "gauge")
    together = {up.name: up}
    for replica, families in replicas:
        up.add_sample(up.name, {"replica": replica}, 1.0)
        for family in families:
            target = together.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                target.add_sample(sample.name, {**sample.labels, "replica": replica}, sample.value)
    registry = CollectorRegistry()
    registry.register(_Collected(together.values()))
    return generate_latest(registry)


class Answers(Protocol):
    """What is coming back from all replicas."""

    async def results_async(
        self, *, timeout_s: float, return_exceptions: bool
    ) -> list[tuple[str, Families] | BaseException]:
        """Wait for it."""


class Handle(Protocol):
    """As much of Serve's handle of the replicas as is used here."""

    def broadcast(self, method_name: str) -> Answers:
        """Call a method of all replicas."""


def add_scrape(app: FastAPI, replicas: Handle) -> None:
    """Let the application answer for all replicas at `/metrics`.

    Args:
        app: The application, which may have an answer for its own replica.
        replicas: Serve's handle of them.
    """

    @app.get(PATH, summary="Measures of all replicas, for Prometheus")
    async def metrics() -> Response:
        answers = await replicas.broadcast("families").results_async(timeout_s=TIMEOUT_S, return_exceptions=True)
        good = [answer for answer in answers if not isinstance(answer, BaseException)]
        if len(good) < len(answers):
            log.warning("replicas without metrics", count=len(answers) - len(good))
        return Response(merged(good), media_type=CONTENT_TYPE_LATEST)

    # The first route that fits answers.
    app.router.routes.insert(0, app.router.routes.pop())
