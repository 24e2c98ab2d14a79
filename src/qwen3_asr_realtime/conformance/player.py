"""Plays the script of a case: sends what it says, and holds what comes against what it expects."""

import asyncio
import base64
import itertools
import json
import math
import textwrap
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from qwen3_asr_realtime.conformance.connection import Closed, Connection, Target
from qwen3_asr_realtime.conformance.events import APPEND, TEXT
from qwen3_asr_realtime.conformance.log import Entry, Log
from qwen3_asr_realtime.conformance.predicates import Memory, Mismatch, differences
from qwen3_asr_realtime.conformance.refusal import expect_refusal_of_wrong_key, fill_up, wait_for_room
from qwen3_asr_realtime.conformance.speech import Recordings, chunks
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Check,
    Close,
    Connect,
    ConnectRefused,
    Expect,
    ExpectClose,
    ExpectNothing,
    ExpectPing,
    ExpectUntil,
    Flood,
    Ping,
    Played,
    Script,
    Send,
    SendBinary,
    SendText,
    StartReading,
    Step,
    StopReading,
    Use,
    Vanish,
)
from qwen3_asr_realtime.samples import SAMPLE_RATE

PONG_WITHIN_S = 5.0

_NORMAL = 1000


class Player:
    """One run of one script.

    Args:
        target: The server.
        recordings: The speech.

    Attributes:
        logs: Of every connection opened, in order.
        step: Number of the step that is being played, from 1.
    """

    def __init__(self, target: Target, recordings: Recordings) -> None:
        self.logs: list[Log] = []
        self.step = 0
        self._target = target
        self._recordings = recordings
        self._memory = Memory(recordings, target.model)
        self._connections: list[Connection] = []
        self._current: Connection
        self._event_numbers = itertools.count(1)

    async def play(self, script: Script) -> None:
        """Play the whole script and close its connections.

        Raises:
            Mismatch: The server did not do what was expected.
        """
        try:
            for step in script:
                self.step += 1
                await self._play(step)
            for connection in self._connections:
                await connection.close()
                self._expect_nothing_unread(connection)
        finally:
            for connection in self._connections:
                await connection.drop()

    async def _play(self, step: Step) -> None:
        match step:
            case Connect() | ConnectRefused() | Flood() | Use() | StopReading() | StartReading() | Close() | Vanish():
                await self._change_connection(step)
            case Send() | SendText() | SendBinary() | Append() | Ping():
                await self._send(step)
            case Expect() | ExpectUntil() | ExpectNothing() | ExpectPing() | ExpectClose():
                await self._expect(step)
            case Check(rule):
                rule(Played({log.name: log for log in self.logs}, self._recordings))

    # --- connections -------------------------------------------------------------------------------------------------

    async def _change_connection(self, step: Step) -> None:
        match step:
            case Connect():
                self._current = await Connection.open(self._target, step)
                self._connections.append(self._current)
                self.logs.append(self._current.log)
            case ConnectRefused(statuses):
                await expect_refusal_of_wrong_key(self._target, statuses)
            case Flood(at_most):
                self.logs.append(await fill_up(self._target, at_most))
                await wait_for_room(self._target)
            case Use(name):
                self._current = next(each for each in self._connections if each.log.name == name)
            case StopReading():
                self._current.stop_reading()
            case StartReading():
                self._current.start_reading()
            case Close():
                code = await self._current.close()
                if code != _NORMAL:
                    raise Mismatch("a close frame with code 1000 in answer to the client's", f"code {code}")
            case Vanish():
                await self._current.vanish()
                self._connections.remove(self._current)

    # --- out ---------------------------------------------------------------------------------------------------------

    async def _send(self, step: Step) -> None:
        match step:
            case Send(type_, fields, fragments):
                event = {"event_id": self._event_id(), "type": type_, **fields}
                if event["event_id"] is None:
                    del event["event_id"]
                await self._current.send(json.dumps(event), event, fragments=fragments)
            case SendText(text, times):
                for _ in range(times):
                    await self._current.send(text, text=text)
            case SendBinary(sound):
                audio = b"".join(chunks(self._recordings.samples(sound), "pcm", SAMPLE_RATE))
                await self._current.send(audio, text=f"{len(audio)} bytes in a binary frame")
            case Append():
                await self._append(step)
            case Ping():
                await self._current.ping(PONG_WITHIN_S)

    def _event_id(self) -> str:
        return f"event_{next(self._event_numbers)}"

    async def _append(self, step: Append) -> None:
        connection = self._current
        samples = self._recordings.samples(step.sound)
        total_ms = len(samples) * 1000 / SAMPLE_RATE
        pieces = list(
            chunks(samples, step.encoding, step.sample_rate, chunk_ms=step.chunk_ms, chunk_bytes=step.chunk_bytes)
        )
        if step.extra:
            pieces.append(step.extra)
        size = sum(map(len, pieces))
        began_s, start_ms = time.monotonic(), connection.audio_ms
        for piece, sent in zip(pieces, itertools.accumulate(map(len, pieces)), strict=True):
            share = sent / size
            if step.speed != math.inf:
                await asyncio.sleep(max(0.0, began_s + share * total_ms / 1000 / step.speed - time.monotonic()))
            # Compressed audio has no fixed rate: all of it counts from the start.
            connection.audio_ms = start_ms + total_ms * (share if step.encoding in ("pcm", "wav") else 1.0)
            audio = base64.b64encode(piece).decode()
            if step.untidy:
                audio = "\r\n".join(textwrap.wrap(audio.rstrip("="), 76))
            frame = json.dumps({"event_id": self._event_id(), "type": APPEND, "audio": audio})
            await connection.send(frame, {"type": APPEND})

    # --- in ----------------------------------------------------------------------------------------------------------

    async def _expect(self, step: Step) -> None:
        match step:
            case Expect(type_, fields, within_s):
                await self._expect_event(type_, fields, within_s)
            case ExpectUntil(type_, within_s):
                async with _within(within_s, type_):
                    while (await self._next(type_)).type != type_:
                        pass
            case ExpectNothing(for_s):
                try:
                    async with asyncio.timeout(for_s):
                        entry = await self._next("nothing")
                except TimeoutError:
                    return
                raise Mismatch(f"nothing for {for_s:g} s", entry.content)
            case ExpectPing(within_s):
                async with _within(within_s, "a ping"):
                    await self._current.pinged()
            case ExpectClose(codes, within_s):
                await self._expect_close(codes, within_s)

    async def _expect_event(self, type_: str, fields: Mapping[str, object], within_s: float) -> None:
        async with _within(within_s, type_):
            entry = await self._next(type_)
            while entry.type == TEXT != type_:
                entry = await self._next(type_)
        if entry.type != type_:
            raise Mismatch(type_, entry.content)
        for difference in differences(fields, entry.event, self._memory):
            raise Mismatch(f"{type_} with {difference.expected}", difference.got)

    async def _expect_close(self, codes: tuple[int, ...], within_s: float) -> None:
        wanted = f"a close with code {' or '.join(map(str, codes))}"
        try:
            async with asyncio.timeout(within_s):
                entry = await self._current.next()
        except TimeoutError:
            raise Mismatch(wanted, f"nothing within {within_s:g} s") from None
        except Closed as closed:
            if closed.code not in codes:
                raise Mismatch(wanted, str(closed)) from None
            return
        raise Mismatch(wanted, entry.content)

    async def _next(self, wanted: str) -> Entry:
        try:
            return await self._current.next()
        except Closed as closed:
            raise Mismatch(wanted, str(closed)) from None

    def _expect_nothing_unread(self, connection: Connection) -> None:
        for entry in connection.unread():
            if entry.type != TEXT:
                raise Mismatch("no further event", entry.content)


@asynccontextmanager
async def _within(seconds: float, wanted: str) -> AsyncIterator[None]:
    """A time limit that fails as a mismatch."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Mismatch(wanted, f"nothing within {seconds:g} s") from None
