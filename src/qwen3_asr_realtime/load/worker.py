"""A process that holds some of the sessions of a stage: `python -m qwen3_asr_realtime.load.worker`.

Standard input brings one line of JSON, `Orders`, then a line that says go; its end means stop. Standard output gives
lines of JSON: `Ready` once, `Progress` now and then, and a `SessionLog` for every session when all are over or
stopped. So the process also ends when the one that started it does.
"""

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from qwen3_asr_realtime.load.conversation import Conversation, plan
from qwen3_asr_realtime.load.recordings import Recording, Source, read_recording
from qwen3_asr_realtime.load.session import Pace, SessionLog, hold_session

PROGRESS_INTERVAL_S = 0.5

_COMPLETED = "conversation.item.input_audio_transcription.completed"


class Start(msgspec.Struct, frozen=True):
    """One session and when it starts.

    Attributes:
        session: Its number.
        after_s: Seconds after the word to go.
    """

    session: int
    after_s: float


class Orders(msgspec.Struct, frozen=True):
    """What a worker is to do."""

    url: str
    api_key: str | None
    sources: list[Source]
    pace: Pace
    duration_s: float
    seed: int
    starts: list[Start]

    def conversation(self, session: int, recordings: list[Recording]) -> Conversation:
        """What a session is going to say."""
        return plan(
            recordings,
            duration_s=self.duration_s,
            session=session,
            seed=self.seed,
            silence_ms=self.pace.silence_ms,
        )


class Ready(msgspec.Struct, tag="ready"):
    """The recordings are read."""


class Progress(msgspec.Struct, tag="progress"):
    """How far the sessions of this worker are.

    Attributes:
        talking: Sessions that are connected and not over.
        sent_ms: Audio sent.
        finals: Finals received.
        failures: Sessions that ended before their time.
        late_ms: By how much the client was late at most, in the last frames.
    """

    talking: int
    sent_ms: int
    finals: int
    failures: int
    late_ms: int


Report = Ready | Progress | SessionLog


async def work(orders: Orders, recordings: list[Recording], stop: asyncio.Event) -> list[SessionLog]:
    """Hold all sessions and report on them while they last; `stop` cuts them short."""
    logs = [SessionLog(start.session) for start in orders.starts]
    sessions = [
        asyncio.create_task(_hold(orders, recordings, start, log), name=f"load-session-{start.session}")
        for start, log in zip(orders.starts, logs, strict=True)
    ]
    reporting = asyncio.create_task(_report(logs, sessions), name="load-progress")
    stopping = asyncio.create_task(_stopped(stop), name="load-stop")
    over = asyncio.create_task(_wait_for(sessions), name="load-over")
    await asyncio.wait([over, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (*sessions, over, reporting, stopping):
        task.cancel()
    outcomes = await asyncio.gather(*sessions, return_exceptions=True)
    await asyncio.gather(over, reporting, stopping, return_exceptions=True)
    for log, outcome in zip(logs, outcomes, strict=True):
        log.interrupted |= isinstance(outcome, asyncio.CancelledError)
        if isinstance(outcome, Exception):
            log.failure = f"the load tool failed: {outcome!r}"
    return logs


async def _stopped(stop: asyncio.Event) -> None:
    await stop.wait()


async def _wait_for(sessions: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(sessions)


async def _hold(orders: Orders, recordings: list[Recording], start: Start, log: SessionLog) -> None:
    await asyncio.sleep(start.after_s)
    conversation = orders.conversation(start.session, recordings)
    await hold_session(conversation, orders.pace, log, url=orders.url, api_key=orders.api_key)


async def _report(logs: list[SessionLog], sessions: list[asyncio.Task[None]]) -> None:
    seen = [0] * len(logs)
    finals = 0
    while True:
        await asyncio.sleep(PROGRESS_INTERVAL_S)
        for index, log in enumerate(logs):
            fresh = log.received[seen[index] :]
            seen[index] += len(fresh)
            finals += sum(received.event.get("type") == _COMPLETED for received in fresh)
        _say(
            Progress(
                talking=sum(
                    log.connect_ms is not None and not task.done() for log, task in zip(logs, sessions, strict=True)
                ),
                sent_ms=sum(log.sent_ms for log in logs),
                finals=finals,
                failures=sum(log.failure != "" for log in logs),
                late_ms=max((max(log.late_ms[-100:], default=0) for log in logs), default=0),
            )
        )


def _say(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


async def _main() -> None:
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    orders = msgspec.json.decode(await stdin.readuntil(), type=Orders)
    recordings = [read_recording(source) for source in orders.sources]
    _say(Ready())
    await stdin.readuntil()
    stop = asyncio.Event()

    async def watch() -> None:
        await stdin.read()
        stop.set()

    watching = asyncio.create_task(watch(), name="load-watch")
    for log in await work(orders, recordings, stop):
        _say(log)
    watching.cancel()


if __name__ == "__main__":
    try:
        asyncio.run(_main())
    except asyncio.IncompleteReadError:
        # The process that started this one is gone.
        sys.exit(1)
