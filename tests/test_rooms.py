"""Who may know whom: the table of rooms in docs/development.md, held against the imports of every module."""

import ast
import re
import sys
from pathlib import Path

import pytest

import qwen3_asr_realtime

PACKAGE = "qwen3_asr_realtime"
SOURCE = Path(qwen3_asr_realtime.__file__).parent

ROOMS = {
    "protocol": {"msgspec", "samples", "text"},
    "audio": {"numpy", "soxr", "av", "pybase64", "samples"},
    "vad": {"numpy", "onnxruntime", "samples", "checksums"},
    "recognition": {"asyncio", "numpy", "structlog", "samples", "text", "engines.base"},
    "models": {"httpx", "msgspec", "rich", "checksums", "start_error"},
}
"""What each of the inner rooms may import besides itself and the standard library; neighbours without the package's
name. asyncio is named like a library: most rooms have no business with it."""

FORBIDDEN = {
    "engines": {"protocol", "recognition", "server", "client", "vad", "audio"},
    "server": {"client", "cluster", "conformance", "load"},
    "cluster": {"client", "conformance", "load"},
    "client": {"protocol", "recognition", "server", "engines", "vad", "conformance"},
    "conformance": {"protocol", "recognition", "server", "engines", "vad", "client"},
    "load": {"protocol", "recognition", "server", "engines", "vad", "conformance"},
    "samples": {"protocol", "recognition", "server", "engines", "vad", "audio", "client"},
    "text": {"protocol", "recognition", "server", "engines", "vad", "audio", "client"},
    "checksums": {"protocol", "recognition", "server", "engines", "vad", "audio", "client"},
    "start_error": {"protocol", "recognition", "server", "engines", "vad", "audio", "client"},
    "settings": {"protocol", "recognition", "server", "engines", "vad", "audio", "client"},
}
"""What the others may not import."""

SANS_IO = {"asyncio", "logging", "random", "selectors", "socket", "ssl", "threading", "time", "datetime"}
"""What the session core has no need of: ids and time are handed in. (`secrets` makes ids, in `identifiers` alone.)"""


def imports(path: Path) -> set[str]:
    """Everything a module imports, wherever in it; parts of the package without the package's name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module, names, level):
                assert level == 0, f"{path}: relative imports hide who knows whom"
                found |= {f"{PACKAGE}.{alias.name}" for alias in names} if module == PACKAGE else {module or ""}
    return {name.removeprefix(f"{PACKAGE}.") for name in found}


def modules(room: str) -> list[Path]:
    return sorted((SOURCE / room).rglob("*.py")) or [*SOURCE.glob(f"{room}.py")]


def within(name: str, allowed: set[str]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in allowed)


def cases(rooms: dict[str, set[str]]) -> list[object]:
    return [
        pytest.param(path, room, id=path.relative_to(SOURCE).as_posix()) for room in rooms for path in modules(room)
    ]


@pytest.mark.parametrize(("path", "room"), cases(ROOMS))
def test_an_inner_room_knows_only_what_it_may(path: Path, room: str) -> None:
    standard = sys.stdlib_module_names - {"asyncio"}

    strangers = {
        name for name in imports(path) if name.split(".")[0] not in standard and not within(name, ROOMS[room] | {room})
    }

    assert strangers == set()


@pytest.mark.parametrize(("path", "room"), cases(FORBIDDEN))
def test_an_outer_room_does_not_know_what_it_must_not(path: Path, room: str) -> None:
    assert {name for name in imports(path) if within(name, FORBIDDEN[room])} == set()


@pytest.mark.parametrize("path", modules("protocol"), ids=lambda path: path.name)
def test_the_session_core_has_no_io_clock_or_chance(path: Path) -> None:
    forbidden = SANS_IO if path.name == "identifiers.py" else SANS_IO | {"secrets"}

    assert {name for name in imports(path) if within(name, forbidden)} == set()


def test_no_engine_s_library_is_loaded_before_it_is_chosen() -> None:
    """`engines.base` and `engines.selection` are imported by every server, whatever its engine."""
    for name in ("base", "selection"):
        module_level = ast.parse((SOURCE / "engines" / f"{name}.py").read_text(encoding="utf-8")).body
        loaded = {
            node.module
            for node in module_level
            if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(PACKAGE)
        }

        assert loaded <= {f"{PACKAGE}.{allowed}" for allowed in ("engines.base", "samples", "settings", "start_error")}


def test_every_room_has_its_rule_and_stands_in_the_table() -> None:
    text = (Path(__file__).parents[1] / "docs" / "development.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)/` \| .+ \| (only|not) (.+) \|$", text, flags=re.MULTILINE)
    rules = {room: ("only", names) for room, names in ROOMS.items()}
    rules |= {room: ("not", names) for room, names in FORBIDDEN.items()}

    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}

    assert {room: (kind, set(re.findall(r"`([\w.]+)`", names))) for room, kind, names in rows} == {
        room: rules.get(room) for room in rooms
    }
