import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from prometheus_client import CollectorRegistry, Counter, Histogram

from qwen3_asr_realtime.cluster.scrape import add_scrape, families_of, merged


@pytest.fixture
def replicas():
    """What two replicas answer."""
    answers = []
    for name, sessions in (("a", 2), ("b", 5)):
        registry = CollectorRegistry()
        counter = Counter("sessions", "Sessions.", ["reason"], registry=registry)
        counter.labels("closed").inc(sessions)
        Histogram("delay_seconds", "Delay.", buckets=[1], registry=registry).observe(0.5)
        answers.append((name, families_of(registry)))
    return answers


def lines(text, name):
    return [line for line in text.splitlines() if line.startswith(name)]


def test_each_replica_has_its_own_lines(replicas):
    text = merged(replicas).decode()

    assert lines(text, "sessions_total") == [
        'sessions_total{reason="closed",replica="a"} 2.0',
        'sessions_total{reason="closed",replica="b"} 5.0',
    ]
    assert lines(text, "delay_seconds_bucket") == [
        'delay_seconds_bucket{le="1.0",replica="a"} 1.0',
        'delay_seconds_bucket{le="+Inf",replica="a"} 1.0',
        'delay_seconds_bucket{le="1.0",replica="b"} 1.0',
        'delay_seconds_bucket{le="+Inf",replica="b"} 1.0',
    ]
    assert lines(text, "# TYPE sessions_total") == ["# TYPE sessions_total counter"]
    assert lines(text, "qwen3_asr_replica_up") == [
        'qwen3_asr_replica_up{replica="a"} 1.0',
        'qwen3_asr_replica_up{replica="b"} 1.0',
    ]


class Handle:
    """Stands in for Serve's handle of the replicas."""

    def __init__(self, answers):
        self.answers = answers

    def broadcast(self, method):
        assert method == "families"
        return self

    async def results_async(self, *, timeout_s, return_exceptions):
        assert return_exceptions
        return self.answers


async def test_a_replica_that_fails_is_left_out_and_the_replica_s_own_page_is_covered(replicas):
    app = FastAPI()
    app.get("/metrics")(lambda: "one replica")
    add_scrape(app, Handle([replicas[0], TimeoutError()]))

    async with AsyncClient(transport=ASGITransport(app), base_url="http://here") as client:
        answer = await client.get("/metrics")

    assert lines(answer.text, "qwen3_asr_replica_up") == ['qwen3_asr_replica_up{replica="a"} 1.0']
    assert answer.headers["content-type"].startswith("text/plain")
