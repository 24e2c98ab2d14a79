"""The parent of several workers, with programs for workers that do what the test says and load nothing."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.server.harness import eventually

from qwen3_asr_realtime.server import parent as module
from qwen3_asr_realtime.server.address import AddressError, bound_socket, listen
from qwen3_asr_realtime.server.parent import Parent, Worker
from qwen3_asr_realtime.settings import Settings

BEAT_S = 0.05

WORKER = f"""
import os, pathlib, signal, socket, sys, time
number, successor, questions, connections, folder = sys.argv[1:]
questions = socket.socket(fileno=int(questions))
connections = socket.socket(fileno=int(connections))

def say(topic, number=0):
    questions.sendall(b'["%s",%d]\\n' % (topic.encode(), number))

def note(text):
    with (pathlib.Path(folder) / "notes").open("a") as notes:
        notes.write(f"{{number}}{{successor}} {{text}}\\n")

def beat():
    while True:
        say("alive")
        time.sleep({BEAT_S})

def stop(*_):
    note("told to stop")
    os._exit(0)

def drain(*_):
    say("draining")
    note("drains")
    while not (pathlib.Path(folder) / "go").exists():
        time.sleep({BEAT_S})
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
say("ready")
"""


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


class World:
    """A parent that runs two workers."""

    def __init__(self, parent: Parent, folder: Path, port: int) -> None:
        self.parent = parent
        self.folder = folder
        self.port = port

    @property
    def notes(self) -> list[str]:
        path = self.folder / "notes"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    @property
    def ready(self) -> list[Worker]:
        return self.parent._ready

    async def run(self, scenario: Callable[["World"], Any]) -> int:
        """Run it, and the scenario once both workers are ready; then stop it."""
        running = asyncio.create_task(self.parent.run())
        await eventually(lambda: len(self.ready) == 2)
        await scenario(self)
        self.parent._stop()
        async with asyncio.timeout(10):
            return await running


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], World]]:
    monkeypatch.setattr(module, "BEAT_S", BEAT_S)
    monkeypatch.setattr(module, "mark_process_dead", lambda *_: None)
    settings = Settings(_env_file=None, server_host="127.0.0.1", server_port=0, server_workers=2)
    settings = settings.model_copy(update={"worker_timeout_sec": 1.5, "engine_restart_max_delay_sec": 0.01})
    with bound_socket(settings) as listener:

        def make(behaviour: str) -> World:
            monkeypatch.setattr(module, "WORKER_COMMAND", (sys.executable, "-S", "-c", WORKER + behaviour))
            return World(Parent(settings, listener, str(tmp_path)), tmp_path, listener.getsockname()[1])

        yield make


async def test_one_that_hangs_gets_no_connections_and_is_killed_and_replaced(
    world: Callable[[str], World], logs: list[Any]
) -> None:
    async def scenario(world: World) -> None:
        hung = world.ready[0]
        hung.send(signal.SIGSTOP)
        await eventually(lambda: hung not in world.ready)
        assert hung.process.returncode is None
        await eventually(lambda: any(note.endswith("hung lives") for note in world.notes))
        assert hung.process.returncode == -signal.SIGKILL
        await eventually(lambda: len(world.ready) == 2)

    assert await world("note('lives')\nbeat()").run(scenario) == 0
    [line] = [line for line in logs if line["event"] == "worker hangs"]
    assert (line["log_level"], line["limit"]) == ("error", "WORKER_TIMEOUT_SEC")


async def test_one_that_is_heard_of_again_gets_connections_again(world: Callable[[str], World]) -> None:
    async def scenario(world: World) -> None:
        slow = world.ready[0]
        slow.send(signal.SIGSTOP)
        await eventually(lambda: slow not in world.ready)
        slow.send(signal.SIGCONT)
        await eventually(lambda: slow in world.ready)

    assert await world("beat()").run(scenario) == 0


async def test_a_connection_is_load_until_it_is_taken_and_a_moment_longer(
    world: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes none: it gets one, and all others go to the second, which tells of each."""
    monkeypatch.setattr(module, "ON_THE_WAY_S", 0.0)
    taking = """
connections.settimeout(0.05)
while number == "1":
    say("alive")
    try:
        socket.recv_fds(connections, 1, 1)
    except TimeoutError:
        continue
    note("took")
    say("taken", 1)
beat()
"""

    async def scenario(world: World) -> None:
        def handed() -> list[int]:
            return sorted(worker.handed for worker in world.ready)

        for count in (1, 2, 3, 4):
            _, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.close()
            await writer.wait_closed()
            await eventually(lambda count=count: handed()[0] == 0 and len(world.notes) + handed()[1] == count)
        assert handed() == [0, 1]
        assert len(world.notes) == 3

    assert await world(taking).run(scenario) == 0


async def test_one_that_is_told_to_stop_gets_no_connections_and_has_not_died(
    world: Callable[[str], World], logs: list[Any]
) -> None:
    async def scenario(world: World) -> None:
        drained = world.ready[0]
        drained.send(signal.SIGTERM)
        await eventually(lambda: drained not in world.ready)
        assert drained.process.returncode is None
        (world.folder / "go").touch()
        await eventually(lambda: len(world.ready) == 2)

    assert await world("signal.signal(signal.SIGTERM, drain)\nbeat()").run(scenario) == 0
    events = [line["event"] for line in logs]
    assert events.count("worker stopped") == 1
    assert "worker died" not in events


async def test_a_failure_in_the_parent_ends_workers_in_their_own_way(
    world: Callable[[str], World], monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    async def scenario(world: World) -> None:
        monkeypatch.setattr(module, "mark_process_dead", fail)
        world.ready[0].send(signal.SIGKILL)
        await eventually(lambda: bool(world.notes))

    assert await world("beat()").run(scenario) == 1
    assert "parent failed" in [line["event"] for line in logs]


async def test_one_that_cannot_be_started_harms_no_other(
    world: Callable[[str], World], monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    pairs = module.socket.socketpair

    def none_left() -> None:
        raise OSError(24, "Too many open files")

    async def scenario(world: World) -> None:
        first, second = world.ready
        monkeypatch.setattr(module.socket, "socketpair", none_left)
        first.send(signal.SIGKILL)
        await eventually(lambda: any(line["event"] == "worker not started" for line in logs))
        assert world.ready == [second]
        monkeypatch.setattr(module.socket, "socketpair", pairs)
        await eventually(lambda: len(world.ready) == 2)

    assert await world("beat()").run(scenario) == 0


async def test_a_port_that_was_taken_meanwhile(world: Callable[[str], World]) -> None:
    parent = world("beat()")
    with bound_socket(Settings(_env_file=None, server_host="127.0.0.1", server_port=parent.port)) as other:
        listen(other)
        with pytest.raises(AddressError, match=f"cannot listen on 127.0.0.1:{parent.port}"):
            async with asyncio.timeout(10):
                await parent.parent.run()
