"""Models from a hub: Hugging Face, or a mirror that answers like it, and ModelScope."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec

from qwen3_asr_realtime.models.catalogue import FILE_NAME, File, Model, Repository
from qwen3_asr_realtime.models.download import SourceError, download, in_words, is_right, new_client
from qwen3_asr_realtime.models.progress import Display
from qwen3_asr_realtime.models.store import MANIFEST

DATA = (".json", ".txt", ".safetensors", ".model", ".tiktoken", ".jinja")
"""Ends of the names of files that are data and nothing else. Many hub repositories also hold Python and pickles, which
can run code when they are loaded."""
CTRANSLATE2_WEIGHTS = "model.bin"
"""The one file of that ending that is fetched: CTranslate2 calls it so and reads it as plain data. Pickles are called
`pytorch_model.bin`."""
YES = {"1", "on", "yes", "true"}

Connect = Callable[[], httpx.Client]
ListingT = TypeVar("ListingT")

LISTING_BYTES = 16 << 20
"""A longer listing is none."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a source has put into the folder of a model."""

    repository: str
    revision: str
    files: tuple[File, ...]


class Hub(ABC):
    """What the hubs have in common: files of a repository under addresses that tell the revision."""

    name: str
    token: str = ""

    def __init__(self, endpoint: str, connect: Connect) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._connect = connect

    def offers(self, model: Model) -> bool:
        """Whether it may have it."""
        return self.name in model.repositories

    def deliver(self, model: Model, folder: Path, display: Display) -> Delivery:
        """Put what is missing of a model into its folder.

        Raises:
            SourceError: It could not all be had.
            OSError: The folder cannot be written to.
        """
        repository = model.repositories[self.name]
        files = model.files
        try:
            client = self._connect()
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:  # a proxy, certificates
            raise SourceError(f"the environment asks for what cannot be done: {error}") from error
        with client:
            if not files:
                repository, listed = self._list(repository, client)
                files = chosen(listed)
            for file in sorted(files, key=lambda file: file.size):  # another version shows before the gigabytes
                if is_right(folder / file.name, file):
                    continue
                with display.transfer(f"{self.name}: {model.name}/{file.name}", file.size) as on_progress:
                    url = f"{self._endpoint}/{self._path(repository)}/{quote(file.name)}"
                    download(client, url, file, folder, headers=self._headers(), on_progress=on_progress)
        return Delivery(repository.name, repository.revision, files)

    @abstractmethod
    def _path(self, repository: Repository) -> str:
        """Where its files lie, below the endpoint."""

    @abstractmethod
    def _list(self, repository: Repository, client: httpx.Client) -> tuple[Repository, list[File]]:
        """The repository as it is now, and all its files."""

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _listing(self, path: str, client: httpx.Client, form: type[ListingT]) -> ListingT:
        listing = b""
        try:
            with client.stream("GET", f"{self._endpoint}/{path}", headers=self._headers()) as response:
                if response.status_code != httpx.codes.OK:
                    raise SourceError(f"HTTP {response.status_code} for the list of files")
                for chunk in response.iter_bytes():
                    listing += chunk
                    if len(listing) > LISTING_BYTES:
                        raise SourceError("its list of files does not end")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceError(in_words(error)) from error
        try:
            return msgspec.json.decode(listing, type=form)
        except msgspec.DecodeError as error:
            raise SourceError("its list of files cannot be read") from error


class HuggingFace(Hub):
    """The hub that HF_ENDPOINT names; HF_TOKEN is shown to it alone, and HF_HUB_OFFLINE holds."""

    name = "huggingface"

    def __init__(self, connect: Connect = new_client) -> None:
        super().__init__(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", connect)
        self.token = os.environ.get("HF_TOKEN", "").strip()

    def deliver(self, model: Model, folder: Path, display: Display) -> Delivery:
        """As every hub does, unless the environment says to stay offline."""
        if os.environ.get("HF_HUB_OFFLINE", "").lower() in YES:
            raise SourceError("HF_HUB_OFFLINE is set")
        return super().deliver(model, folder, display)

    def _path(self, repository: Repository) -> str:
        return f"{repository.name}/resolve/{repository.revision}"

    def _list(self, repository: Repository, client: httpx.Client) -> tuple[Repository, list[File]]:
        path = f"api/models/{repository.name}/revision/{repository.revision}?blobs=true"
        info = self._listing(path, client, _HuggingFaceListing)
        if not FILE_NAME.fullmatch(info.sha):
            raise SourceError("its list of files has no revision")
        files = [
            File(each.rfilename, each.lfs.size, sha256=each.lfs.sha256)
            if each.lfs
            else File(each.rfilename, each.size or 0, blob_sha1=each.blob_id)
            for each in info.siblings
        ]
        return Repository(repository.name, info.sha), files


class ModelScope(Hub):
    """The hub that MODELSCOPE_DOMAIN names."""

    name = "modelscope"

    def __init__(self, connect: Connect = new_client) -> None:
        domain = os.environ.get("MODELSCOPE_DOMAIN") or "www.modelscope.cn"
        super().__init__(domain if "://" in domain else f"https://{domain}", connect)

    def _path(self, repository: Repository) -> str:
        return f"models/{repository.name}/resolve/{repository.revision}"

    def _list(self, repository: Repository, client: httpx.Client) -> tuple[Repository, list[File]]:
        path = f"api/v1/models/{repository.name}/repo/files?Revision={repository.revision}"
        info = self._listing(path, client, _ModelScopeListing)
        files = [File(each.path, each.size, sha256=each.sha256) for each in info.data.files if each.type == "blob"]
        return repository, files


def chosen(listed: Iterable[File]) -> tuple[File, ...]:
    """The files of a listing that make up the model: data only, and weights once.

    Args:
        listed: What a hub says it has. Nobody has looked at it before.

    Raises:
        SourceError: Something in it is no name of a file in a repository, or there are no weights that are only data.
    """
    files = list(listed)
    for file in files:
        if file.name.startswith("/") or "\\" in file.name or ".." in file.name.split("/"):
            raise SourceError(f"its list of files has one that would lie elsewhere: {file.name!r}")
    data = [
        file
        for file in files
        if FILE_NAME.fullmatch(file.name)  # those in folders are other forms of the same model
        and (file.name.endswith(DATA) or file.name == CTRANSLATE2_WEIGHTS)
        and file.name != MANIFEST
        and (file.sha256 or file.blob_sha1)
    ]
    if any(file.name == CTRANSLATE2_WEIGHTS for file in data):
        return tuple(file for file in data if not file.name.endswith(".safetensors"))
    if not any(file.name.endswith(".safetensors") for file in data):
        raise SourceError("it has no weights that are only data (model.bin of CTranslate2, or .safetensors)")
    return tuple(data)


class _Lfs(msgspec.Struct):
    sha256: str
    size: int


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int | None = None
    blob_id: str | None = msgspec.field(name="blobId", default=None)
    lfs: _Lfs | None = None


class _HuggingFaceListing(msgspec.Struct):
    """As `huggingface_hub` reads it: `lfs` has the digest of large files, `blobId` is what git calls small ones."""

    sha: str
    siblings: list[_Sibling]


class _Blob(msgspec.Struct):
    path: str = msgspec.field(name="Path")
    type: str = msgspec.field(name="Type")
    size: int = msgspec.field(name="Size", default=0)
    sha256: str | None = msgspec.field(name="Sha256", default=None)


class _Files(msgspec.Struct):
    files: list[_Blob] = msgspec.field(name="Files")


class _ModelScopeListing(msgspec.Struct):
    data: _Files = msgspec.field(name="Data")
