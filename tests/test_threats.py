"""The table of threats in docs/security.md, held against the tests it names and the settings there are."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from qwen3_asr_realtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NOT_SETTINGS = {"REALTIME_API_KEY"}


def rows() -> list[list[str]]:
    """The cells of the table, row by row, without its head."""
    _, _, section = PAGE.partition("\n## Threats\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def named_tests(cell: str) -> list[str]:
    return re.findall(r"`(tests/[^`]+)`", cell)


@cache
def names_in(path: Path) -> set[str]:
    """What pytest would find in a module: functions, and methods of classes."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        functions = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {
            prefix + function.name
            for function in functions
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_")
        }
    return found


def test_the_table_is_found() -> None:
    assert len(rows()) > 40


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_threat_has_a_defence_and_a_test_that_is_there(row: list[str]) -> None:
    threat, defence, cell = row
    assert threat
    assert defence
    assert named_tests(cell)
    for name in named_tests(cell):
        file, _, test = name.partition("::")
        assert (ROOT / file).is_file(), name
        assert test in names_in(ROOT / file), name


def test_settings_that_are_named_exist() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"`([A-Z0-9]+_[A-Z0-9_]+)", PAGE)) - NOT_SETTINGS <= settings


def test_every_setting_of_security_is_explained() -> None:
    head = (ROOT / "src" / "qwen3_asr_realtime" / "settings.py").read_text(encoding="utf-8")
    section = head.partition("# --- security")[2].partition("# --- limits")[0]
    for name in re.findall(r"^    (\w+): ", section, flags=re.MULTILINE):
        assert name.upper() in PAGE
