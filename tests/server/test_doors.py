"""Who sees which page, on which port."""

import asyncio
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.server.harness import REALTIME, running_server
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from qwen3_asr_realtime.client.local_server import reserved_port
from qwen3_asr_realtime.server.credentials import Keyring
from qwen3_asr_realtime.server.doors import with_doors
from qwen3_asr_realtime.server.handshake import Reception

KEY = "sk-of-acme-0123456789"
PAGES = ("/", "/docs", "/openapi.json", "/health", "/ready", "/metrics", "/stats", "/metrics/below", "/stats/")
OPERATORS = {"/metrics", "/stats", "/metrics/below", "/stats/"}


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


ALL_PAGES = Starlette(routes=[Route(path, page) for path in PAGES])


async def seen(port: int, *, keys: str = "", operators_port: int = 0, shown: str = "") -> dict[str, int]:
    """The status of each page on a port."""
    app = with_doors(ALL_PAGES, Reception(Keyring(keys)), operators_port)
    headers = {"Authorization": f"Bearer {shown}"} if shown else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://server:{port}") as client:
        return {path: (await client.get(path, headers=headers)).status_code for path in PAGES}


async def test_without_keys_or_a_port_of_its_own_every_page_is_for_everybody() -> None:
    assert await seen(80) == dict.fromkeys(PAGES, 200)


async def test_keys_are_for_what_tells_how_the_server_is_used() -> None:
    assert await seen(80, keys=KEY) == {path: 401 if path in OPERATORS else 200 for path in PAGES}
    assert await seen(80, keys=KEY, shown="sk-of-another-0123456789") == await seen(80, keys=KEY)
    assert await seen(80, keys=KEY, shown=KEY) == dict.fromkeys(PAGES, 200)


@pytest.mark.parametrize("shown", ["", KEY])
async def test_with_a_port_of_its_own_it_is_not_on_the_public_one(shown: str) -> None:
    public = await seen(80, keys=KEY, operators_port=9100, shown=shown)
    assert public == {path: 404 if path in OPERATORS else 200 for path in PAGES}


async def test_nothing_else_is_there() -> None:
    operators = await seen(9100, keys=KEY, operators_port=9100)
    assert operators == {path: 200 if path in {*OPERATORS, "/health", "/ready"} else 404 for path in PAGES}


async def test_the_port_for_operators_is_one_of_the_running_server() -> None:
    with reserved_port() as port:
        async with running_server(metrics_port=port) as server, httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/ready")).json() == {"ready": True}
            assert (await client.get(f"http://127.0.0.1:{port}/docs")).status_code == 404
            assert (await client.get(f"http://127.0.0.1:{server.port}/metrics")).status_code == 404
            assert (await client.get(f"http://127.0.0.1:{server.port}/docs")).status_code == 200
            with pytest.raises(InvalidStatus):
                async with connect(f"ws://127.0.0.1:{port}{REALTIME}"):
                    pass
            async with server.session() as session:
                assert (await session.finish())[-1]["type"] == "session.finished"
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port))


async def test_the_port_for_operators_waits_for_no_request_either() -> None:
    with reserved_port() as port:
        async with running_server(metrics_port=port, request_timeout_sec=0.2, max_pending_connections=1) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HT")
            async with asyncio.timeout(10):
                assert b"408" in await reader.read()
            writer.close()
            counted = server.service.metrics.values()["qwen3_asr_limits_reached_total"]
            assert counted["REQUEST_TIMEOUT_SEC",] == 1


class TestCors:
    ORIGIN = "https://app.example.com"

    @pytest.mark.parametrize(
        ("allowed", "origin", "may_read"),
        [
            ("", ORIGIN, None),
            (ORIGIN, ORIGIN, ORIGIN),
            (ORIGIN, "https://evil.example", None),
            ("*", "https://evil.example", "*"),
        ],
    )
    async def test_which_pages_of_others_may_read_ours(self, allowed: str, origin: str, may_read: str | None) -> None:
        async with running_server(allowed_origins=allowed) as server, httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{server.port}/health", headers={"Origin": origin})
        assert answer.status_code == 200
        assert answer.headers.get("Access-Control-Allow-Origin") == may_read
        assert "Access-Control-Allow-Credentials" not in answer.headers
