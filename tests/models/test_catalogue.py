import re
from pathlib import Path

import pytest

from qwen3_asr_realtime.models.catalogue import FILE_NAME, HUB_NAME, MODELS, find, in_table
from qwen3_asr_realtime.models.hubs import chosen
from qwen3_asr_realtime.settings import MODEL_SOURCES, Settings


@pytest.fixture(autouse=True)
def _table(monkeypatch):
    """The real table, instead of the one of the other tests."""
    monkeypatch.setattr("qwen3_asr_realtime.models.catalogue.MODELS", MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_file_has_a_name_a_size_and_a_digest(model):
    assert len({file.name for file in model.files}) == len(model.files)
    for file in model.files:
        assert FILE_NAME.fullmatch(file.name)
        assert file.size > 0
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_file_is_data_as_it_is_chosen_from_a_listing(model):
    assert chosen(model.files) == model.files


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_source_is_one_that_may_be_set(model):
    assert model.repositories.keys() <= set(MODEL_SOURCES)
    assert all(HUB_NAME.fullmatch(repository.name) for repository in model.repositories.values())
    assert re.fullmatch(r"[0-9a-f]{40}", model.repositories["huggingface"].revision)  # which nobody can move
    assert model.licence in {"MIT", "Apache-2.0"}
    if model.packages:
        assert model.packages.parts.keys() == {file.name for file in model.files}
        assert all(re.fullmatch(r"[a-z0-9-]+==[\d.]+", each) for each in model.packages.requirements)


def test_the_page_on_models_has_the_table():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([\w.-]+)` \| (\w+) \| (\d+) \| ([\d.]+ [MG]B) \| ([\w.-]+) \| `(.+)` \| `(.+)` \| (.+) \|$",
        page,
        re.MULTILINE,
    )
    assert [row[:-1] for row in rows] == [
        (
            model.name,
            model.engine,
            model.languages,
            f"{model.size / 1e9:.1f} GB" if model.size >= 1e9 else f"{model.size / 1e6:.0f} MB",
            model.licence,
            model.repositories["huggingface"].name,
            model.repositories["modelscope"].name,
        )
        for model in MODELS
    ]
    assert [row[-1] != "–" for row in rows] == [model.packages is not None for model in MODELS]


def test_no_two_models_share_a_name():
    names = [
        {model.name, model.name.removeprefix("whisper-"), *(each.name for each in model.repositories.values())}
        for model in MODELS
    ]
    assert len(set.union(*names)) == sum(map(len, names))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("whisper-base", "whisper-base"),
        ("base", "whisper-base"),
        ("small", "whisper-small"),
        ("large-v3-turbo", "whisper-large-v3-turbo"),
        ("Systran/faster-whisper-base", "whisper-base"),
        ("Qwen/Qwen3-ASR-0.6B", "qwen3-asr-0.6b"),
        ("Qwen/Qwen3-ASR-1.7B", "qwen3-asr-1.7b"),
    ],
)
def test_models_are_known_by_all_their_names(given, name):
    assert in_table(given).name == find(given).name == name


def test_another_name_on_a_hub_is_a_model_of_which_nothing_is_known():
    model = find("acme/medium")

    assert in_table("acme/medium") is None
    assert model.files == ()
    assert {source: (each.name, each.revision) for source, each in model.repositories.items()} == {
        "huggingface": ("acme/medium", "main"),
        "modelscope": ("acme/medium", "master"),
    }


def test_the_defaults_of_the_settings_are_in_the_table():
    assert in_table(Settings.model_fields["whisper_model"].default).engine == "embedded"
    assert in_table(Settings.model_fields["qwen3_asr_model_path"].default).engine == "vllm"
