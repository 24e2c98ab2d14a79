"""How many people can talk at once: the server alone, with an engine that costs nothing.

    python benchmarks/capacity.py [--sessions 50 100 200 300] [--seconds 10]

Clients in processes of their own send speech and pauses (40 % speech) as 100 ms of PCM in each append, each session on
a schedule of its own without drift. Printed for each number of sessions: seconds of audio that passed endpointing for a
second of CPU time of the server's process, which is how many sessions one core serves; the CPU cores it used, and the
event loop's thread of them; how much of the audio that was sent in that time was worked on in it; and how long an
append took from being sent until its samples had passed endpointing (see servers/capacity_server.py). Before that:
memory of a session that sends nothing.

Clients and server share the machine with each other and whatever else runs on it. Where clients send late, or less than
all is worked on while fewer cores are used than there are, the server did not get the CPU, and the stage says nothing
about the delay; sessions per core are right all the same.

Exits with 1 if a core serves fewer than 300 sessions in the last stage, or its delay's p99 is above 50 ms.
"""

import argparse
import asyncio
import base64
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TypeAlias

import numpy as np
import psutil
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from harness import english_clips, print_table, server_command, silence
from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

SESSIONS_PER_CORE, DELAY_LIMIT_MS = 300, 50.0
IDLE_SESSIONS = 200
CLIENT_PROCESSES = 2
PUSH_S = 0.1
SPEECH_SHARE = 0.4
SETTLE_S = 2.0
LONGEST_STAGE_S = 120.0  # whatever happens, clients end by then

Results: TypeAlias = "Queue[list[float] | None]"


def appends() -> list[str]:
    """The audio that all sessions repeat, each beginning elsewhere: appends without their beginning."""
    pieces = [
        piece
        for clip in english_clips()
        for piece in (clip.samples, silence(len(clip.samples) / 16_000 * (1 / SPEECH_SHARE - 1)))
    ]
    pcm = pcm16_bytes(np.concatenate(pieces))
    size = int(PUSH_S * 32_000)
    return [
        f'","type":"input_audio_buffer.append","audio":"{base64.b64encode(pcm[first : first + size]).decode()}"}}'
        for first in range(0, len(pcm), size)
    ]


async def talk(url: str, indices: range, of: int, stop: Event, results: Results) -> None:
    """Run some of a stage's sessions until told to stop; report that all are connected, then how late they sent."""
    rests = appends()
    late_ms: list[float] = []
    end_s = time.monotonic() + LONGEST_STAGE_S

    async def read(socket: ClientConnection) -> None:
        async for _ in socket:
            pass

    async def send(socket: ClientConnection, index: int, start_s: float) -> None:
        number = 0
        while not stop.is_set() and time.monotonic() < end_s:
            due_s = start_s + PUSH_S * (index / of + number)
            if (wait_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            rest = rests[(number + index * 17) % len(rests)]
            now_ns = time.monotonic_ns()
            late_ms.append(now_ns / 1e6 - due_s * 1000)
            await socket.send(f'{{"event_id":"{now_ns:020}{rest}')
            number += 1

    sockets = [await connect(url, compression=None, ping_interval=None) for _ in indices]
    results.put(None)
    start_s = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(read(socket)) for socket in sockets]
        async with asyncio.TaskGroup() as sending:
            for socket, index in zip(sockets, indices, strict=True):
                sending.create_task(send(socket, index, start_s))
        for task, socket in zip(reading, sockets, strict=True):
            task.cancel()
            socket.transport.abort()
    results.put(late_ms)


def client(url: str, indices: range, of: int, stop: Event, results: Results) -> None:
    """The main function of a client process."""
    uvloop.run(talk(url, indices, of, stop, results))


@dataclass(frozen=True)
class Stage:
    """What was measured with some sessions talking: CPU times in s, of the server and of its event loop's thread."""

    sessions: int
    begin_ns: int
    end_ns: int
    cpu_s: float
    loop_cpu_s: float
    late_p99_ms: float


def cpu_s(process: psutil.Process) -> tuple[float, float]:
    """CPU time of the process, and of its main thread, which runs the event loop."""
    times = process.cpu_times()
    main = next(thread for thread in process.threads() if thread.id == process.pid)
    return times.user + times.system, main.user_time + main.system_time


def run_stage(server: LocalServer, sessions: int, seconds: float) -> Stage:
    """Have some sessions talk for a while."""
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    clients = [
        context.Process(target=client, args=(server.url, range(n, sessions, CLIENT_PROCESSES), sessions, stop, results))
        for n in range(CLIENT_PROCESSES)
    ]
    for process in clients:
        process.start()
    try:
        for _ in clients:
            results.get(timeout=LONGEST_STAGE_S)
        time.sleep(SETTLE_S)
        watched = psutil.Process(server.pid)
        begin_ns, (all_before, loop_before) = time.monotonic_ns(), cpu_s(watched)
        time.sleep(seconds)
        end_ns, (all_after, loop_after) = time.monotonic_ns(), cpu_s(watched)
        stop.set()
        late_ms = [late for _ in clients for late in results.get(timeout=LONGEST_STAGE_S) or []]
    finally:
        stop.set()
        for process in clients:
            process.join(LONGEST_STAGE_S)
    return Stage(
        sessions, begin_ns, end_ns, all_after - all_before, loop_after - loop_before, float(np.quantile(late_ms, 0.99))
    )


async def idle_session_kb(server: LocalServer) -> float:
    """Memory of a session that has sent nothing, in kB, after some others have come and gone."""
    process = psutil.Process(server.pid)
    grown: list[int] = []
    for _ in range(3):
        before = process.memory_info().rss
        sockets = [await connect(server.url, compression=None, ping_interval=None) for _ in range(IDLE_SESSIONS)]
        for socket in sockets:
            await socket.recv()
        grown.append(process.memory_info().rss - before)
        for socket in sockets:
            await socket.close()
    return max(grown) / IDLE_SESSIONS / 1000


def main() -> bool:
    parser = argparse.ArgumentParser(description="Sessions per CPU core")
    parser.add_argument("--sessions", type=int, nargs="+", default=[50, 100, 200, 300])
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "delays.npy")
        env = {"ASR_ENGINE": "scripted", "DELAYS_FILE": str(file), "MAX_SESSIONS": "10000", "LOG_LEVEL": "warning"}
        with local_server(command=server_command("capacity_server"), env=env) as server:
            idle_kb = asyncio.run(idle_session_kb(server))
            stages = [run_stage(server, sessions, arguments.seconds) for sessions in arguments.sessions]
        sent_ns, took_ns = np.load(file).T
    print(f"memory of an idle session: {idle_kb:.0f} kB; load of the machine: {os.getloadavg()[0]:.1f}\n")
    done_ns = sent_ns + took_ns
    rows: list[list[object]] = []
    for stage in stages:
        stage_s = (stage.end_ns - stage.begin_ns) / 1e9
        audio_s = PUSH_S * np.count_nonzero((done_ns >= stage.begin_ns) & (done_ns < stage.end_ns))
        per_core = audio_s / stage.cpu_s
        delays_ms = took_ns[(sent_ns >= stage.begin_ns) & (sent_ns < stage.end_ns)] / 1e6
        p50_ms, p99_ms = np.quantile(delays_ms, [0.5, 0.99]) if len(delays_ms) else (np.inf, np.inf)
        rows.append([stage.sessions, f"{per_core:.0f}", f"{stage.cpu_s / stage_s:.2f}"])
        rows[-1] += [f"{stage.loop_cpu_s / stage_s:.2f}", f"{audio_s / stage_s / stage.sessions:.0%}"]
        rows[-1] += [f"{p50_ms:.1f} ms", f"{p99_ms:.1f} ms", f"{stage.late_p99_ms:.1f} ms"]
    header = ["sessions", "sessions per core", "cores", "event loop", "worked on", "delay p50", "p99", "sent late, p99"]
    print_table(header, rows)
    return bool(per_core >= SESSIONS_PER_CORE and p99_ms <= DELAY_LIMIT_MS)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
