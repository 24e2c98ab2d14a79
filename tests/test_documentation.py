import ast
import math
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import typer
from tests.server.test_monitoring import anchors

from qwen3_asr_realtime.cli import app
from qwen3_asr_realtime.load.figures import Report, Stage
from qwen3_asr_realtime.protocol.events import ServerEvent
from qwen3_asr_realtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE_HEADINGS = {
    "README.md": ("### 示例: Manual 模式", "### 示例: VAD 模式"),
    "README.en.md": ("### Example: Manual mode", "### Example: VAD mode"),
}
READMES = tuple(EXAMPLE_HEADINGS)
DOCUMENTS = [*READMES, "demo/README.md", "deploy/ray/README.md", "tests/speech/README.md"]
DOCUMENTS += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
COMMANDS = typer.main.get_group(app).commands
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


def files():
    """What belongs to the project: what git knows or, in a source tree without it, all but what is generated."""
    if (git := shutil.which("git")) and (ROOT / ".git").exists():
        listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
        if listing.returncode == 0:
            return [ROOT / name for name in listing.stdout.split("\0") if name]
    top = [path for path in ROOT.iterdir() if path.is_file() or not path.name.startswith(".") or path.name == ".ci"]
    found = [file for entry in top for file in ([entry] if entry.is_file() else entry.rglob("*"))]
    return [path for path in found if not GENERATED.intersection(path.parts)]


def text_files():
    return [path for path in files() if path.is_file() and path.suffix not in BINARY]


def logged_events():
    """First arguments of all calls of a logger in the package."""
    calls = [
        node
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    for call in calls:
        match call:
            case ast.Call(
                ast.Attribute(ast.Name("log"), "debug" | "info" | "warning" | "error" | "exception" | "critical")
                | ast.Name("_log_failure"),
                [ast.Constant(event), *_],
            ):
                yield event


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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    here = ROOT / document
    for name, _, anchor in re.findall(r"\]\((?!https?://)([^)#]*)(#([^)]*))?\)", read(document)):
        there = here.parent / name if name else here
        assert there.exists(), name
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), f"{name}#{anchor}"


@pytest.mark.parametrize("readme", READMES)
def test_readmes_list_every_command(readme):
    section = re.search(r"^## (?:Command line|命令行)\n(.*?)^## ", read(readme), flags=re.DOTALL | re.MULTILINE)[1]
    assert set(re.findall(r"^\| `([a-z]+)` \|", section, flags=re.MULTILINE)) == COMMANDS.keys()


def test_the_page_on_load_tests_has_every_option_and_every_key():
    page = read("docs/load.md")
    options = {
        name for command in ("bench", "calibrate") for option in COMMANDS[command].params for name in option.opts
    }
    assert options == set(re.findall(r"`(--[a-z0-9-]+)`", page)) - {"--help"}
    stage = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[a-z].*?) \|", page.partition("## JSON")[2], re.MULTILINE)))
    )
    assert stage == {field.encode_name for field in msgspec.structs.fields(Stage)}
    assert {field.encode_name for field in msgspec.structs.fields(Report)} <= set(re.findall(r"`(\w+)`", page))


def test_the_table_of_the_log_has_every_line():
    table = read("docs/operations.md").partition("\n## Logs\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE)
    assert {event for row in rows for event in re.findall(r"`([^`]+)`", row)} == set(logged_events())


def test_the_table_of_scaling_follows_from_its_figures():
    page = read("docs/scaling.md")
    per_gateway_core = int(re.search(r"^\| \*g\* \| \*\*(\d+)\*\* sessions for a core", page, flags=re.MULTILINE)[1])
    per_embedded_core = int(re.search(r"\*\*(\d+)\*\* sessions for a core, gateway included", page)[1])
    rows = re.findall(r"^\| (1[0 ]+) \| ([\d ]+) \| ([\d ]+) \| ([\d ]+) \|", page, flags=re.MULTILINE)
    assert len(rows) == 4
    for row in rows:
        sessions, *cores = (int(cell.replace(" ", "")) for cell in row)
        assert cores == [math.ceil(sessions / each) for each in (per_gateway_core, 70, per_embedded_core)]


def test_what_make_lists_as_benchmarks_can_be_run_and_is_written_about():
    scripts = [
        path for path in (ROOT / "benchmarks").glob("*.py") if "\nif __name__" in path.read_text(encoding="utf-8")
    ]
    pages = "".join(map(read, DOCUMENTS))
    assert [path.name for path in scripts if f"benchmarks/{path.name}" not in pages] == []


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
