import io
import subprocess
import sys

import pytest
from rich.console import Console
from tests.models.standin import COMMIT, CONTENT
from typer.testing import CliRunner

from qwen3_asr_realtime.cli import app
from qwen3_asr_realtime.models.command import needed
from qwen3_asr_realtime.models.progress import Display


def run(*arguments):
    return CliRunner().invoke(app, ["models", *arguments])


@pytest.fixture
def hugging_face(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("MODEL_SOURCES", "huggingface")
    monkeypatch.setenv("ASR_ENGINE", "embedded")
    monkeypatch.setenv("WHISPER_MODEL", "tiny")
    hub.serve("acme/tiny", COMMIT, CONTENT)
    return hub


def damage(models_dir):
    path = models_dir / "whisper-tiny" / "model.bin"
    path.write_bytes(b"x" + path.read_bytes()[1:])


def test_the_list_says_what_there_is_and_what_is_here(hugging_face):
    before = run("list").stdout
    hugging_face.serve("acme/medium", COMMIT, CONTENT)
    assert run("fetch", "tiny", "acme/medium").exit_code == 0
    after = run("list").stdout

    assert before.splitlines()[0].split() == "model engine languages size licence here from".split()
    assert before.splitlines()[1].split()[:8] == "whisper-tiny embedded 2 131.3 kB MIT no huggingface,".split()
    assert "packages" in before
    assert after.splitlines()[1].split()[:7] == "whisper-tiny embedded 2 131.3 kB MIT yes".split()
    assert "acme/medium" in after
    assert "acme/medium" not in before


def test_a_model_is_fetched_and_its_folder_printed(hugging_face, models_dir):
    fetched = run("fetch", "whisper-tiny")

    assert (fetched.exit_code, fetched.stdout) == (0, f"{models_dir / 'whisper-tiny'}\n")
    assert run("path", "tiny").stdout == fetched.stdout
    assert run("verify").stdout == f"whisper-tiny: whole, in {models_dir / 'whisper-tiny'}\n"
    assert "huggingface: whisper-tiny/model.bin, 131.1 kB" in fetched.stderr.splitlines()


@pytest.mark.usefixtures("hugging_face")
def test_a_damaged_model_is_told_by_name_and_fetched_again_by_name(models_dir):
    run("fetch", "tiny")
    damage(models_dir)

    verified = run("verify")
    assert verified.exit_code == 1
    assert "model whisper-tiny: model file model.bin is damaged" in verified.stdout
    assert run("path", "tiny").exit_code == 1
    assert run("fetch", "tiny").exit_code == 0
    assert run("verify", "tiny").exit_code == 0


def test_verify_has_a_line_for_each_model(hugging_face, models_dir):
    hugging_face.serve("acme/medium", COMMIT, CONTENT)
    run("fetch", "tiny", "acme/medium")
    damage(models_dir)

    verified = run("verify")

    assert verified.exit_code == 1
    lines = verified.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["acme/medium", "model whisper-tiny"]
    assert "whole" in lines[0]


def test_verify_of_nothing_finds_nothing():
    assert (run("verify").exit_code, run("verify").stdout) == (0, "")
    assert run("verify", "tiny").exit_code == 1


def test_the_path_of_a_model_that_is_not_here_is_one_line_and_status_1():
    result = run("path", "tiny")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "qwen3-asr-realtime: model whisper-tiny is not on this machine: run `qwen3-asr-realtime models fetch "
        "whisper-tiny`\n"
    )


@pytest.mark.usefixtures("hugging_face")
def test_of_several_models_each_is_tried(models_dir):
    result = run("fetch", "nonsense", "acme/nothing", "tiny")

    assert result.exit_code == 1
    assert result.stdout == f"{models_dir / 'whisper-tiny'}\n"
    assert "there is no model or folder nonsense" in result.stderr
    assert "model acme/nothing could not be fetched (huggingface: HTTP 404" in result.stderr


def test_without_a_name_it_fetches_what_the_settings_need(hugging_face, models_dir):
    assert run("fetch").stdout == f"{models_dir / 'whisper-tiny'}\n"
    hugging_face.requests.clear()
    assert run("fetch").exit_code == 0
    assert hugging_face.requests == []


def test_what_is_optional_and_here_is_passed_over_in_silence(hugging_face, models_dir):
    run("fetch", "--optional")
    hugging_face.requests.clear()
    damage(models_dir)  # of which only a look at every byte would know

    result = run("fetch", "--optional")

    assert (result.exit_code, result.output) == (0, "")
    assert hugging_face.requests == []


def test_what_is_optional_and_cannot_be_had_is_one_line_and_no_failure(hugging_face):
    hugging_face.files.clear()

    result = run("fetch", "--optional")

    assert (result.exit_code, result.stdout) == (0, "")
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("qwen3-asr-realtime: ")]
    assert line.startswith(
        "qwen3-asr-realtime: English works, with Moonshine; other languages do not: model whisper-tiny could not be "
        "fetched (huggingface: HTTP 404 for config.json). Try again with `qwen3-asr-realtime models fetch whisper-tiny`"
    )


@pytest.mark.parametrize(
    "environment",
    [{"HF_HUB_OFFLINE": "1"}, {"MODEL_SOURCES": ""}, {"WHISPER_MODEL": "none"}, {"ASR_ENGINE": "scripted"}],
)
def test_nobody_is_asked_if_nobody_is_to_be(hugging_face, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert run("fetch", "--optional").exit_code == 0
    assert hugging_face.requests == []


def test_a_bad_setting_is_one_line(monkeypatch):
    monkeypatch.setenv("MODEL_SOURCES", "huggingface,ftp")

    result = run("list")

    assert result.exit_code == 2
    assert result.stderr == (
        "qwen3-asr-realtime: MODEL_SOURCES may name huggingface, modelscope, packages, and not ftp\n"
    )


def test_ctrl_c_ends_it_with_the_status_shells_expect(hugging_face, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("qwen3_asr_realtime.models.hubs.download", interrupt)

    assert run("fetch").exit_code == 130
    assert run("fetch", "--optional").exit_code == 130
    assert hugging_face.requests == []


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (("embedded", "base", "Qwen/Qwen3-ASR-1.7B"), ["base"]),
        (("embedded", "acme/medium", "Qwen/Qwen3-ASR-1.7B"), ["acme/medium"]),
        (("embedded", "none", "Qwen/Qwen3-ASR-1.7B"), []),
        (("embedded", "/", "Qwen/Qwen3-ASR-1.7B"), []),
        (("vllm", "base", "acme/tiny"), ["whisper-tiny"]),  # as the table of these tests has it
        (("vllm", "base", "acme/unknown"), []),
        (("vllm", "base", "/"), []),
        (("vllm-remote", "base", "acme/tiny"), []),
        (("scripted", "base", "acme/tiny"), []),
    ],
)
def test_what_an_engine_needs(settings, names):
    assert needed(*settings) == names


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        (None, "home/.cache/huggingface/hub/models--acme--tiny/snapshots/c0ffee"),
        ("HF_HOME", "models--acme--tiny"),
        ("HF_HUB_CACHE", "models--acme--tiny/snapshots/c0ffee"),
        ("MODELSCOPE_CACHE", "models/acme/tiny/model.bin"),
    ],
)
def test_what_vllm_has_downloaded_before_is_not_downloaded_again(tmp_path, monkeypatch, variable, place):
    if variable is None:
        (tmp_path / place).mkdir(parents=True)
    else:
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
        (tmp_path / "cache" / ("hub" if variable == "HF_HOME" else "") / place / "snapshots" / "x").mkdir(parents=True)

    assert needed("vllm", "base", "acme/tiny") == []


def test_a_terminal_gets_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)

    with Display(console).transfer("huggingface: whisper-tiny/model.bin", 2000) as on_progress:
        on_progress(1000)
        on_progress(2000)

    shown = console.file.getvalue()
    assert "whisper-tiny/model.bin" in shown
    assert "2.0/2.0 kB" in shown


def test_looking_whether_all_is_here_needs_neither_client_nor_display(hugging_face, models_dir):
    """`make start` does it every time."""
    hugging_face.serve("acme/medium", COMMIT, CONTENT)
    run("fetch", "acme/medium")
    loaded = (
        "import sys, qwen3_asr_realtime.models.command as command, pathlib;"
        "command.run_fetch_optional(['acme/medium'], pathlib.Path(sys.argv[1]), ('huggingface',));"
        "print([name for name in ('httpx', 'rich.progress', 'rich.table') if name in sys.modules])"
    )
    command = [sys.executable, "-c", loaded, str(models_dir)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
