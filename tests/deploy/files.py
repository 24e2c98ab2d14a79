"""The files under test, read."""

from pathlib import Path
from typing import Any

import yaml
from scripts.dockerfile import Instruction, assignments, parse_dockerfile

from qwen3_asr_realtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")
KUBERNETES = ROOT / "deploy" / "kubernetes"

ELSEWHERE = frozenset({"HF_TOKEN", "HF_ENDPOINT", "HF_HOME", "HOME"})
"""Variables of libraries, not settings."""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def instructions(dockerfile: str) -> list[Instruction]:
    return parse_dockerfile(read(dockerfile))


def the_value(dockerfile: str, name: str) -> str:
    """What the only instruction of that name says."""
    (value,) = (step.value for step in instructions(dockerfile) if step.name == name)
    return value


def variables(dockerfile: str) -> dict[str, str]:
    """What ENV sets in the last stage."""
    found: dict[str, str] = {}
    for step in instructions(dockerfile):
        if step.name == "FROM":
            found = {}
        elif step.name == "ENV":
            found |= assignments(step.value)
    return found


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def settings_names() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


def default(setting: str) -> Any:
    return Settings.model_fields[setting.lower()].default


def settings_file(path: Path) -> dict[str, str]:
    """`NAME=value`, one a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
