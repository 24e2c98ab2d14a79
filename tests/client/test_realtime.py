import asyncio
from http import HTTPStatus

import pytest

from qwen3_asr_realtime.client import realtime
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient, url_with_model


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://host/p", "ws://host/p?model=a%20b"),
        ("wss://host:1/p?token=x%2By", "wss://host:1/p?token=x%2By&model=a%20b"),
        ("ws://host/p?model=mine", "ws://host/p?model=mine"),
        ("ws://host/p?model=", "ws://host/p?model="),
    ],
)
def test_model_is_added_only_where_it_is_missing(url, expected):
    assert url_with_model(url, "a b") == expected


async def test_events_travel_both_ways(scripted_server):
    async def script(peer):
        await peer.until("session.finish")
        await peer.send("session.finished", transcript="浦东")

    async with scripted_server(script) as server:
        async with RealtimeClient(server.url, api_key="secret") as client:
            await client.send("session.update", session={"turn_detection": None})
            await client.send("session.finish")
            events = [event async for event in client]
        (peer,) = server.peers

    assert [(event["type"], event["transcript"]) for event in events] == [("session.finished", "浦东")]
    assert peer.received[0]["session"] == {"turn_detection": None}
    assert len({event["event_id"] for event in peer.received}) == 2
    assert peer.request.headers["Authorization"] == "Bearer secret"
    assert peer.request.path.endswith("?model=qwen3-asr-flash-realtime")


async def test_without_a_key_no_authorization_header_is_sent(scripted_server):
    async with scripted_server(lambda peer: peer.until_closed()) as server:
        async with RealtimeClient(server.url):
            pass
        assert "Authorization" not in server.peers[0].request.headers


async def test_frames_of_many_megabytes_arrive(scripted_server):
    async def script(peer):
        await peer.send("big", text="x" * (15 * 2**20))

    async with scripted_server(script) as server, RealtimeClient(server.url) as client:
        assert len((await anext(client))["text"]) == 15 * 2**20


async def test_a_proxy_in_the_environment_is_not_used_for_this_machine(scripted_server, unused_tcp_port, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_tcp_port}")
    async with scripted_server(lambda peer: peer.send("hello")) as server, RealtimeClient(server.url) as client:
        assert (await anext(client))["type"] == "hello"


async def test_connection_refused(dead_url):
    with pytest.raises(ClientError, match="connection refused"):
        async with RealtimeClient(dead_url):
            pass


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "no address", "ws://[::1/", "ws://127.0.0.1:99999/"])
async def test_an_impossible_address_is_a_client_error(url):
    with pytest.raises(ClientError, match="cannot connect"):
        async with RealtimeClient(url):
            pass


async def test_a_refused_key_is_told_with_the_http_status(scripted_server):
    async with scripted_server(None, lambda connection, _: connection.respond(HTTPStatus.UNAUTHORIZED, "")) as server:
        with pytest.raises(ClientError, match="401"):
            async with RealtimeClient(server.url, api_key="wrong"):
                pass


async def test_a_server_that_never_answers_the_handshake(unused_tcp_port, monkeypatch):
    monkeypatch.setattr(realtime, "CONNECT_TIMEOUT_S", 0.02)
    done = asyncio.Event()

    async def hold(_, writer):
        await done.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", unused_tcp_port):
        with pytest.raises(ClientError, match="no answer within"):
            async with RealtimeClient(f"ws://127.0.0.1:{unused_tcp_port}/"):
                pass
        done.set()


async def test_a_lost_connection_raises_the_reason_after_the_last_event(scripted_server):
    async def script(peer):
        await peer.send("hello")
        await peer.connection.close(1013, "too many sessions")

    async with scripted_server(script) as server, RealtimeClient(server.url) as client:
        assert (await anext(client))["type"] == "hello"
        with pytest.raises(ClientError, match="1013 too many sessions"):
            await anext(client)
        with pytest.raises(ClientError, match="1013"):
            await client.send("session.finish")


@pytest.mark.parametrize("frame", ["not json", "[1]", b"\xff"])
async def test_a_frame_that_is_no_object_is_an_error(scripted_server, frame):
    async with (
        scripted_server(lambda peer: peer.connection.send(frame)) as server,
        RealtimeClient(server.url) as client,
    ):
        with pytest.raises(ClientError, match="not a JSON object"):
            await anext(client)
