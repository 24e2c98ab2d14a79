"""The engine stands still, fails or breaks. Whose speech it had gets `failed`; session and others go on."""

from collections.abc import Callable

import pytest
from tests.faults.watched import COMPLETED, FAILED, TROUBLE, assert_served, hanging, watched_server
from tests.server.harness import Client, Event, eventually

from qwen3_asr_realtime.engines.scripted import Call, Reply, counted_words

MANUAL = {"turn_detection": None, "input_audio_transcription": TROUBLE}


def failing(call: Call) -> Reply:
    return Reply(error="out of order") if call.options.context else counted_words(call)


def broken(call: Call) -> Reply:
    if call.options.context:
        raise ZeroDivisionError(f"a defect that {call.n_samples} samples bring out")
    return counted_words(call)


def breaking_late(call: Call) -> Reply:
    return broken(call) if call.final else counted_words(call)


async def end_of_item(client: Client, speech: bytes) -> Event:
    await client.append(speech)
    await client.send("input_audio_buffer.commit")
    while (event := await client.receive())["type"] not in {COMPLETED, FAILED}:
        assert event["type"] != "error"
    return event


@pytest.mark.parametrize("script", [hanging, failing, broken, breaking_late])
async def test_one_session_s_decodes_go_wrong(go_forward: bytes, script: Callable[[Call], Reply]) -> None:
    async with (
        watched_server(script, decode_timeout_sec=1.0) as server,
        server.session() as other,
        server.session(**MANUAL) as client,
    ):
        failed = await end_of_item(client, go_forward)
        assert failed["type"] == FAILED
        assert failed["error"]["message"] == "Recognition failed."  # and nothing about the inside
        await assert_served(other, go_forward)
        server.engine.script = counted_words
        assert (await end_of_item(client, go_forward))["transcript"].startswith("w1 w2 w3 w4")
        assert [event["type"] for event in await client.finish()] == ["session.finished"]


async def test_the_whole_engine_stands_still_for_a_while(go_forward: bytes) -> None:
    """Finals that wait are late and not lost, as long as it answers again within DECODE_TIMEOUT_SEC."""
    async with (
        watched_server(lambda call: Reply(latency_s=1000.0), decode_timeout_sec=2.0, engine_concurrency=2) as server,
        server.session(**MANUAL) as first,
        server.session(**MANUAL) as second,
        server.session(**MANUAL) as third,
    ):
        for client in (first, second, third):
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
        await eventually(lambda: sum(call.final for call in server.engine.calls) >= 2)
        server.engine.script = counted_words
        for client in (first, second, third):
            events = await client.until(COMPLETED)
            assert events[-1]["transcript"].startswith("w1 w2 w3 w4")


async def test_a_client_that_leaves_a_standing_engine_frees_its_slot(go_forward: bytes) -> None:
    async with watched_server(hanging, engine_concurrency=1) as server, server.session() as other:
        async with server.session(**MANUAL) as client:
            await client.append(go_forward)
            await client.send("input_audio_buffer.commit")
            await eventually(lambda: any(call.final for call in server.engine.calls))
        await assert_served(other, go_forward)
