"""The `models` command: what there is, get it, check it, where it is."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from qwen3_asr_realtime.models.catalogue import MODELS, NO_WHISPER, Model, in_table
from qwen3_asr_realtime.models.store import ModelError, folder_of, given_folder, installed, is_present, locate, named

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def run_list(models_dir: Path) -> int:
    """Show the models of the table, and others that are here.

    Returns:
        The exit code: 0.
    """
    from rich.console import Console  # noqa: PLC0415 - most of this module is for `make start`, which is to be quick
    from rich.filesize import decimal  # noqa: PLC0415 - likewise
    from rich.table import Table  # noqa: PLC0415 - likewise

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("model", "engine", "languages", "size", "licence", "here"):
        table.add_column(heading, no_wrap=True)
    table.add_column("from", overflow="fold")
    others = [model for model in installed(models_dir) if model not in MODELS]
    for model in (*MODELS, *others):
        sources = [*model.repositories, *(["packages"] if model.packages else [])]
        here = "yes" if _is_here(model, models_dir) else "no"
        size = decimal(model.size) if model.files else ""
        table.add_row(model.name, model.engine, model.languages, size, model.licence, here, ", ".join(sources))
    Console().print(table)
    return EXIT_OK


def run_fetch(names: Sequence[str], models_dir: Path, sources: Sequence[str], *, check_digests: bool = True) -> int:
    """Fetch models; with every one that is there, say where.

    Args:
        names: As in the table or on a hub.
        models_dir: The cache folder.
        sources: Names of the sources, in order of preference.
        check_digests: Look whether files that are there are damaged.

    Returns:
        The exit code: 0 if all are there, 1 if one is not, 130 after Ctrl-C.
    """
    status = EXIT_OK
    for name in names:
        try:
            sys.stdout.write(f"{_fetched(name, models_dir, sources, check_digests=check_digests)}\n")
        except ModelError as error:
            _complain(error)
            status = EXIT_FAILED
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
    return status


def run_fetch_optional(needed: Sequence[str], models_dir: Path, sources: Sequence[str]) -> int:
    """Fetch what a server would like to have; if it cannot be had, say in one line what works without it.

    Returns:
        The exit code: 0, or 130 after Ctrl-C.
    """
    for name in needed:
        try:
            _fetched(name, models_dir, sources, check_digests=False)
        except ModelError as error:
            model = in_table(name)
            if model is not None and model.engine == "vllm":
                works = "vLLM will look for it by itself"
            else:
                works = "English works, with Moonshine; other languages do not"
            _complain(f"{works}: {error}")
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
    return EXIT_OK


def run_verify(names: Sequence[str], models_dir: Path) -> int:
    """Check the digests of models that are here; of all, if none is named. One line for each.

    Returns:
        The exit code: 0 if all are whole, 1 if one is not.
    """
    status = EXIT_OK
    for name in names or [model.name for model in installed(models_dir)]:
        try:
            sys.stdout.write(f"{name}: whole, in {locate(name, models_dir)}\n")
        except ModelError as error:
            sys.stdout.write(f"{error}\n")
            status = EXIT_FAILED
    return status


def run_path(name: str, models_dir: Path) -> int:
    """Print the folder of a model.

    Returns:
        The exit code: 0, or 1 if it is not here or damaged.
    """
    try:
        sys.stdout.write(f"{locate(name, models_dir)}\n")
    except ModelError as error:
        _complain(error)
        return EXIT_FAILED
    return EXIT_OK


def needed(engine: str, whisper_model: str, qwen_model: str) -> list[str]:
    """Names of the models that an engine needs and that can be fetched for it.

    Args:
        engine: The engine's name.
        whisper_model: WHISPER_MODEL.
        qwen_model: QWEN3_ASR_MODEL_PATH.
    """
    if engine == "embedded" and whisper_model != NO_WHISPER and given_folder(whisper_model) is None:
        return [whisper_model]
    if engine == "vllm" and given_folder(qwen_model) is None:
        model = in_table(qwen_model)
        return [model.name] if model is not None and not _is_in_a_hub_s_cache(model) else []
    return []


def _fetched(name: str, models_dir: Path, sources: Sequence[str], *, check_digests: bool) -> Path:
    model = named(name)
    if not check_digests and is_present(name, models_dir):
        return folder_of(model, models_dir)
    from qwen3_asr_realtime.models.fetch import SOURCES, fetch  # noqa: PLC0415 - slow, and mostly not needed
    from qwen3_asr_realtime.models.progress import Display  # noqa: PLC0415 - likewise

    chosen = [SOURCES[source]() for source in sources]
    return fetch(model, models_dir, chosen, Display(), check_digests=check_digests)


def _is_here(model: Model, models_dir: Path) -> bool:
    try:
        return is_present(model.name, models_dir)
    except ModelError:
        return False


def _is_in_a_hub_s_cache(model: Model) -> bool:
    """Whether vLLM has downloaded it before, to where the libraries of the hubs keep theirs: 4 GB are enough once."""
    hugging_face = os.environ.get("HF_HUB_CACHE") or f"{os.environ.get('HF_HOME') or '~/.cache/huggingface'}/hub"
    model_scope = os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope/hub"
    name = model.repositories["huggingface"].name
    folders = (
        f"{hugging_face}/models--{name.replace('/', '--')}/snapshots",
        f"{model_scope}/models/{name.replace('.', '___')}",
    )
    return any(any(Path(os.path.expanduser(folder)).glob("*")) for folder in folders)


def _complain(message: object) -> None:
    sys.stderr.write(f"qwen3-asr-realtime: {message}\n")
