"""What images run as their health check."""

import asyncio

import pytest

from qwen3_asr_realtime.server import healthcheck


@pytest.mark.parametrize("case", [str.upper, str.lower])
@pytest.mark.parametrize(
    ("host", "asked"),
    [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1")],  # noqa: S104 - a setting
)
@pytest.mark.parametrize("status", [200, 503])
async def test_asks_where_the_server_listens(
    monkeypatch: pytest.MonkeyPatch, case: type[str], host: str, asked: str, status: int
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /health ")
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
        writer.close()

    for name in ("SERVER_HOST", "SERVER_PORT", "TLS_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    async with await asyncio.start_server(answer, asked, 0) as server:
        if host:
            monkeypatch.setenv(case("SERVER_HOST"), host)
        monkeypatch.setenv(case("SERVER_PORT"), str(server.sockets[0].getsockname()[1]))
        assert await asyncio.to_thread(healthcheck.main) == (status != 200)
