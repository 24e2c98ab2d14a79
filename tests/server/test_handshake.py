"""Who may connect: keys and origins, over a real socket."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.server.harness import REALTIME, Server, running_server
from tests.server.served_logs import logging_as_served
from websockets.exceptions import InvalidStatus

KEY = "sk-of-acme-0123456789"
BEARER = {"additional_headers": {"Authorization": f"Bearer {KEY}"}}
WAYS: list[Any] = [
    pytest.param(REALTIME, BEARER, id="header"),
    pytest.param(REALTIME, {"additional_headers": {"authorization": f"bearer {KEY}"}}, id="lower-case"),
    pytest.param(f"{REALTIME}?api_key={KEY}", {}, id="query"),
    pytest.param(f"{REALTIME}?api_key={KEY}?model=qwen3-asr-flash-realtime", {}, id="query-of-an-sdk"),
    pytest.param(REALTIME, {"subprotocols": ["realtime", f"openai-insecure-api-key.{KEY}"]}, id="sub-protocol"),
]


async def refusal(server: Server, path: str = REALTIME, **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and error of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with server.connect(path, **options):
            pass
    response = refused.value.response
    assert response.body is not None
    return response.status_code, json.loads(response.body)["error"]


def refused(server: Server, limit: str) -> float:
    name = "qwen3_asr_sessions_refused_total"
    return server.service.metrics.registry.get_sample_value(name, {"limit": limit}) or 0.0


class TestKeys:
    @pytest.mark.parametrize(("path", "options"), WAYS)
    async def test_a_right_one_is_let_in_however_it_comes(self, path: str, options: dict[str, Any]) -> None:
        async with running_server(api_keys=KEY) as server, server.connect(path, **options) as client:
            assert (await client.receive())["type"] == "session.created"
            assert client.socket.subprotocol == ("realtime" if "subprotocols" in options else None)

    @pytest.mark.parametrize(("path", "options"), WAYS)
    async def test_a_wrong_one_is_refused_in_the_handshake(self, path: str, options: dict[str, Any]) -> None:
        async with running_server(api_keys="sk-of-another-0123456789") as server:
            status, error = await refusal(server, path, **options)
            assert (status, error["code"]) == (401, "invalid_api_key")
            assert refused(server, "API_KEYS") == 1
            assert not server.service.connections

    async def test_none_is_refused_too(self) -> None:
        async with running_server(api_keys=KEY) as server:
            status, error = await refusal(server)
        assert (status, error["message"]) == (401, "An API key is needed.")

    async def test_any_will_do_where_no_key_is_set(self) -> None:
        async with running_server() as server, server.connect(**BEARER) as client:
            assert (await client.receive())["type"] == "session.created"

    async def test_a_key_that_is_taken_away_opens_no_further_session(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(KEY)
        async with running_server(api_keys_file=str(path)) as server, server.connect(**BEARER) as client:
            assert (await client.receive())["type"] == "session.created"
            path.write_text("# nobody\n")
            assert (await refusal(server, **BEARER))[0] == 401
            assert (await client.finish())[-1]["type"] == "session.finished"

    async def test_the_bound_of_a_key_holds_for_it_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(f"{KEY} name=acme sessions=1\nsk-of-another-0123456789\n")
        other = {"additional_headers": {"Authorization": "Bearer sk-of-another-0123456789"}}
        async with running_server(api_keys_file=str(path)) as server, server.connect(**BEARER) as first:
            assert (await first.receive())["type"] == "session.created"
            async with server.connect(**BEARER) as second:
                assert (await second.receive())["error"]["code"] == "rate_limit_exceeded"
                assert (await second.closed())[0] == 1013
            async with server.connect(**other) as third, server.connect(**other) as fourth:
                assert (await third.receive())["type"] == (await fourth.receive())["type"] == "session.created"

    @pytest.mark.parametrize(("path", "options"), WAYS)
    @pytest.mark.parametrize("keys", [KEY, "sk-of-another-0123456789"])
    async def test_none_is_ever_logged(
        self, path: str, options: dict[str, Any], keys: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with logging_as_served("json"):
            async with running_server(api_keys=keys) as server:
                if keys == KEY:
                    async with server.connect(path, **options) as client:
                        await client.finish()
                else:
                    await refusal(server, path, **options)
        logged = capfd.readouterr().err
        assert ("session opened" if keys == KEY else "connection refused") in logged
        assert KEY not in logged
        assert '"level": "error"' not in logged


class TestOrigins:
    async def test_a_page_from_elsewhere_is_refused(self) -> None:
        async with running_server(allowed_origins="https://app.example.com") as server:
            status, error = await refusal(server, origin="https://evil.example")
            assert (status, error["code"]) == (403, "origin_not_allowed")
            assert refused(server, "ALLOWED_ORIGINS") == 1

    async def test_a_listed_page_an_sdk_and_a_program_are_let_in(self) -> None:
        async with running_server(allowed_origins="https://app.example.com") as server:
            for origin in ("https://app.example.com", f"http://127.0.0.1:{server.port}", None):
                async with server.connect(origin=origin) as client:
                    assert (await client.receive())["type"] == "session.created"

    async def test_any_page_may_connect_by_default(self) -> None:
        async with running_server() as server, server.connect(origin="https://elsewhere.example") as client:
            assert (await client.receive())["type"] == "session.created"
