"""Which models the engines are given: those that were fetched, or what the settings say."""

import hashlib
from dataclasses import replace

import pytest
import structlog

from qwen3_asr_realtime.engines.selection import select_engine
from qwen3_asr_realtime.engines.vllm.local import engine
from qwen3_asr_realtime.models import catalogue
from qwen3_asr_realtime.models.catalogue import File, Model, Repository
from qwen3_asr_realtime.models.store import ModelError
from qwen3_asr_realtime.settings import Settings

WEIGHTS = b"weights"
TINY = Model(
    "qwen3-asr-tiny",
    files=(File("model.safetensors", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest()),),
    repositories={"huggingface": Repository("Qwen/Qwen3-ASR-Tiny", "c0ffee")},
)


@pytest.fixture
def model_of_vllm(monkeypatch, tmp_path):
    """What the local vLLM engine is to load for a setting."""
    monkeypatch.setattr(catalogue, "MODELS", (TINY,))
    monkeypatch.setattr(engine, "LocalVllmEngine", lambda options, _: options)
    monkeypatch.chdir(tmp_path)

    def model_of_vllm(given):
        settings = Settings(asr_engine="vllm", qwen3_asr_model_path=given, models_dir=str(tmp_path / "models"))
        return select_engine(settings).model

    return model_of_vllm


@pytest.fixture
def fetched(tmp_path):
    folder = tmp_path / "models" / "qwen3-asr-tiny"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


@pytest.mark.parametrize("given", ["Qwen/Qwen3-ASR-Tiny", "qwen3-asr-tiny"])
def test_a_model_that_was_fetched_is_loaded_from_its_folder(model_of_vllm, fetched, given):
    assert model_of_vllm(given) == str(fetched)


@pytest.mark.parametrize("given", ["Qwen/Qwen3-ASR-Tiny", "acme/other", "/no/such/folder"])
def test_any_other_is_left_to_vllm(model_of_vllm, given):
    assert model_of_vllm(given) == given


def test_a_folder_stays_a_folder(model_of_vllm, fetched, monkeypatch):
    monkeypatch.setenv("HOME", str(fetched.parent))

    assert model_of_vllm(str(fetched)) == str(fetched)
    assert model_of_vllm("~/qwen3-asr-tiny") == str(fetched)


def test_damaged_weights_are_not_loaded(model_of_vllm, fetched):
    (fetched / "model.safetensors").write_bytes(WEIGHTS[::-1])

    with pytest.raises(ModelError, match=r"model\.safetensors is damaged .* models fetch qwen3-asr-tiny`"):
        model_of_vllm("Qwen/Qwen3-ASR-Tiny")


@pytest.fixture
def embedded(monkeypatch, tmp_path):
    """The embedded engine for a setting of WHISPER_MODEL; `whisper-tiny` is the one there is."""
    whisper = replace(TINY, name="whisper-tiny", repositories={})
    monkeypatch.setattr(catalogue, "MODELS", (whisper,))
    monkeypatch.chdir(tmp_path)
    return lambda given: select_engine(
        Settings(asr_engine="embedded", whisper_model=given, models_dir=str(tmp_path / "models"))
    )


@pytest.fixture
def fetched_whisper(fetched):
    return fetched.rename(fetched.with_name("whisper-tiny"))


@pytest.mark.parametrize("given", ["whisper-tiny", "tiny"])
def test_with_whisper_the_embedded_engine_knows_all_languages(embedded, fetched_whisper, given):
    info = embedded(given).info

    assert (info.languages, info.model) == (None, "moonshine-tiny-en + whisper-tiny")


def test_a_folder_of_one_s_own_is_whisper_too(embedded, tmp_path):
    (tmp_path / "mine").mkdir()

    assert embedded(str(tmp_path / "mine")).info.model == "moonshine-tiny-en + mine"


def test_without_the_weights_it_is_english_and_the_log_says_what_to_do(embedded):
    with structlog.testing.capture_logs() as logs:
        info = embedded("tiny").info

    assert (info.languages, info.model) == (frozenset({"en"}), "moonshine-tiny-en")
    assert [line["get_it"] for line in logs] == ["qwen3-asr-realtime models fetch tiny"]


def test_weights_that_are_cut_off_are_not_taken_for_missing_ones(embedded, fetched_whisper):
    (fetched_whisper / "model.safetensors").write_bytes(WEIGHTS[:-1])

    with pytest.raises(ModelError, match="damaged"):
        embedded("tiny")


def test_a_folder_that_happens_to_be_called_like_a_model_is_not_meant(embedded, tmp_path):
    (tmp_path / "whisper-tiny").mkdir()
    (tmp_path / "whisper-tiny" / "config.json").touch()

    assert embedded("whisper-tiny").info.languages == frozenset({"en"})


def test_somebody_who_wants_english_only_is_told_nothing(embedded, fetched_whisper):
    with structlog.testing.capture_logs() as logs:
        assert embedded("none").info.languages == frozenset({"en"})
    assert logs == []


def test_an_unknown_model_is_an_error(embedded):
    with pytest.raises(ModelError, match="there is no model or folder whisper-huge"):
        embedded("whisper-huge")


async def test_the_embedded_engine_does_not_start_with_damaged_weights(embedded, fetched_whisper):
    (fetched_whisper / "model.safetensors").write_bytes(WEIGHTS[::-1])

    with pytest.raises(ModelError, match=r"model\.safetensors is damaged .* models fetch whisper-tiny`"):
        await embedded("tiny").start()
