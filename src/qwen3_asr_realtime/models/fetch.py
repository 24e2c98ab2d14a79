"""Bring a model onto this machine: from the first source that has it, whole, and checked file by file."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from qwen3_asr_realtime.models.catalogue import Model
from qwen3_asr_realtime.models.download import SourceError, sha256_of
from qwen3_asr_realtime.models.hubs import Delivery, HuggingFace, ModelScope
from qwen3_asr_realtime.models.packages import PackageIndex
from qwen3_asr_realtime.models.progress import Display
from qwen3_asr_realtime.models.store import (
    FETCH,
    Entry,
    Manifest,
    ModelError,
    folder_of,
    is_present,
    locate,
    write_manifest,
)


class Source(Protocol):
    """Where models come from."""

    @property
    def name(self) -> str:
        """As MODEL_SOURCES calls it."""

    def offers(self, model: Model) -> bool:
        """Whether it may have it."""

    def deliver(self, model: Model, folder: Path, display: Display) -> Delivery:
        """Put what is missing of a model into its folder, or raise SourceError."""


SOURCES = {"huggingface": HuggingFace, "modelscope": ModelScope, "packages": PackageIndex}
"""As MODEL_SOURCES calls them."""


def fetch(
    model: Model, models_dir: Path, sources: Sequence[Source], display: Display, *, check_digests: bool = False
) -> Path:
    """Return the folder of a model, after fetching what is not there.

    Args:
        model: Which.
        models_dir: The cache folder.
        sources: In order of preference.
        display: Where to show what happens.
        check_digests: Look whether files that are there are damaged, and fetch those again.

    Raises:
        ModelError: No source delivered it. One line says why not, source by source.
    """
    folder = folder_of(model, models_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(models_dir / f".{folder.name}.lock", model, display):
            if _is_here(model, models_dir, check_digests=check_digests):
                return folder
            _deliver(model, folder, sources, display)
    except OSError as error:
        raise ModelError(f"model {model.name} cannot be kept in {folder}: {error.strerror or error}") from error
    return folder


def _is_here(model: Model, models_dir: Path, *, check_digests: bool) -> bool:
    try:
        return bool(locate(model.name, models_dir)) if check_digests else is_present(model.name, models_dir)
    except ModelError:  # not here, or damaged, or with a manifest that nobody can read
        return False


def _deliver(model: Model, folder: Path, sources: Sequence[Source], display: Display) -> None:
    failures = []
    for source in sources:
        if not source.offers(model):
            continue
        try:
            delivery = source.deliver(model, folder, display)
        except SourceError as error:
            failures.append(f"{source.name}: {error}")
            continue
        entries = [Entry(file.name, file.size, file.sha256 or sha256_of(folder / file.name)) for file in delivery.files]
        write_manifest(Manifest(model.name, source.name, delivery.repository, delivery.revision, entries), folder)
        return
    with suppress(OSError):  # there is perhaps a part to go on with
        folder.rmdir()
    why = "; ".join(failures) or "MODEL_SOURCES names no source that has it"
    raise ModelError(
        f"model {model.name} could not be fetched ({why}). Try again with `{FETCH} {model.name}`, or copy its folder "
        f"from a machine that has it to {folder}"
    )


@contextmanager
def _alone(lock: Path, model: Model, display: Display) -> Iterator[None]:
    """Keep other processes from fetching the same model meanwhile; wait while one does."""
    with lock.open("w") as file:
        with suppress(OSError):  # not every network file system has locks
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                display.say(f"another process fetches {model.name}: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
