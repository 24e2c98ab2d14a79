"""The HTTP endpoints beside the WebSocket."""

import httpx
import pytest
from tests.server.harness import Server, running_server

from qwen3_asr_realtime.engines.base import Condition, EngineStatus


async def get(server: Server, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        return await client.get(path)


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
    assert (body["engine_status"], body["engine_reason"], body["engine_restarts"]) == (
        status.condition,
        status.reason,
        status.restarts,
    )


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
