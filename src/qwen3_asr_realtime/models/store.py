"""The cache folder: where a model lies on this machine, and whether it is whole.

Each model has a folder of its own in it, with the files as their source has them and `manifest.json`, which says what
they are and where they came from. It may be copied to another machine as it is. A model of the table needs no
manifest: the table has the digests.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from qwen3_asr_realtime.checksums import ChecksumError, verify_sha256
from qwen3_asr_realtime.models.catalogue import FILE_NAME, MODELS, File, Model, find, in_table
from qwen3_asr_realtime.start_error import StartError

MANIFEST = "manifest.json"
FETCH = "qwen3-asr-realtime models fetch"


class ModelError(StartError):
    """A model is not on this machine, or not as it should be; the message is one line for the operator."""


class ModelMissing(ModelError):
    """It is not here, or not all of it."""


class Entry(msgspec.Struct, frozen=True):
    """A file in a manifest."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What was fetched, and from where."""

    model: str
    source: str
    repository: str
    revision: str
    files: list[Entry]


def locate(name_or_folder: str, models_dir: Path) -> Path:
    """Return the folder of a model that is here, after checking the digest of every file (145 MB: about 0.2 s).

    Args:
        name_or_folder: Name in the table, short or on a hub, or a folder, which is taken as it is.
        models_dir: The cache folder.

    Raises:
        ModelError: It is not here, or damaged, or there is no such thing. The message says what to do.
    """
    if (given := given_folder(name_or_folder)) is not None:
        return given
    model = named(name_or_folder)
    folder = folder_of(model, models_dir)
    files = expected_files(model, folder)
    if not files or not all((folder / file.name).exists() for file in files):
        raise ModelMissing(f"model {model.name} is not on this machine: run `{FETCH} {model.name}`")
    for file in files:
        try:
            verify_sha256(folder / file.name, file.sha256 or "", f"Fetch it again with `{FETCH} {model.name}`.")
        except ChecksumError as error:
            raise ModelError(f"model {model.name}: {error}") from error
    return folder


def is_present(name_or_folder: str, models_dir: Path) -> bool:
    """Whether every file of a model is here and has its size. Digests are not looked at.

    Raises:
        ModelError: There is no such model, or its manifest cannot be read.
    """
    if given_folder(name_or_folder) is not None:
        return True
    model = named(name_or_folder)
    folder = folder_of(model, models_dir)
    files = expected_files(model, folder)
    return bool(files) and all(size_of(folder / file.name) == file.size for file in files)


def installed(models_dir: Path) -> Iterator[Model]:
    """The models that have a folder here with at least one of their files."""
    table = {model.name for model in MODELS}
    for folder in sorted(models_dir.iterdir()) if models_dir.is_dir() else ():
        if folder.name not in table and not (folder / MANIFEST).exists():
            continue
        model = find(folder.name.replace("--", "/", 1))
        if model is not None and any((folder / name).exists() for name in (MANIFEST, *(f.name for f in model.files))):
            yield model


def named(name: str) -> Model:
    """The model that somebody means.

    Raises:
        ModelError: There is none of that name, nor a folder.
    """
    if (model := find(name)) is None:
        known = ", ".join(model.name for model in MODELS)
        raise ModelError(f"there is no model or folder {name}: known are {known}, names on a hub (owner/name), folders")
    return model


def given_folder(name_or_folder: str) -> Path | None:
    """The folder that is meant, if one is: by its path, or because a model lies there under no name of the table."""
    if in_table(name_or_folder) is not None:
        return None
    folder = Path(os.path.expanduser(name_or_folder))  # which, unlike its method, does not fail without a home
    is_path = os.sep in name_or_folder or name_or_folder.startswith("~")
    return folder if folder.is_dir() and (is_path or (folder / "config.json").is_file()) else None


def folder_of(model: Model, models_dir: Path) -> Path:
    """Where a model lies, if it is here."""
    return models_dir / model.name.replace("/", "--")


def expected_files(model: Model, folder: Path) -> Sequence[File]:
    """What must be in the folder of a model: by the table or else by its manifest; nothing if it has none.

    Raises:
        ModelError: The manifest cannot be read.
    """
    if model.files:
        return model.files
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{folder / MANIFEST} cannot be read ({error}): run `{FETCH} {model.name}`") from error
    if not all(FILE_NAME.fullmatch(entry.name) for entry in manifest.files):  # folders are copied between machines
        raise ModelError(f"{folder / MANIFEST} names files elsewhere: run `{FETCH} {model.name}`")
    return tuple(File(entry.name, entry.size, entry.sha256) for entry in manifest.files)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Put a manifest into the folder of its model, whole or not at all."""
    part = folder / f"{MANIFEST}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    part.replace(folder / MANIFEST)


def size_of(path: Path) -> int:
    """Size of a file in bytes; 0 if it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
