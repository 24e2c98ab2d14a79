import asyncio
import fcntl
import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.local import loading
from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions
from qwen3_asr_realtime.engines.vllm.local.loading import check_model_folder


@pytest.mark.parametrize("name", ["{}/nowhere", "{}", "./no-such-folder"])
def test_a_folder_without_a_model_is_refused_before_anything_is_loaded(tmp_path, name) -> None:
    with pytest.raises(EngineError, match=r"has no config\.json"):
        check_model_folder(name.format(tmp_path))


def test_a_folder_with_a_model_and_a_name_on_the_hub_are_not(tmp_path) -> None:
    (tmp_path / "config.json").touch()

    check_model_folder(str(tmp_path))
    check_model_folder("Qwen/Qwen3-ASR-1.7B")


class GuardianThatIsGone:
    def watch(self, pids) -> None:
        raise BrokenPipeError


class FakeProcess:
    pid = 2**22 + 1  # more than there may be

    def __init__(self) -> None:
        self.killed = threading.Event()

    def kill(self) -> None:
        self.killed.set()


async def test_the_engine_s_processes_are_ended_also_without_their_guardian(monkeypatch) -> None:
    process = FakeProcess()

    def load(*_) -> None:
        assert process.killed.wait(20)
        raise RuntimeError("its process has ended")

    monkeypatch.setattr(multiprocessing, "active_children", lambda: [process])
    monkeypatch.setattr(loading, "_load", load)

    async with asyncio.timeout(20):
        with pytest.raises(EngineError, match="the guardian of the engine's processes is gone"):
            await loading.load(LocalOptions("org/weights"), 60.0, GuardianThatIsGone())

    assert process.killed.is_set()


def test_the_engine_s_log_has_one_place_for_all_launches_that_is_locked() -> None:
    config, causes = loading._logging_files()

    assert loading._logging_files() == (config, causes)
    assert config.parent == causes.parent
    folder = os.open(config.parent, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)


def test_a_machine_without_room_for_the_engine_s_log_is_named(monkeypatch, tmp_path) -> None:
    def no_files() -> tuple[Path, Path]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda _: True)
    monkeypatch.setattr(loading, "_logging_files", no_files)

    with pytest.raises(EngineError, match=r"no place for the engine's log: .*No space left"):
        loading._load(LocalOptions("org/weights"), 60.0, threading.Event())
