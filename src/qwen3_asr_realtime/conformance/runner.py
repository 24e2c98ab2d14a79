"""Runs cases against a server and judges them."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from qwen3_asr_realtime.conformance.connection import Target
from qwen3_asr_realtime.conformance.log import Log
from qwen3_asr_realtime.conformance.player import Player
from qwen3_asr_realtime.conformance.predicates import Mismatch
from qwen3_asr_realtime.conformance.speech import Recordings
from qwen3_asr_realtime.conformance.vocabulary import Append, Case, ExpectNothing, ExpectPing

AT_ONCE = 6
"""Cases that run side by side. They mostly wait; the cloud allows 20 new sessions a second."""

PATIENT_FROM_S = 15.0
"""A case that takes longer begins first and waits beside all others, those that want to be alone included."""

OVERTIME_S = 90.0
"""What a case may take beyond the time that its script names; its steps have their own, shorter limits."""

LOG_LINES = 16


class Verdict(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    DIFFERS = "differs"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case.

    Attributes:
        case: The case.
        verdict: How it ended.
        duration_s: Wall time it took.
        expected: What should have come; "" unless it deviated.
        got: What came; for a skipped case, why.
        where: The step at which it deviated, or the case on whose connection a standing rule was broken.
        log: The end of that connection's log, one line an entry.
    """

    case: Case
    verdict: Verdict
    duration_s: float
    expected: str = ""
    got: str = ""
    where: str = ""
    log: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether the server may claim to conform as far as this case goes."""
        return self.verdict is not Verdict.FAILED


class Runner:
    """One run of the suite.

    Args:
        target: The server.
        recordings: The speech.
        strict: Whether a deviation is a failure also where the cloud's behaviour is uncertain.
        on_result: Called with every result as it comes; standing rules are judged at the end.
    """

    def __init__(
        self,
        target: Target,
        recordings: Recordings,
        *,
        strict: bool,
        on_result: Callable[[Result], None] = lambda result: None,
    ) -> None:
        self._target = target
        self._recordings = recordings
        self._strict = strict
        self._on_result = on_result
        self._logs: list[tuple[Case, Log]] = []
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self, cases: Sequence[Case]) -> list[Result]:
        """Run cases and return their results in the same order."""
        patient = [case for case in cases if script_s(case, self._recordings) >= PATIENT_FROM_S]
        alone = [case for case in cases if case.alone and case not in patient]
        others = [case for case in cases if case not in patient and case not in alone]
        results: dict[str, Result] = {}
        async with asyncio.TaskGroup() as waiting:
            for case in patient:
                waiting.create_task(self._run(case, results), name=case.id)
            async with asyncio.TaskGroup() as tasks:
                for case in others:
                    tasks.create_task(self._run_in_turn(case, results), name=case.id)
            for case in alone:
                await self._run(case, results)
        return [self._with_standing_rule(results[case.id]) for case in cases]

    async def _run_in_turn(self, case: Case, results: dict[str, Result]) -> None:
        async with self._places:
            await self._run(case, results)

    async def _run(self, case: Case, results: dict[str, Result]) -> None:
        results[case.id] = result = await self._result(case)
        self._on_result(result)

    async def _result(self, case: Case) -> Result:
        reason = self._why_skipped(case)
        if reason:
            return Result(case, Verdict.SKIPPED, 0.0, got=reason)
        began_s = time.monotonic()
        player = Player(self._target, self._recordings)
        limit_s = script_s(case, self._recordings) + OVERTIME_S
        try:
            async with asyncio.timeout(limit_s):
                await player.play(case.script)
        except Mismatch as mismatch:
            result = self._deviation(case, mismatch, f"step {player.step}", player.logs[-1:])
        except TimeoutError:
            endless = Mismatch(f"an end within {limit_s:g} s", "none")
            result = self._deviation(case, endless, f"step {player.step}", player.logs[-1:])
        else:
            result = Result(case, Verdict.PASSED, 0.0)
        self._logs += [(case, log) for log in player.logs]
        return replace(result, duration_s=time.monotonic() - began_s)

    def _why_skipped(self, case: Case) -> str:
        if case.needs == "key" and not self._target.api_key:
            return "needs an API key"
        if case.needs == "loopback" and not self._target.is_loopback:
            return "only for a server on this machine"
        return ""

    def _with_standing_rule(self, result: Result) -> Result:
        """The result of a case, once its standing rule has been held against every connection of the run."""
        rule = result.case.always
        if rule is None or result.verdict is not Verdict.PASSED:
            return result
        for case, log in self._logs:
            try:
                rule(log)
            except Mismatch as mismatch:
                broken = self._deviation(result.case, mismatch, f"a connection of {case.id}", [log])
                return replace(broken, duration_s=result.duration_s)
        return result

    def _deviation(self, case: Case, mismatch: Mismatch, where: str, logs: Sequence[Log]) -> Result:
        return Result(
            case,
            Verdict.DIFFERS if case.uncertain and not self._strict else Verdict.FAILED,
            0.0,
            expected=mismatch.expected,
            got=mismatch.got,
            where=where,
            log=tuple(line for log in logs for line in log.tail(LOG_LINES)),
        )


def script_s(case: Case, recordings: Recordings) -> float:
    """The time a script takes by what it says itself: audio sent at a stated speed, and waits."""
    seconds = 0.0
    for step in case.script:
        match step:
            case ExpectNothing(for_s):
                seconds += for_s
            case ExpectPing(within_s):
                seconds += within_s
            case Append(sound, speed=speed) if speed != math.inf:
                seconds += recordings.duration_s(sound) / speed
    return seconds
