"""Carry out the steps of a Dockerfile without a container engine, start what they built, and let it transcribe.

    python scripts/image_steps.py Dockerfile

Stands in for `docker build` and `docker run` where neither is there (Linux, as root). Each stage is an overlay over
this machine's own file system, in place of its base image, with the repository hidden: a step finds the files that the
Dockerfile copies and no others. The server then runs as the image's user, with a read-only root, an empty `/tmp`, and
a network that has nothing but the loopback. A file that `.dockerignore` or a COPY forgets, a file that the server wants
to write, a download at run time, a signal that does not arrive: each ends it with an error.

Where the build could get the weights of Whisper, a Chinese recording is transcribed too. Where it could not, the output
says so.

What it cannot show: that the base image exists and has what this machine has (Python 3.11 or newer as
`/usr/bin/python3`, with pip). For the GPU image, empty packages stand in for torch and vLLM, and the embedded engine
runs instead.

All of it lies in memory, in mounts that belong to this process and are gone with it.
"""

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile import (
    Instruction,
    assignments,
    exec_form,
    ignore_patterns,
    in_context,
    parse_dockerfile,
    substitute,
)

from qwen3_asr_realtime.load.error_rate import words

ROOT = Path(__file__).resolve().parent.parent
SPEECH = ROOT / "tests" / "speech"
ENGLISH = "libri_0880.wav"
CHINESE = "BAC009S0764W0121.wav"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHROOT = shutil.which("chroot", path=PATH) or "chroot"  # in /usr/sbin, which not everybody's PATH names
TMP = "/tmp"  # noqa: S108 - the image's own
START_TIMEOUT_S = 60
TRANSCRIBE_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60

PASSED_ON = ("PIP_", "SSL_CERT_", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Of this machine's environment, what a build needs to reach its package index."""

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000  # of unshare(2); `os.unshare` came with Python 3.12
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # of netdevice(7)


class StepError(Exception):
    """A step failed, or the image does not do what it should."""


@dataclass
class Stage:
    """A file system that grows step by step, and what the Dockerfile has said of it."""

    root: Path
    """Where it is mounted."""
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    volumes: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    entry_point: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """Where a path of the image, seen from its folder, lies on this machine."""
        return self.root / os.path.join(self.folder, name).lstrip("/")

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start a program in it, as its user, with these variables and no others."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        entry = [CHROOT, f"--userspec={self.user}", os.fspath(self.root), "env", "-i", f"--chdir={self.folder}"]
        return subprocess.Popen(  # noqa: S603 - the image's command is what this is for
            [*entry, *variables, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: Sequence[str], environment: Mapping[str, str], timeout_s: float | None = None) -> str:
        """Run a program in it and return what it printed.

        Raises:
            StepError: It failed, or took too long.
        """
        with self.start(command, environment) as process:
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                kill_group(process)
                raise StepError(f"{shlex.join(command)} took longer than {timeout_s} s") from None
        if process.returncode:
            raise StepError(f"{shlex.join(command)} ended with {process.returncode}:\n{output}")
        return output


class Builder:
    """Carries out the instructions of a Dockerfile.

    Args:
        work: An empty folder; it is covered by a file system in memory.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.stages: dict[str, Stage] = {}
        mount("-t", "tmpfs", "tmpfs", work)
        self.context = work / "context"
        copy_context(self.context)

    def build(self, dockerfile: Path) -> Stage:
        """Return the last stage.

        Raises:
            StepError: A step fails, or is none that is known here.
        """
        outer: dict[str, str] = {}  # what ARG says before the first FROM
        stage: Stage | None = None
        for step in parse_dockerfile(dockerfile.read_text(encoding="utf-8")):
            begun_s = time.monotonic()
            if step.name == "FROM":
                image, *name = substitute(step.value, outer).split()
                stage = self._new_stage(name[-1] if name else f"stage-{len(self.stages)}", image)
            elif step.name == "ARG":
                (outer if stage is None else stage.arguments).update(build_argument(step, outer))
            elif stage is not None:
                self._carry_out(step, stage)
            sys.stdout.write(f"{time.monotonic() - begun_s:6.1f} s  {step.name} {' '.join(step.value.split())[:90]}\n")
        if stage is None:
            raise StepError(f"{dockerfile} has no FROM")
        return stage

    def _new_stage(self, name: str, image: str) -> Stage:
        upper, scratch, root = (self.work / name / part for part in ("upper", "scratch", "root"))
        for folder in (upper, scratch, root):
            folder.mkdir(parents=True)
        mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={scratch}", root)
        stage = self.stages[name] = Stage(root)
        for shared in ("/dev", "/proc"):
            mount("--rbind", shared, stage.path(shared))
        for hidden in (TMP, os.fspath(ROOT)):
            stage.path(hidden).mkdir(parents=True, exist_ok=True)
            mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", stage.path(hidden))
        python = stage.path("/usr/local/bin/python")
        if not python.exists():
            python.symlink_to("/usr/bin/python3")
        if "vllm-openai" in image:
            self._stand_in_for_vllm(stage)
        return stage

    def _stand_in_for_vllm(self, stage: Stage) -> None:
        """What the GPU image relies on in its base: uv, two packages, and an entry point of its own."""
        steps = parse_dockerfile((ROOT / "Dockerfile").read_text(encoding="utf-8"))
        (uv,) = (step.value for step in steps if step.value.startswith("UV_VERSION="))
        stage.run(["pip", "install", "--quiet", f"uv=={uv.partition('=')[2]}"], self._build_environment(stage))
        where = stage.run(["python", "-c", "import site; print(site.getsitepackages()[0])"], stage.environment)
        for package in ("torch", "vllm"):
            module = stage.path(where.strip()) / package / "__init__.py"
            module.parent.mkdir(parents=True)
            module.touch()
        stage.entry_point = ["vllm", "serve"]

    def _carry_out(self, step: Instruction, stage: Stage) -> None:
        value = substitute(step.value, stage.arguments | stage.environment)
        match step.name:
            case "ENV":
                stage.environment |= assignments(value)
            case "WORKDIR":
                stage.folder = value
                stage.path(".").mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(step.options, value.split(), stage)
            case "RUN":
                for option in step.options:
                    self._mount_cache(option, stage)
                output = stage.run(["sh", "-c", step.value], self._build_environment(stage))
                sys.stdout.writelines(f"         {line}\n" for line in output.splitlines()[-2:])  # what it came to
            case "USER":
                stage.user = value
            case "VOLUME":
                stage.volumes.append(value)
            case "HEALTHCHECK":
                stage.health = exec_form(value.removeprefix("CMD"))
            case "CMD":
                stage.command = exec_form(value)
            case "ENTRYPOINT":
                stage.entry_point = exec_form(value)
            case "EXPOSE" | "LABEL" | "STOPSIGNAL":
                pass
            case _:
                raise StepError(f"{step.name} {value} is not known here")

    def _copy(self, options: Sequence[str], names: list[str], stage: Stage) -> None:
        """COPY, whose rule is: the content of a folder goes into the target, a file into it or in its place."""
        *sources, target = names
        for name in sources:
            source = self.context / name
            for option in options:
                source = self.stages[option.removeprefix("--from=")].path(name)
            if not source.exists():
                raise StepError(f"COPY {name}: there is no such file in the build context")
            if source.is_dir():
                shutil.copytree(source, stage.path(target), symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source, stage.path(target) / source.name if target.endswith("/") else stage.path(target))

    def _mount_cache(self, option: str, stage: Stage) -> None:
        found = re.fullmatch(r"--mount=type=cache,target=(\S+)", option)
        if found is None:
            raise StepError(f"RUN {option} is not known here")
        cache, target = self.work / "cache" / found[1].strip("/"), stage.path(found[1])
        for folder in (cache, target):
            folder.mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(target):
            mount("--bind", cache, target)

    def _build_environment(self, stage: Stage) -> dict[str, str]:
        passed_on = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        # Debian's own Python, which stands in for the image's, lets pip add packages only where it is told so.
        return passed_on | {"HOME": "/root", "PIP_BREAK_SYSTEM_PACKAGES": "1"} | stage.arguments | stage.environment


def build_argument(step: Instruction, outer: Mapping[str, str]) -> dict[str, str]:
    """What ARG makes of this machine's environment, of its default, or of the ARG before the first FROM."""
    name, _, default = step.value.partition("=")
    value = os.environ.get(name, default or outer.get(name, ""))
    return {name: value} if value else {}


def copy_context(target: Path) -> None:
    """Copy what `.dockerignore` lets a build see of the repository."""
    patterns = ignore_patterns((ROOT / ".dockerignore").read_text(encoding="utf-8"))
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith((".git", ".venv"))]  # for speed alone
        for file in files:
            name = Path(folder, file).relative_to(ROOT).as_posix()
            if in_context(name, patterns):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target / name)


def try_out(stage: Stage, overrides: Mapping[str, str]) -> None:
    """Do what `docker run --network none --read-only --tmpfs /tmp` would, transcribe recordings, and stop it.

    Args:
        stage: The image.
        overrides: Variables set from outside.

    Raises:
        StepError: It does not become healthy, does not transcribe, leaves files, or does not stop with 0.
    """
    unshare(CLONE_NEWNET)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    for number, volume in enumerate(stage.volumes):  # with the owner the image gives it, as a new volume has
        storage, owner = stage.root.parent / f"volume-{number}", stage.path(volume).stat()
        storage.mkdir()
        os.chown(storage, owner.st_uid, owner.st_gid)
        mount("--bind", storage, stage.path(volume))
    mount("-t", "tmpfs", "-o", "mode=1777,noexec,nosuid,nodev", "tmpfs", stage.path(TMP))
    environment = stage.environment | dict(overrides)
    has_weights = any(stage.path(environment["MODELS_DIR"]).glob("*/model.bin"))
    recordings = [ENGLISH, CHINESE] if has_weights else [ENGLISH]
    for recording in recordings:
        shutil.copyfile(SPEECH / recording, stage.path(TMP) / recording)
    mount("-o", "remount,ro", stage.root)

    begun_s = time.monotonic()
    server = stage.start([*stage.entry_point, *stage.command], environment)
    try:
        wait_until_healthy(stage, environment, server)
        sys.stdout.write(f"{time.monotonic() - begun_s:6.1f} s  healthy\n")
        for recording in recordings:
            text = stage.run(
                ["qwen3-asr-realtime", "transcribe", f"{TMP}/{recording}"], environment, timeout_s=TRANSCRIBE_TIMEOUT_S
            )
            sys.stdout.write(f"{text.strip()}\n")
            check_text(recording, text)
        begun_s = time.monotonic()
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=STOP_TIMEOUT_S)
        sys.stdout.write(f"{time.monotonic() - begun_s:6.1f} s  stopped after SIGTERM\n")
    finally:
        kill_group(server)
        sys.stdout.write(server.communicate()[0])
    left = [path.name for path in stage.path(TMP).iterdir() if path.name not in recordings]
    if status or left:
        raise StepError(f"the server ended with {status} and left {left} in {TMP}")
    if not has_weights:
        sys.stdout.write("Chinese was not tried: there are no weights of Whisper in this image\n")


def wait_until_healthy(stage: Stage, environment: Mapping[str, str], server: "subprocess.Popen[str]") -> None:
    """Run the image's health check until it succeeds, as an engine does.

    Raises:
        StepError: The server ended, or is not healthy in time.
    """
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            stage.run(stage.health, environment, timeout_s=5)
        except StepError:
            if server.poll() is not None or time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)
        else:
            return


def check_text(recording: str, text: str) -> None:
    """Hold a transcript against what the recording says.

    Raises:
        StepError: More than a quarter of the words (in Chinese, characters) are missing.
    """
    entries = json.loads((SPEECH / "manifest.json").read_text(encoding="utf-8"))
    (spoken,) = (words(entry["transcript"]) for entry in entries if entry["file"] == recording)
    missing = set(spoken) - set(words(text))
    if len(missing) > len(spoken) / 4:
        raise StepError(f"{sorted(missing)} were not heard: {text}")


def kill_group(process: "subprocess.Popen[str]") -> None:
    """End what `Stage.start` started, with all that it started in turn."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def unshare(what: int) -> None:
    """Leave a namespace of this machine for a new one.

    Raises:
        StepError: It is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(what):
        raise StepError(f"unshare: {os.strerror(ctypes.get_errno())}; this needs root on Linux")


def mount(*arguments: str | Path) -> None:
    """Run `mount`.

    Raises:
        StepError: It fails.
    """
    command = ["mount", *(os.fspath(argument) for argument in arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if done.returncode:
        raise StepError(f"{shlex.join(command)}: {done.stderr.strip()}")


def main() -> int:
    """Return the exit status of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("--set", metavar="NAME=VALUE", nargs="*", default=[], help="settings of the server")
    options = parser.parse_args()
    try:
        unshare(CLONE_NEWNS)
        mount("--make-rprivate", "/")
        with tempfile.TemporaryDirectory(prefix="image-steps-") as folder:
            work = Path(folder)
            try:
                try_out(Builder(work).build(options.dockerfile), assignments(shlex.join(options.set)))
            finally:
                subprocess.run(["umount", "--recursive", "--lazy", work], check=False)  # noqa: S603, S607 - our own
    except (StepError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
