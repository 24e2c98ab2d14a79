import ast
import re
from pathlib import Path

import pytest

from qwen3_asr_realtime.protocol.events import ServerEvent
from qwen3_asr_realtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE_HEADINGS = {
    "README.md": ("### 示例: Manual 模式", "### 示例: VAD 模式"),
    "README.en.md": ("### Example: Manual mode", "### Example: VAD mode"),
}
READMES = tuple(EXAMPLE_HEADINGS)
BRIEF_TARGETS = (
    "prod-setup dev-setup start sync sync-demo sync-all lock clean clean-all test test-basic test-sdk test-vad"
).split()
DEFAULTS = {
    name.upper(): str(default).lower() if isinstance(default, bool) else str(default)
    for name, default in (
        (name, field.get_default(call_default_factory=True)) for name, field in Settings.model_fields.items()
    )
}

# Written so that these lines do not match themselves.
FORBIDDEN = {
    "a package registry": re.compile(r"pypi[.]org|python[h]osted|[/.]mirrors?[.]|npmjs[.]|anaconda[.]org"),
    "a path of somebody's machine": re.compile(r"(?<![\w.}])/(?:root|home|work|Users)/\w"),
}
GENERATED = {"uv.lock", ".env", "__pycache__"}
BINARY = {".wav", ".onnx", ".npz"}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def python_blocks(readme, heading):
    """The fenced Python blocks between a heading and the next one."""
    _, found, rest = read(readme).partition(f"\n{heading}\n")
    assert found, f"{readme} has no heading {heading!r}"
    section = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```python\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)


def text_files():
    """What belongs to the project and can be read: no hidden folders but `.ci`, nothing that is generated."""
    top = [path for path in ROOT.iterdir() if path.is_file() or not path.name.startswith(".") or path.name == ".ci"]
    for path in (file for entry in top for file in ([entry] if entry.is_file() else entry.rglob("*"))):
        if path.is_file() and path.suffix not in BINARY and not GENERATED.intersection(path.parts):
            yield path


def test_the_example_file_lists_every_setting_with_its_default():
    assert dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", read(".env.example"), flags=re.MULTILINE)) == DEFAULTS


def test_the_example_file_sets_nothing():
    """A copied `.env` keeps no old default alive, and `CLOUD_DEFAULTS` still finds its two settings not given."""
    assert [line for line in read(".env.example").splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("readme", READMES)
def test_settings_tables_list_every_setting_with_its_default(readme):
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`|–) \| .+ \|$", read(readme), flags=re.MULTILINE)
    assert len(rows) == len(dict(rows))
    assert dict(rows) == DEFAULTS


@pytest.mark.parametrize("readme", READMES)
def test_event_tables_name_every_server_event(readme):
    named = set(re.findall(r"^\| `([a-z_.]+)` \|", read(readme), flags=re.MULTILINE))
    assert {event.__struct_config__.tag for event in ServerEvent.__subclasses__()} <= named


def test_both_readmes_hold_the_same_examples():
    chinese, english = ([python_blocks(readme, heading) for heading in EXAMPLE_HEADINGS[readme]] for readme in READMES)
    assert chinese == english
    assert [len(blocks) for blocks in chinese] == [1, 2]


@pytest.mark.parametrize("readme", READMES)
def test_examples_are_python(readme):
    for heading in EXAMPLE_HEADINGS[readme]:
        for block in python_blocks(readme, heading):
            compile(block, readme, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("document", [*READMES, "docs/development.md", "docs/security.md", "tests/speech/README.md"])
def test_links_lead_somewhere(document):
    folder = (ROOT / document).parent
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", read(document))
    assert [link for link in links if not (folder / link).exists()] == []


def test_make_has_the_targets_that_are_written_about():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), flags=re.MULTILINE))
    written_about = re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", "".join(map(read, READMES)), flags=re.MULTILINE)
    assert {*BRIEF_TARGETS, *("".join(names) for names in written_about)} <= targets


def test_make_and_docker_install_the_same_uv():
    versions = re.findall(r"^(?:ARG )?UV_VERSION *:?= *(\S+)$", read("Makefile") + read("Dockerfile"), re.MULTILINE)
    assert len(versions) == 2
    assert len(set(versions)) == 1


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []
