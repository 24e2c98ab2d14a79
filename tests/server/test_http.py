"""The HTTP endpoints beside the WebSocket."""

import re

import httpx
import pytest
from tests.server.harness import Server, eventually, running_server

from qwen3_asr_realtime.engines.base import Condition, EngineStatus
from qwen3_asr_realtime.protocol.events import AudioAppend, ServerEvent, SessionUpdate
from qwen3_asr_realtime.server import pages


async def get(server: Server, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize(
    ("status", "health"),
    [
        (EngineStatus(), "ok"),
        (EngineStatus(Condition.DEGRADED, "1 of 2 servers does not answer"), "degraded"),
        (EngineStatus(Condition.DOWN, "the engine stopped and is being restarted", restarts=1), "degraded"),
    ],
)
async def test_health_tells_how_the_engine_is(status: EngineStatus, health: str) -> None:
    async with running_server() as server:
        server.engine.status = status
        answer = await get(server, "/health")
    assert answer.status_code == 200  # the process lives, and is not to be killed for what it repairs itself
    body = answer.json()
    assert body["status"] == health
    assert (body["engine_status"], body["engine_restarts"]) == (status.condition, status.restarts)
    assert not status.reason or status.reason not in answer.text  # it may name files and servers of the inside


async def test_ready_says_whether_one_more_session_is_admitted() -> None:
    async with running_server(max_sessions=1) as server:
        assert (await get(server, "/ready")).json() == {"ready": True}
        async with server.session():
            full = await get(server, "/ready")
        server.engine.status = EngineStatus(Condition.DOWN, "gone")
        down = await get(server, "/ready")
    assert (full.status_code, full.json()) == (503, {"ready": False, "reason": "MAX_SESSIONS is reached"})
    assert full.headers["Retry-After"] == "5"
    assert (down.status_code, down.json()["reason"]) == (503, "the engine is down")


async def test_the_first_page_leads_to_all_others() -> None:
    async with running_server() as server:
        paths = [path for path in (await get(server, "/")).json().values() if path.startswith("/")]
        answers = {path: (await get(server, path)).status_code for path in paths}
    assert answers.pop("/api-ws/v1/realtime") == 404  # it is there for WebSockets only
    assert set(answers) >= {"/health", "/ready", "/metrics", "/stats", "/docs", "/docs/realtime", "/asyncapi.json"}
    assert set(answers.values()) == {200}


@pytest.mark.parametrize("path", ["/docs", "/docs/realtime"])
async def test_documentation_needs_no_other_host_and_no_script(path: str) -> None:
    async with running_server() as server:
        page = await get(server, path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|<link|<img|(?:src|href)=.?(?:https?:)?//|@import|url\(", page.text)


@pytest.mark.parametrize(("path", "maker"), [("/docs", "http_page"), ("/docs/realtime", "realtime_page")])
async def test_documentation_is_made_once(monkeypatch: pytest.MonkeyPatch, path: str, maker: str) -> None:
    made: list[object] = []
    monkeypatch.setattr(pages, maker, lambda document: made.append(document) or "page")  # type: ignore[func-returns-value] # None, so "page"
    async with running_server() as server:
        assert [(await get(server, path)).text for _ in range(2)] == ["page", "page"]
    assert len(made) == 1


async def test_the_documentation_of_the_protocol_names_every_event() -> None:
    async with running_server() as server:
        page = (await get(server, "/docs/realtime")).text
    tags = {event.__struct_config__.tag for event in (*ServerEvent.__subclasses__(), SessionUpdate, AudioAppend)}
    assert {tag for tag in tags if f'<h3 id="{tag}">' not in page} == set()
    assert "session.turn_detection.silence_duration_ms" in page


async def test_the_documentation_of_the_pages_names_every_page() -> None:
    async with running_server() as server:
        page = (await get(server, "/docs")).text
        paths = (await get(server, "/openapi.json")).json()["paths"]
    assert {path for path in paths if f'<a href="{path}">' not in page} == set()
    assert "latency_ms.final.p95" in page


async def test_metrics_come_in_the_format_that_is_asked_for() -> None:
    async with running_server() as server:
        plain = await get(server, "/metrics")
        openmetrics = await get(server, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")


async def test_stats_sum_up_what_happened(go_forward: bytes) -> None:
    async with running_server(max_sessions=1) as server:
        async with server.session() as client:
            await client.append(go_forward)
            async with server.connect() as refused:
                await refused.until("error")
            during = (await get(server, "/stats")).json()
            await client.finish()
        await eventually(lambda: not server.service.connections)
        stats = (await get(server, "/stats")).json()
    assert during["sessions"]["active"] == 1
    assert (stats["sessions"]["active"], stats["sessions"]["opened"]) == (0, 1)
    assert stats["sessions"]["closed"] == {"session finished": 1}
    assert {limit: times for limit, times in stats["sessions"]["refused"].items() if times} == {"MAX_SESSIONS": 1}
    assert stats["utterances"] == {"completed": 1, "empty": 0, "failed": 0, "cancelled": 0}
    assert stats["audio_s"] == pytest.approx(len(go_forward) / 32000, abs=0.1)
    assert 0 < stats["speech_s"] <= stats["audio_s"]
    assert stats["latency_ms"]["final"]["count"] == 1
    assert stats["limits"]["MAX_SESSIONS"] == {"value": 1, "refused": 1, "reached": 0}
    assert stats["engine"]["status"] == "ok"
