"""The official AsyncAPI parser.

It comes from npm, so these tests run only where they are asked for by name: `make test-asyncapi`.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / ".asyncapi"


@pytest.fixture(scope="session")
def parser() -> list[str]:
    """The command that runs it, installed next to the sources where it is not yet."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "node is needed, 18 or newer"
    assert npm, "npm is needed"
    TOOLS.mkdir(exist_ok=True)
    for name in ("package.json", "validate.mjs"):
        shutil.copy(HERE / name, TOOLS / name)
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run([npm, "install", *options], cwd=TOOLS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"npm install: {done.stderr}"
    return [node, str(TOOLS / "validate.mjs")]
