import asyncio

import pytest
import uvicorn

from qwen3_asr_realtime.cluster import ingress as ingress_module
from qwen3_asr_realtime.cluster.ingress import HEALTH_PATH, Ingress, shape_http_servers


class Serve:
    """Stands in for Serve's application."""

    def __init__(self):
        self.scopes = []
        self.draining = False

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 503 if self.draining else 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr(ingress_module, "WATCH_INTERVAL_S", 0.0)
    return Serve()


async def nothing(*_):
    raise AssertionError("is not called")


@pytest.mark.parametrize("sent", [[], [(b"x-request-disconnect-disabled", b"?0")]])
async def test_serve_does_not_read_a_session_s_socket(serve, sent):
    ingress = Ingress(serve)
    await ingress({"type": "websocket", "headers": [(b"host", b"here"), *sent]}, nothing, nothing)

    assert serve.scopes[0]["headers"] == [(b"host", b"here"), (b"x-request-disconnect-disabled", b"?1")]


async def test_a_replica_notices_that_it_has_to_go(serve):
    ingress = Ingress(serve)
    noticed = asyncio.create_task(ingress.until_draining())
    await asyncio.sleep(0)
    assert serve.scopes == []  # Serve does not answer before it has called for the first time

    await ingress({"type": "websocket", "headers": []}, nothing, nothing)
    for _ in range(10):
        await asyncio.sleep(0)
    assert {scope["path"] for scope in serve.scopes[1:]} == {HEALTH_PATH}
    assert not noticed.done()

    serve.draining = True
    async with asyncio.timeout(5):
        await noticed


def test_servers_get_our_options_and_an_ingress(monkeypatch, serve):
    monkeypatch.setattr(uvicorn, "Config", uvicorn.Config)  # is put back at the end
    seen = []
    shape_http_servers({"ws_ping_timeout": None, "ws_per_message_deflate": False}, seen.append)

    config = uvicorn.Config(lambda: serve, factory=True, log_config=None)
    config.load()

    assert (config.ws_ping_timeout, config.ws_per_message_deflate) == (None, False)
    assert [type(ingress) for ingress in seen] == [Ingress]
