"""What nobody foresaw: it takes a server out of use, and never the watch over it."""

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs
from tests.recognition.virtual_time import run

from qwen3_asr_realtime.engines.vllm.remote.options import RemoteOptions
from qwen3_asr_realtime.engines.vllm.remote.pool import Pool
from qwen3_asr_realtime.engines.vllm.remote.transport import EndpointError, Transport

PROBE_S = 5.0


class FakeEndpoint:
    """Attributes: `fault`, what its checks raise, if anything."""

    model = "qwen3-asr"

    def __init__(self, name: str) -> None:
        self.name = name
        self.fault: Exception | None = None

    async def check_health(self) -> None:
        if self.fault is not None:
            raise self.fault

    check = check_health

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("fault", [RuntimeError("unable to perform operation"), KeyError("content")])
def test_a_server_is_down_while_its_check_fails_and_up_again_afterwards(fault) -> None:
    async def scenario() -> None:
        one, other = endpoints = FakeEndpoint("one"), FakeEndpoint("other")
        pool = Pool(endpoints, PROBE_S)
        await pool.start()

        one.fault = fault
        with capture_logs() as logs:
            await asyncio.sleep(3 * PROBE_S)
        assert pool.down == {"one": "its check failed, the log says how"}
        assert {line["endpoint"] for line in logs if "exc_info" in line} == {"one"}

        one.fault = None
        await asyncio.sleep(2 * PROBE_S)
        assert pool.down == {}

        other.fault = EndpointError("its engine is not running")
        await asyncio.sleep(2 * PROBE_S)
        assert pool.down == {"other": "its engine is not running"}
        await pool.stop()

    run(scenario())


def test_one_server_whose_check_fails_does_not_keep_the_others_from_starting() -> None:
    async def scenario() -> None:
        one, other = endpoints = FakeEndpoint("one"), FakeEndpoint("other")
        one.fault = RuntimeError()
        pool = Pool(endpoints, PROBE_S)

        await pool.start()

        assert list(pool.down) == ["one"]
        assert other.fault is None
        await pool.stop()

    run(scenario())


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
        httpx.StreamClosed(),
        OSError(9, "Bad file descriptor"),
        ValueError("a header without a name"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_whatever_a_connection_fails_with_is_the_server_s_failure(monkeypatch, fault) -> None:
    async def fail(*_, **__) -> httpx.Response:
        raise fault

    monkeypatch.setattr(httpx.AsyncClient, "send", fail)
    transport = Transport("http://127.0.0.1:1", RemoteOptions(("http://127.0.0.1:1",)))

    with pytest.raises(EndpointError, match="broke off"):
        await transport.exchange("/health", timeout_s=1.0)

    await transport.close()
