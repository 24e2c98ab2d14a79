"""Resolve every dependency afresh and write the exact versions down: `make lock`.

Two files in git hold the result:

* `pyproject.toml`, as `constraint-dependencies` under `[tool.uv]`: every direct and transitive dependency of every
  extra, for every supported Python and platform. `uv sync` obeys it.
* `demo/requirements.txt`: the `demo` extra alone, for a machine where the demo is installed with pip.

Why not `uv.lock`: it records the download address of every file, and so the package index of whoever wrote it. Behind
a mirror those addresses cannot be reached, and a lock written behind a mirror is of use to nobody else. A version names
no index. The price: without a `uv.lock`, `uv sync` looks the pinned versions up once (seconds) and writes its own.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
DEMO_REQUIREMENTS = ROOT / "demo" / "requirements.txt"
BEGIN = "# --- pins, written by `make lock` ---\n"
END = "# --- end of pins ---\n"
OLDEST_PYTHON = "3.11"
PLAIN = ("--no-header", "--no-annotate", "--quiet")


def main() -> int:
    """Resolve in a scratch folder, then write both files: a failure changes nothing.

    Returns:
        The exit status of the process.
    """
    text = PYPROJECT.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.stderr.write(f"{PYPROJECT.name} must hold these two lines once, in this order:\n{BEGIN}{END}")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            pins, demo = resolve(text, Path(scratch))
        except subprocess.CalledProcessError as failed:
            sys.stderr.write(f"{' '.join(map(str, failed.cmd))} failed; nothing was changed\n")
            return 1
    PYPROJECT.write_text(with_pins(text, pins), encoding="utf-8")
    DEMO_REQUIREMENTS.write_text(f"# The `demo` extra, written by `make lock`\n{demo}", encoding="utf-8")
    sys.stdout.write(f"{len(pins)} pins in {PYPROJECT.name}, {len(demo.splitlines())} in demo/requirements.txt\n")
    return 0


def resolve(text: str, scratch: Path) -> tuple[list[str], str]:
    """Find the newest versions that fit together.

    Args:
        text: `pyproject.toml`.
        scratch: An empty folder. uv reads nothing of the project but `pyproject.toml`.

    Returns:
        The pins of all extras, and the lines of the requirements file of the `demo` extra.

    Raises:
        subprocess.CalledProcessError: uv found no solution or could not reach the index; it has said which.
    """
    pyproject = scratch / PYPROJECT.name
    pyproject.write_text(with_pins(text, []), encoding="utf-8")
    uv("lock", cwd=scratch)
    pins = uv("export", "--all-extras", "--no-hashes", "--no-emit-project", *PLAIN, cwd=scratch).splitlines()
    pyproject.write_text(with_pins(text, pins), encoding="utf-8")
    uv("lock", cwd=scratch)  # the pins must hold together
    demo = tomllib.loads(text)["project"]["optional-dependencies"]["demo"]
    any_python = ("--universal", "--python-version", OLDEST_PYTHON)
    return pins, uv("pip", "compile", *any_python, *PLAIN, "-", cwd=scratch, stdin="\n".join(demo))


def with_pins(text: str, pins: list[str]) -> str:
    """Put pins in the place of those that `pyproject.toml` holds."""
    block = "constraint-dependencies = [\n" + "".join(f'    "{pin}",\n' for pin in pins) + "]\n"
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: BEGIN + block + END, text, flags=re.DOTALL)


def uv(*arguments: str, cwd: Path, stdin: str | None = None) -> str:
    """Run uv and return what it prints; its messages go to the terminal."""
    command = [os.environ.get("UV", "uv"), *arguments]  # `uv run` says in UV where it lies
    return subprocess.run(command, cwd=cwd, input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main())
