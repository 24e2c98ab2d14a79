"""Several languages, the real engine with its real weights, a real socket: what somebody hears who tries the server."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import urllib.request
from math import inf
from pathlib import Path

import numpy as np
import pytest
from tests.no_words import assert_no_word_is_heard
from tests.server.harness import running_server

from harness import SPEECH, Result, english_clips, silence, transcribe
from qwen3_asr_realtime.audio.files import read_samples
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.engines.embedded import EmbeddedEngine
from qwen3_asr_realtime.engines.whisper.model import Whisper
from qwen3_asr_realtime.load.error_rate import Errors, word_errors
from qwen3_asr_realtime.samples import Samples
from qwen3_asr_realtime.start_error import EXIT_CONFIGURATION
from word_error_rate import word_error_rate

CHINESE = {
    entry["transcript"]: read_samples(SPEECH / entry["file"])
    for entry in json.loads((SPEECH / "manifest.json").read_text(encoding="utf-8"))
    if entry["language"] == "zh"
}
FIRST, SECOND = CHINESE.values()
ENGLISH = english_clips()
MODES = ["vad", "manual"]


def run(server: LocalServer, *recordings: Samples, **options) -> list[Result]:
    """One session for each recording, all at once."""

    async def all_at_once() -> list[Result]:
        return await asyncio.gather(*(transcribe(server, audio, TranscribeOptions(**options)) for audio in recordings))

    return asyncio.run(all_at_once())


def languages(result: Result) -> list[str]:
    return [final.language for final in result.finals if final.transcript]


def test_health_says_that_it_knows_all_languages(server: LocalServer) -> None:
    with urllib.request.urlopen(f"{server.http_url}/health") as answer:
        health = json.load(answer)

    assert (health["languages"], health["model"]) == ("all", "moonshine-tiny-en + whisper-base")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("language", ["zh", None])
def test_chinese_comes_back_as_text(server: LocalServer, mode: str, language: str | None) -> None:
    results = run(server, *CHINESE.values(), mode=mode, language=language, speed=inf)

    wrong = sum((word_errors(said, result.text) for said, result in zip(CHINESE, results, strict=True)), Errors())
    assert wrong.of == 26
    assert wrong.wrong <= 4
    assert {language for result in results for language in languages(result)} == {"zh"}


@pytest.mark.parametrize("language", ["en", None])
def test_english_is_as_good_as_without_the_others(server: LocalServer, language: str | None) -> None:
    results = run(server, *(clip.samples for clip in ENGLISH), language=language, speed=inf)

    assert word_error_rate([clip.transcript for clip in ENGLISH], [result.text for result in results]) <= 0.08
    assert {language for result in results for language in languages(result)} == {"en"}


def test_a_session_may_speak_one_language_after_another(server: LocalServer) -> None:
    sentences = [FIRST, ENGLISH[0].samples, SECOND, ENGLISH[3].samples]

    (result,) = run(server, np.concatenate([piece for one in sentences for piece in (one, silence(1.2))]), speed=inf)

    assert languages(result) == ["zh", "en", "zh", "en"]


def test_two_sessions_have_their_previews(server: LocalServer) -> None:
    results = run(server, FIRST, SECOND, language="zh", speed=1.0)

    for result in results:
        assert len(result.previews) >= 2
        assert {preview.language for preview in result.previews} == {"zh"}


@pytest.mark.parametrize(("language", "sentences"), [("en", 7), (None, 7), ("zh", 2), (None, 2)])
async def test_an_english_session_is_identified_once_and_one_whose_language_is_given_never(
    weights: Path, monkeypatch: pytest.MonkeyPatch, language: str | None, sentences: int
) -> None:
    identified: list[int] = []
    identify = Whisper.identify

    def counted(self: Whisper, audio: Samples, cancelled: threading.Event | None = None) -> dict[str, float]:
        identified.append(len(audio))
        return identify(self, audio, cancelled)

    monkeypatch.setattr(Whisper, "identify", counted)
    spoken = [clip.samples for clip in ENGLISH] if sentences == 7 else list(CHINESE.values())
    audio = np.concatenate([piece for one in spoken for piece in (one, silence(1.2))])
    async with running_server(EmbeddedEngine(2, lambda: weights)) as server:
        identified.clear()
        local = LocalServer(f"ws://127.0.0.1:{server.port}/api-ws/v1/realtime", "", 0)
        await transcribe(local, audio, TranscribeOptions(language=language, speed=4.0))

    if language is not None:
        assert identified == []
    elif sentences == 7:
        assert len(identified) == 1
    else:  # once for the first partial, once when there are three seconds, once for a shorter final
        assert 2 <= len(identified) <= 6


@pytest.mark.parametrize("threshold", [None, -1.0])
def test_no_chinese_word_is_heard_where_nobody_speaks(server: LocalServer, threshold: float | None) -> None:
    assert_no_word_is_heard(server, TranscribeOptions(language="zh", vad_threshold=threshold), FIRST, "交易")


@pytest.mark.parametrize("threshold", [None, -1.0])
def test_no_word_of_any_language_is_heard_where_nobody_speaks(server: LocalServer, threshold: float | None) -> None:
    assert_no_word_is_heard(server, TranscribeOptions(vad_threshold=threshold), ENGLISH[0].samples, "leisure")


def test_weights_with_one_byte_changed_are_refused(weights: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(weights, tmp_path / "whisper-base")) / "model.bin"
    with damaged.open("r+b") as file:
        file.seek(70_000_000)
        byte = file.read(1)
        file.seek(70_000_000)
        file.write(bytes([byte[0] ^ 1]))

    done = subprocess.run(
        [sys.executable, "-m", "qwen3_asr_realtime", "serve"],
        env={"MODELS_DIR": str(tmp_path), "SERVER_PORT": "0", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == EXIT_CONFIGURATION
    assert "model whisper-base: model file model.bin is damaged" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].endswith("Fetch it again with `qwen3-asr-realtime models fetch whisper-base`.")
