import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from tests.engines.vllm.remote.fake import HANG, MISS, RESET, TRICKLE, FakeVllm
from tests.engines.vllm.remote.test_chat import lies

from qwen3_asr_realtime.engines.base import EngineError, Priority
from qwen3_asr_realtime.engines.vllm.backend import AudioWindow, Request
from qwen3_asr_realtime.engines.vllm.remote.endpoint import Endpoint
from qwen3_asr_realtime.engines.vllm.remote.options import RemoteOptions, base_url
from qwen3_asr_realtime.engines.vllm.remote.transport import EndpointError
from qwen3_asr_realtime.engines.vllm.tokens import text_of

WINDOW = np.zeros(1600, np.float32)
SPOKEN = "what-was-said"


def update(frozen: int, *, segment_id: str = "seg", context: str = SPOKEN) -> Request:
    """An update with so many frozen windows and a tail."""
    windows = [AudioWindow(f"{segment_id}.{index}", WINDOW, None, frozen=True) for index in range(frozen)]
    tail = AudioWindow(f"{segment_id}.tail", WINDOW[:800], None, frozen=False)
    return Request(segment_id, [*windows, tail], context, "", (), 32, Priority.PARTIAL)


@pytest.fixture
async def server() -> AsyncIterator[FakeVllm]:
    async with FakeVllm().serving() as fake:
        yield fake


Open = Callable[..., Endpoint]


@pytest.fixture
async def opened(server: FakeVllm) -> AsyncIterator[Open]:
    endpoints = []

    def open_(**options: object) -> Endpoint:
        endpoint = Endpoint(server.url, RemoteOptions((server.url,), **{"request_timeout_s": 5.0, **options}))
        endpoints.append(endpoint)
        return endpoint

    yield open_
    for endpoint in endpoints:
        await endpoint.close()


@pytest.fixture
async def endpoint(opened: Open) -> Endpoint:
    endpoint = opened()
    await endpoint.check()
    return endpoint


class TestCheck:
    async def test_the_only_model_is_taken_whatever_its_name(self, server: FakeVllm, opened: Open) -> None:
        endpoint = opened(model="Qwen/Qwen3-ASR-1.7B")

        await endpoint.check()

        assert endpoint.model == "qwen3-asr"

    async def test_the_configured_model_is_taken_among_several(self, server: FakeVllm, opened: Open) -> None:
        server.models = ("a", "b")
        endpoint = opened(model="b")

        await endpoint.check()

        assert endpoint.model == "b"

    async def test_several_models_and_none_of_them_configured(self, server: FakeVllm, opened: Open) -> None:
        server.models = ("a", "b")

        with pytest.raises(EndpointError, match="serves 2 models, none of them 'c'"):
            await opened(model="c").check()

    async def test_a_server_without_our_template(self, server: FakeVllm, opened: Open) -> None:
        server.template = "<|audio_start|><|audio_pad|><|audio_end|>"

        with pytest.raises(EndpointError, match="--chat-template"):
            await opened().check()

    @pytest.mark.parametrize("status", [500, 503])
    async def test_an_unhealthy_server(self, server: FakeVllm, opened: Open, status: int) -> None:
        server.health = status

        with pytest.raises(EndpointError, match=str(status)):
            await opened().check()

    async def test_priority_is_left_out_where_it_is_refused(self, server: FakeVllm, opened: Open) -> None:
        server.refuses_priority = True
        endpoint = opened()

        await endpoint.check()
        await endpoint.generate(update(0))

        assert "priority" not in server.chats[-1].body

    async def test_priority_is_told_where_it_is_taken(self, server: FakeVllm, endpoint: Endpoint) -> None:
        await endpoint.generate(update(0))

        assert server.chats[-1].body["priority"] == Priority.PARTIAL

    async def test_the_key_goes_along(self, server: FakeVllm, opened: Open) -> None:
        server.api_key = "k3y"

        await opened(api_key="k3y").check()

        assert {each.headers.get("authorization") for each in server.received} == {"Bearer k3y"}

    async def test_a_wrong_key_is_said_but_not_told(self, server: FakeVllm, opened: Open) -> None:
        server.api_key = "k3y"

        with pytest.raises(EndpointError, match="API key") as caught:
            await opened(api_key="wrong").check()

        assert "wrong" not in str(caught.value)


class TestAudio:
    async def test_frozen_windows_are_sent_once(self, server: FakeVllm, endpoint: Endpoint) -> None:
        for frozen in (1, 1, 2):
            await endpoint.generate(update(frozen))

        assert [each.with_data for each in server.chats] == [[True, True], [False, True], [False, True, True]]

    async def test_a_miss_is_met_by_one_request_with_everything(self, server: FakeVllm, endpoint: Endpoint) -> None:
        await endpoint.generate(update(2))
        server.cache.clear()

        answer = await endpoint.generate(update(2))

        assert text_of(answer.tokens) == "It is cold"
        assert [each.with_data for each in server.chats[1:]] == [[False, False, True], [True, True, True]]
        await endpoint.generate(update(2))
        assert server.chats[-1].with_data == [False, False, True]

    async def test_a_miss_in_spite_of_everything_is_no_reason_to_go_on(
        self, server: FakeVllm, endpoint: Endpoint
    ) -> None:
        await endpoint.generate(update(1))
        server.chat = lambda _: (400, MISS.encode())

        with pytest.raises(EngineError):
            await endpoint.generate(update(1))

        assert len(server.chats) == 3

    async def test_a_server_that_keeps_no_audio_is_sent_it_each_time(self, server: FakeVllm, opened: Open) -> None:
        server.keeps_audio = False
        endpoint = opened()
        await endpoint.check()

        for _ in range(2):
            await endpoint.generate(update(1))

        assert [each.with_data for each in server.chats] == [[True, True]] * 2

    async def test_what_failed_is_not_taken_as_sent(self, server: FakeVllm, endpoint: Endpoint) -> None:
        server.chat = lambda _: (500, b"")
        with pytest.raises(EndpointError):
            await endpoint.generate(update(1))
        server.chat = lambda _: None

        await endpoint.generate(update(1))

        assert server.chats[-1].with_data == [True, True]

    async def test_memory_of_it_is_bounded(
        self, server: FakeVllm, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("qwen3_asr_realtime.engines.vllm.remote.endpoint.WINDOWS_REMEMBERED", 2)
        for segment in "abc":
            await endpoint.generate(update(1, segment_id=segment))

        for segment in "bc", "a":
            await asyncio.gather(*(endpoint.generate(update(1, segment_id=each)) for each in segment))

        assert sorted(each.with_data[0] for each in server.chats[3:5]) == [False, False]
        assert server.chats[5].with_data == [True, True]

    async def test_a_router_is_told_the_segment(self, server: FakeVllm, endpoint: Endpoint) -> None:
        await endpoint.generate(update(0, segment_id="s17"))

        assert server.chats[-1].headers["x-session-id"] == "s17"


class TestFailure:
    @pytest.mark.parametrize("body", lies().values(), ids=lies().keys())
    async def test_a_lying_server(self, server: FakeVllm, endpoint: Endpoint, body: bytes) -> None:
        server.chat = lambda _: (200, body)

        with pytest.raises(EndpointError) as caught:
            await endpoint.generate(update(0))

        assert not caught.value.lost

    @pytest.mark.parametrize("path", ["models", "tokenize"])
    async def test_a_lie_elsewhere(self, server: FakeVllm, endpoint: Endpoint, path: str) -> None:
        server._reply = lambda request: (200, b"{}" if path in request.path else b"")

        with pytest.raises(EndpointError, match="as vLLM does"):
            await (endpoint.check() if path == "models" else endpoint.truncate("a b c", 1))

    async def test_a_slow_server(self, server: FakeVllm, opened: Open) -> None:
        server.chat = lambda _: HANG

        with pytest.raises(EndpointError, match=r"within 0.02 s") as caught:
            await opened(request_timeout_s=0.02).generate(update(0))

        assert caught.value.lost

    async def test_a_server_that_answers_and_never_ends(self, server: FakeVllm, endpoint: Endpoint) -> None:
        server.chat = lambda _: TRICKLE

        with pytest.raises(EndpointError, match="more than"):
            await endpoint.generate(update(0))

    async def test_a_server_that_dies_while_it_answers(self, server: FakeVllm, endpoint: Endpoint) -> None:
        server.chat = lambda _: RESET

        with pytest.raises(EndpointError, match="broke off"):
            await endpoint.generate(update(0))

    async def test_no_server(self) -> None:
        async with FakeVllm().serving() as gone:
            endpoint = Endpoint(gone.url, RemoteOptions((gone.url,)))

        with pytest.raises(EndpointError, match="cannot be reached") as caught:
            await endpoint.generate(update(0))

        assert caught.value.lost
        await endpoint.close()

    @pytest.mark.parametrize("status", [400, 413, 422])
    async def test_a_refusal_is_the_request_s_own(self, server: FakeVllm, endpoint: Endpoint, status: int) -> None:
        server.chat = lambda _: (status, f'{{"error": "{SPOKEN}"}}'.encode())

        with pytest.raises(EngineError) as caught:
            await endpoint.generate(update(0))

        assert SPOKEN not in str(caught.value)

    @pytest.mark.parametrize("status", [302, 404, 429, 500, 502, 503])
    async def test_any_other_status_is_the_server_s(self, server: FakeVllm, endpoint: Endpoint, status: int) -> None:
        server.chat = lambda _: (status, SPOKEN.encode())

        with pytest.raises(EndpointError) as caught:
            await endpoint.generate(update(0))

        assert SPOKEN not in str(caught.value)

    async def test_cancelling_closes_the_connection(self, server: FakeVllm, endpoint: Endpoint) -> None:
        server.chat = lambda _: HANG
        running = asyncio.create_task(endpoint.generate(update(0)))
        await server.hanging.wait()

        running.cancel()

        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(server.abandoned.wait(), 1)


class TestTruncate:
    async def test_a_text_within_the_bound_is_kept(self, endpoint: Endpoint) -> None:
        assert await endpoint.truncate("one two", 2) == "one two"

    async def test_a_longer_one_is_cut_by_tokens(self, endpoint: Endpoint) -> None:
        assert await endpoint.truncate("none five four", 2) == "none five "

    async def test_where_tokens_cannot_be_counted_bytes_are(self, server: FakeVllm, endpoint: Endpoint) -> None:
        server.has_tokenizer = False

        assert await endpoint.truncate("größer", 3) == "gr"


@pytest.mark.parametrize("given", ["http://a:8000", "http://a:8000/", "http://a:8000/v1", " http://a:8000/v1/ "])
def test_an_address_may_be_written_in_several_ways(given: str) -> None:
    assert base_url(given) == "http://a:8000"


def test_a_path_before_v1_is_kept() -> None:
    assert base_url("https://gate/asr/v1") == "https://gate/asr"


@pytest.mark.parametrize(
    "given", ["", "a:8000", "ftp://a", "http://", "http://a:port", "http://u:p@a", "http://a?x=1", "http://[a"]
)
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(EngineError, match="http://host:8000"):
        base_url(given)
