import asyncio

import pytest
from tests.conformance.mock_server import mock_server

from qwen3_asr_realtime.conformance.connection import Target
from qwen3_asr_realtime.conformance.phrases import FINISH, connected
from qwen3_asr_realtime.conformance.predicates import Mismatch
from qwen3_asr_realtime.conformance.runner import AT_ONCE, Runner, Verdict, script_s
from qwen3_asr_realtime.conformance.speech import FIRST, silence
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Case,
    Connect,
    ConnectRefused,
    Expect,
    ExpectNothing,
    ExpectPing,
    ExpectUntil,
    Send,
)

FINISHED = "session.finished"


def case(name, *steps, **fields):
    return Case(name, f"title of {name}", ("§1",), "DOC", steps or connected(), **fields)


async def polite(peer):
    await peer.greet()
    await peer.until("session.finish")
    await peer.send(FINISHED)
    await peer.until_closed()


async def run(recordings, *cases, script=polite, strict=True, on_result=lambda result: None):
    async with mock_server(script) as target:
        return await Runner(target, recordings, strict=strict, on_result=on_result).run(cases)


WRONG = (*connected(), FINISH, Expect("session.updated"))


@pytest.mark.parametrize(
    ("strict", "uncertain", "verdict"),
    [
        (True, "", Verdict.FAILED),
        (True, "why", Verdict.FAILED),
        (False, "", Verdict.FAILED),
        (False, "why", Verdict.DIFFERS),
    ],
)
async def test_a_deviation(recordings, strict, uncertain, verdict):
    (result,) = await run(recordings, case("a", *WRONG, uncertain=uncertain), strict=strict)
    assert result.verdict is verdict
    assert result.is_good is (verdict is Verdict.DIFFERS)
    assert result.expected == "session.updated"
    assert FINISHED in result.got
    assert result.where == "step 4"
    assert "session.finish" in result.log[-2]
    assert FINISHED in result.log[-1]


async def test_a_case_without_a_deviation(recordings):
    (result,) = await run(recordings, case("a", *connected(), FINISH, Expect(FINISHED), uncertain="why"))
    assert result.verdict is Verdict.PASSED
    assert result.is_good
    assert result.duration_s > 0
    assert result.log == ()


async def test_results_keep_the_order_of_the_cases(recordings):
    cases = [case("a", alone=True), case("b", *WRONG), case("c", *connected(), ExpectNothing(0.05)), case("d")]
    seen = []
    results = await run(recordings, *cases, on_result=lambda result: seen.append(result.case.id))
    assert [result.case.id for result in results] == list("abcd")
    assert [result.verdict for result in results].count(Verdict.FAILED) == 1
    assert sorted(seen) == list("abcd")


async def test_cases_share_the_server_unless_they_want_to_be_alone(recordings):
    open_now = 0
    most = {"alone": 0, "together": 0}

    async def script(peer):
        nonlocal open_now
        open_now += 1
        await peer.greet()
        event = await peer.receive()
        most[event["how"]] = max(most[event["how"]], open_now)
        try:
            await peer.until_closed()
        finally:
            open_now -= 1

    def steps(how):
        return *connected(), Send("x", {"how": how}), ExpectNothing(0.05)

    cases = [case(f"a{number}", *steps("alone"), alone=True) for number in range(3)]
    cases += [case(f"t{number}", *steps("together")) for number in range(2 * AT_ONCE)]
    await run(recordings, *cases, script=script)
    assert most == {"alone": 1, "together": AT_ONCE}


async def test_cases_that_cannot_be_tried_are_skipped(recordings):
    needs_key = case("a", ConnectRefused((401,)), needs="key")
    (result,) = await run(recordings, needs_key)
    assert (result.verdict, result.got, result.is_good) == (Verdict.SKIPPED, "needs an API key", True)
    remote = Runner(Target("wss://example.com/"), recordings, strict=True)
    (result,) = await remote.run([case("b", Connect(), needs="loopback")])
    assert result.verdict is Verdict.SKIPPED


def no_texts(log):
    for event in log.events("text"):
        raise Mismatch("no text", event["type"])


async def test_a_standing_rule_is_held_against_every_connection(recordings):
    async def script(peer):
        await peer.greet()
        if (await peer.receive())["type"] == "speak":
            await peer.send("text")

    quiet = case("quiet", *connected(), Send("hush"), always=no_texts)
    talking = case("talking", *connected(), Send("speak"), ExpectUntil("text"))
    broken, fine = await run(recordings, quiet, talking, script=script)
    assert (broken.verdict, broken.where, broken.got) == (Verdict.FAILED, "a connection of talking", "text")
    assert "text" in broken.log[-2]
    assert fine.verdict is Verdict.PASSED
    (alone,) = await run(recordings, quiet, script=script)
    assert alone.verdict is Verdict.PASSED


async def test_a_failed_script_is_reported_before_a_broken_rule(recordings):
    (result,) = await run(recordings, case("a", *WRONG, always=no_texts))
    assert result.expected == "session.updated"


async def test_the_time_of_a_script(recordings):
    script = case(
        "a", ExpectNothing(1), ExpectPing(2), Append(silence(6), speed=2), Append(FIRST), Expect(FINISHED, within_s=9)
    )
    assert script_s(script, recordings) == pytest.approx(6)


async def test_an_endless_case_is_ended(recordings, monkeypatch):
    monkeypatch.setattr("qwen3_asr_realtime.conformance.runner.OVERTIME_S", 0.1)
    (result,) = await run(recordings, case("a", *connected(), ExpectUntil(FINISHED, within_s=60)))
    assert (result.verdict, result.expected) == (Verdict.FAILED, "an end within 0.1 s")


async def test_cancelling_a_run_closes_its_connections(recordings):
    greeted, gone = asyncio.Event(), asyncio.Event()

    async def script(peer):
        await peer.greet()
        greeted.set()
        try:
            await peer.until_closed()
        finally:
            gone.set()

    async with mock_server(script) as target, asyncio.timeout(10):
        runner = Runner(target, recordings, strict=True)
        running = asyncio.create_task(runner.run([case("a", *connected(), ExpectNothing(60))]))
        await greeted.wait()
        running.cancel()
        await gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await running
