import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.engines.vllm.remote.fake import HANG, RESET, FakeVllm
from tests.engines.vllm.remote.test_endpoint import SPOKEN, update
from tests.server.harness import eventually

from qwen3_asr_realtime.engines.base import Condition, EngineError, Priority, SegmentOptions
from qwen3_asr_realtime.engines.vllm.remote.engine import RemoteVllmEngine
from qwen3_asr_realtime.engines.vllm.remote.options import RemoteOptions
from qwen3_asr_realtime.engines.vllm.remote.pool import ranked
from qwen3_asr_realtime.engines.vllm.stream import StreamLimits
from qwen3_asr_realtime.samples import SAMPLE_RATE

LIMITS = StreamLimits(max_segment_s=60, max_new_tokens=32, max_context_tokens=8)
NEVER_S = 1000.0
KEY = "k3y"


def options(*servers: FakeVllm, **changes: object) -> RemoteOptions:
    values = {"connect_timeout_s": 5.0, "request_timeout_s": 5.0, "probe_interval_s": NEVER_S, "api_key": KEY}
    return replace(RemoteOptions(tuple(server.url for server in servers)), **{**values, **changes})


@asynccontextmanager
async def running(*servers: FakeVllm, **changes: object) -> AsyncIterator[RemoteVllmEngine]:
    engine = RemoteVllmEngine(options(*servers, **changes), LIMITS)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()


@pytest.fixture
async def servers() -> AsyncIterator[list[FakeVllm]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(FakeVllm().serving()) for _ in range(3)]


@pytest.fixture
async def engine(servers: list[FakeVllm]) -> AsyncIterator[RemoteVllmEngine]:
    async with running(*servers) as engine:
        yield engine


def serving(servers: list[FakeVllm]) -> FakeVllm:
    """The one server that had a chat completion."""
    (server,) = [server for server in servers if server.chats]
    return server


class TestStart:
    async def test_what_it_is(self, engine: RemoteVllmEngine) -> None:
        info = engine.info

        assert (info.name, info.model, info.max_segment_s) == ("vllm-remote", "qwen3-asr", 60)
        assert info.concurrency == 3 * 64
        assert engine.status.condition is Condition.OK

    async def test_some_servers_are_enough(self, servers: list[FakeVllm]) -> None:
        servers[0].health = 503

        async with running(*servers) as engine:
            status = engine.status

        assert status.condition is Condition.DEGRADED
        assert status.reason == "1 of 3 vLLM servers are down"

    async def test_no_server_is_said_in_one_line_with_all_reasons(self, servers: list[FakeVllm]) -> None:
        servers[0].health = 503
        servers[1].models = ("a", "b")
        servers[2].template = ""

        with pytest.raises(EngineError) as caught:
            async with running(*servers):
                pass

        message = str(caught.value)
        assert "\n" not in message
        for server, reason in zip(servers, ["not running", "serves 2 models", "--chat-template"], strict=True):
            assert f"{server.url}: " in message
            assert reason in message
        assert KEY not in message

    async def test_no_address(self) -> None:
        with pytest.raises(EngineError, match="at least one address"):
            RemoteVllmEngine(RemoteOptions(()), LIMITS)

    async def test_one_server_named_twice_is_one(self, servers: list[FakeVllm]) -> None:
        engine = RemoteVllmEngine(RemoteOptions((servers[0].url, servers[0].url + "/v1")), LIMITS)

        assert engine.info.concurrency == 64
        await engine.stop()

    async def test_stopping_twice(self, servers: list[FakeVllm]) -> None:
        async with running(servers[0]) as engine:
            await engine.stop()

    async def test_the_key_is_in_no_representation(self, servers: list[FakeVllm]) -> None:
        assert KEY not in repr(options(*servers))


class TestRequests:
    async def test_a_segment_stays_on_its_server(self, engine: RemoteVllmEngine, servers: list[FakeVllm]) -> None:
        for frozen in range(5):
            await engine.backend.generate(update(frozen))

        assert len(serving(servers).chats) == 5

    async def test_tokens_are_counted(self, engine: RemoteVllmEngine) -> None:
        for frozen in range(2):
            await engine.backend.generate(update(frozen))

        assert (engine.status.prompt_tokens, engine.status.cached_tokens) == (80, 64)

    async def test_segments_spread_over_the_servers(self, engine: RemoteVllmEngine, servers: list[FakeVllm]) -> None:
        segments = [f"s{index}" for index in range(30)]
        for segment in segments:
            await engine.backend.generate(update(0, segment_id=segment))

        urls = [server.url for server in servers]
        due = Counter(ranked(segment, urls)[0] for segment in segments)
        assert {server.url: len(server.chats) for server in servers} == {url: due[url] for url in urls}

    async def test_the_stream_goes_to_them(self, engine: RemoteVllmEngine, servers: list[FakeVllm]) -> None:
        stream = engine.open(SegmentOptions(language="en", context="Zürich"))

        hypothesis = await stream.refresh(np.zeros(SAMPLE_RATE, np.float32), final=True, priority=Priority.FINAL)

        assert (hypothesis.text, hypothesis.language) == ("It is cold", "en")
        (chat,) = serving(servers).chats
        assert chat.body["messages"][0]["content"] == "Zürich"
        assert chat.body["messages"][2]["content"] == "language English<asr_text>"
        assert chat.body["priority"] == 0


class TestFailover:
    @pytest.mark.parametrize("fault", [HANG, RESET, (500, b""), (429, b""), (200, b"<html>"), (401, b"")])
    async def test_the_next_server_answers(self, servers: list[FakeVllm], fault) -> None:
        async with running(*servers) as engine:
            await engine.backend.generate(update(2))
            first = serving(servers)
            endpoint = engine._endpoints[first.url]  # the one that hangs is the only one that may not be late
            endpoint._options = replace(endpoint._options, request_timeout_s=0.05)
            first.chat = lambda _: fault

            answer = await engine.backend.generate(update(2))

        assert b"".join(token.data for token in answer.tokens) == b"It is cold"
        (second,) = [server for server in servers if server.chats and server is not first]
        assert second.chats[0].with_data == [True, True, True]

    async def test_each_server_is_tried_once(self, engine: RemoteVllmEngine, servers: list[FakeVllm]) -> None:
        for server in servers:
            server.chat = lambda _: (500, b"")

        with pytest.raises(EngineError, match="no vLLM server answered; the last one: it answered HTTP 500"):
            await engine.backend.generate(update(0))

        assert [len(server.chats) for server in servers] == [1, 1, 1]

    async def test_what_the_request_is_refused_for_is_tried_nowhere_else(
        self, engine: RemoteVllmEngine, servers: list[FakeVllm]
    ) -> None:
        for server in servers:
            server.chat = lambda _: (400, b"")

        with pytest.raises(EngineError, match="refused"):
            await engine.backend.generate(update(0))

        assert sum(len(server.chats) for server in servers) == 1

    async def test_a_server_that_is_away_is_not_asked_again(self, servers: list[FakeVllm]) -> None:
        async with running(*servers) as engine:
            await engine.backend.generate(update(0))
            gone = serving(servers)
            gone.health = 503
            gone.chat = lambda _: (503, b"")

            for _ in range(3):
                await engine.backend.generate(update(0))

            assert len(gone.chats) == 2
            assert engine.status.condition is Condition.DEGRADED

    async def test_with_all_servers_down_it_is_said_at_once(self, servers: list[FakeVllm]) -> None:
        async with running(*servers) as engine:
            for server in servers:
                server.health = 503
                server.chat = lambda _: (503, b"")
            with pytest.raises(EngineError):
                await engine.backend.generate(update(0))
            asked = [len(server.chats) for server in servers]

            with pytest.raises(EngineError, match="all vLLM servers are down: http"):
                await engine.backend.generate(update(0))

            assert [len(server.chats) for server in servers] == asked
            assert engine.status.condition is Condition.DOWN

    async def test_a_request_that_breaks_every_server_it_meets_takes_none_away(
        self, engine: RemoteVllmEngine, servers: list[FakeVllm]
    ) -> None:
        for server in servers:
            server.chat = lambda request: (500, b"") if request.headers["x-session-id"] == "poison" else None

        with pytest.raises(EngineError):
            await engine.backend.generate(update(0, segment_id="poison"))

        assert (await engine.backend.generate(update(0))).tokens


class TestChecks:
    async def test_a_server_that_comes_back_is_used_again(self, servers: list[FakeVllm]) -> None:
        async with running(*servers, probe_interval_s=0.01) as engine:
            await engine.backend.generate(update(1))
            home = serving(servers)
            home.health = 503
            await eventually(lambda: engine.status.condition is Condition.DEGRADED)
            await engine.backend.generate(update(1))
            home.health = 200
            await eventually(lambda: engine.status.condition is Condition.OK)

            await engine.backend.generate(update(1))

        assert len(home.chats) == 2

    async def test_a_server_that_was_not_there_at_the_start_is_used_later(self, servers: list[FakeVllm]) -> None:
        servers[0].health = 503
        async with running(*servers, probe_interval_s=0.01) as engine:
            servers[0].health = 200

            await eventually(lambda: engine.status.condition is Condition.OK)

    async def test_a_failure_is_looked_into_at_once(self, servers: list[FakeVllm]) -> None:
        async with running(*servers) as engine:
            await engine.backend.generate(update(0))
            home = serving(servers)
            home.chat = lambda _: (503, b"")
            checks = home.paths().count("/health")
            await engine.backend.generate(update(0))

            await eventually(lambda: home.paths().count("/health") > checks)
            await eventually(lambda: engine.status.condition is Condition.OK)

    async def test_a_server_that_fails_a_check_once_stays(self, servers: list[FakeVllm]) -> None:
        failing = iter([RESET])
        reply = servers[0]._reply

        async with running(servers[0], probe_interval_s=0.01) as engine:
            conditions = set()
            servers[0]._reply = lambda request: next(failing, None) or reply(request)
            seen = len(servers[0].received)
            while len(servers[0].received) < seen + 6:
                conditions.add(engine.status.condition)
                await asyncio.sleep(0.002)

        assert conditions == {Condition.OK}

    async def test_a_well_server_is_not_burdened_by_them(self, servers: list[FakeVllm]) -> None:
        async with running(servers[0], probe_interval_s=0.005):
            trials = len(servers[0].received)
            await eventually(lambda: len(servers[0].received) > trials + 3)

        assert set(servers[0].paths()[trials:]) == {"/health"}


class TestTruncate:
    async def test_a_short_context_needs_no_server(self, engine: RemoteVllmEngine, servers: list[FakeVllm]) -> None:
        asked = sum(len(server.received) for server in servers)

        assert await engine.backend.truncate("Zürich", 7) == "Zürich"

        assert sum(len(server.received) for server in servers) == asked

    async def test_a_long_one_is_asked_for_once(self, engine: RemoteVllmEngine, servers: list[FakeVllm]) -> None:
        for _ in range(3):
            assert await engine.backend.truncate("none five four", 2) == "none five "

        assert sum(server.paths().count("/tokenize") for server in servers) == 1

    async def test_no_more_than_some_are_remembered(
        self, engine: RemoteVllmEngine, servers: list[FakeVllm], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("qwen3_asr_realtime.engines.vllm.remote.engine.CONTEXTS_REMEMBERED", 2)

        for text in ("a b c", "b c d", "c d e", "c d e", "b c d", "a b c"):
            await engine.backend.truncate(text, 2)

        assert sum(server.paths().count("/tokenize") for server in servers) == 4


async def test_neither_log_nor_error_tells_what_was_said(servers: list[FakeVllm]) -> None:
    for server in servers:
        server.tokens = (SPOKEN,)
    with capture_logs() as logs:
        async with running(*servers, probe_interval_s=0.01) as engine:
            for server in servers:
                server.chat = lambda request: (500, str(request.body).encode())
            with pytest.raises(EngineError) as caught:
                await engine.backend.generate(update(1, context=SPOKEN))
            servers[0].health = 503
            await eventually(lambda: engine.status.condition is Condition.DEGRADED)

    told = f"{logs} {caught.value} {engine.status}"
    assert "HTTP 500" in told
    assert SPOKEN not in told
    assert KEY not in told
