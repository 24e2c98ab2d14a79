"""The programs that the page writes: copied, saved and run as they are."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sdk.conftest import UV
from tests.web.conftest import SENTENCE, OpenPage

from word_error_rate import word_error_rate


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def sdk_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python with the official SDK."""
    folder = tmp_path_factory.mktemp("sdk")
    run([UV, "venv", "--quiet", "--python", sys.executable, "env"], folder)
    python = str(folder / "env" / "bin" / "python")
    run([UV, "pip", "install", "--quiet", "--python", python, "dashscope"], folder)
    return python


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds the package `ws`."""
    folder = tmp_path_factory.mktemp("node")
    npm = shutil.which("npm")
    assert npm, "node and npm are needed"
    run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "ws"], folder)
    return folder


@pytest.mark.parametrize("mode", ["vad", "manual"])
@pytest.mark.parametrize("name", ["dashscope", "websockets", "javascript"])
def test_a_program_as_it_is_copied(open_page: OpenPage, sentence: Path, request: pytest.FixtureRequest, name, mode):
    page = open_page().page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(f"[name=mode][value={mode}]").check()
    page.locator("#language").select_option("en")
    page.locator("#context").fill('Norland "Park"\nDashwood')
    page.locator(f"[data-snippet={name}]").click()
    page.locator(f"[data-snippet={name}]", has_text="Copied").wait_for()
    program = page.evaluate("navigator.clipboard.readText()")
    if name == "javascript":
        folder, command = request.getfixturevalue("node_folder"), ["node", "program.mjs"]
    else:
        python = request.getfixturevalue("sdk_python") if name == "dashscope" else sys.executable
        folder, command = request.getfixturevalue("tmp_path"), [python, "program.py"]
    (folder / command[-1]).write_text(program, encoding="utf-8")

    heard = run([*command, str(sentence)], folder)
    assert word_error_rate([SENTENCE], [" ".join(heard.split())]) <= 0.10
