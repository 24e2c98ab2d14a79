"""`demo/demo_sdk.py`, as people run it."""

import codecs
import os
import pty
import re
import select
import signal
import subprocess
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.sdk.sdk import COMMAND, SENTENCE, Sdk

from qwen3_asr_realtime.client.local_server import LocalServer

STUBS = Path(__file__).parent / "stubs"
DEMO = Path(__file__).parents[2] / "demo" / "demo_sdk.py"
TIMEOUT_S = 60
NO_SERVER = "ws://127.0.0.1:1/api-ws/v1/realtime"


def start(sdk: Sdk, *arguments: object, **env: str) -> subprocess.Popen[str]:
    command = [str(sdk.python), str(DEMO), *map(str, arguments)]
    return subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(sdk: Sdk, *arguments: object) -> tuple[str, str, int]:
    """Output, errors and status."""
    process = start(sdk, *arguments)
    return *process.communicate(timeout=TIMEOUT_S), process.returncode


def test_a_file_in_manual_mode(sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    options = ["--mode", "manual", "--file", recordings["sentence"], "--fast", "--url", server.url]
    output, errors, status = run(sdk, *options)
    assert (errors, status) == ("", 0)
    assert re.fullmatch(rf"\[00:00\.0 – 00:03\.3\] {SENTENCE}.\n", output)


def test_a_file_in_vad_mode(newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    output, errors, status = run(newest_sdk, "--file", recordings["sentences"], "--fast", "--url", server.url)
    assert (errors, status) == ("", 0)
    first, second = output.splitlines()
    assert re.fullmatch(rf"\[00:00\.0 – 00:0[23]\.\d\] {SENTENCE}.", first)
    assert re.fullmatch(rf"\[00:04\.\d – 00:0[67]\.\d\] {COMMAND}.", second)


def test_what_goes_wrong_is_said_in_a_line(
    newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path], tmp_path: Path
) -> None:
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
    sentence = ["--url", server.url, "--file", recordings["sentence"]]
    cases: list[tuple[list[object], dict[str, str], list[str]]] = [
        ([*sentence, "--language", "zh"], {}, ["'zh'", "'en'"]),
        ([*sentence, "--url", NO_SERVER], {}, [NO_SERVER]),
        (["--file", DEMO], {}, ["not a PCM WAV file", "ffmpeg"]),
        (["--file", tmp_path / "stereo.wav"], {}, ["2 channel(s), 16 bit, 44100 Hz", "ffmpeg"]),
        ([], {}, ["sounddevice", "uv sync --extra demo", "--file"]),
        ([], {"PYTHONPATH": str(STUBS)}, ["No microphone: Error querying device", "--file"]),
    ]
    # All at once: most of their time is the import of the SDK, and a wait for no server.
    running = [start(newest_sdk, *arguments, **env) for arguments, env, _ in cases]
    for process, (_, _, words) in zip(running, cases, strict=True):
        _, errors = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 1
        assert len(errors.splitlines()) == 1
        assert all(word in errors for word in words), errors


def test_ctrl_c_brings_the_last_sentence(newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    with terminal(newest_sdk, "--file", recordings["sentence"], "--url", server.url) as screen:
        screen.wait_for(r"\r\x1b\[K[^\r]*He might[^\r]*\x1b\[2m[^\r]+\x1b\[0m")  # confirmed text, and a dim draft
        screen.process.send_signal(signal.SIGINT)
        screen.wait_for(r"\r\x1b\[K\x1b\[2m\x1b\[0m\[00:00\.0 – 00:0\d\.\d\] He might.*\n")
        assert screen.process.wait(TIMEOUT_S) == 0


def test_a_microphone_in_manual_mode(newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> None:
    env = {"PYTHONPATH": str(STUBS), "RECORDING": str(recordings["sentence"])}
    with terminal(newest_sdk, "--mode", "manual", "--url", server.url, **env) as screen:
        screen.wait_for(r"amiable himself")
        screen.press_enter()
        screen.wait_for(rf"\[00:00\.0 – 00:0\d\.\d\] {SENTENCE}")
        screen.process.send_signal(signal.SIGINT)
        assert screen.process.wait(TIMEOUT_S) == 0


class Screen:
    """A terminal with the demo running in it."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._shown = ""

    def press_enter(self) -> None:
        os.write(self._descriptor, b"\n")

    def wait_for(self, pattern: str) -> None:
        """Return once this has appeared, after what was waited for before."""
        while not (found := re.search(pattern, self._shown)):
            assert select.select([self._descriptor], [], [], TIMEOUT_S)[0], self._shown
            try:
                self._shown += self._decoder.decode(os.read(self._descriptor, 65_536))
            except OSError:  # how Linux says that nobody is left to write
                pytest.fail(f"the demo has ended: {self._shown}")
        self._shown = self._shown[found.end() :]


@contextmanager
def terminal(sdk: Sdk, *arguments: object, **env: str) -> Iterator[Screen]:
    """The demo in a terminal."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [str(sdk.python), str(DEMO), *map(str, arguments)],
            env={**os.environ, **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        try:
            yield Screen(process, ours)
        finally:
            process.kill()
            process.wait()
    finally:
        os.close(ours)
