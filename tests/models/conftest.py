import io
import os

import pytest
from rich.console import Console
from tests.models.standin import TINY, running_hub

from qwen3_asr_realtime.models import catalogue, command, store
from qwen3_asr_realtime.models.progress import Display
from qwen3_asr_realtime.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch, tmp_path):
    """No setting, cache or hub of the developer's; names of hubs lead nowhere."""
    for name in list(os.environ):
        if name.startswith(("HF_", "UV_", "PIP_", "MODELSCOPE_")) or name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    for name in ("UV", "XDG_CACHE_HOME", "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELSCOPE_DOMAIN", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))


@pytest.fixture
def models_dir(tmp_path):
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def _table(monkeypatch):
    """A table with one small model."""
    for module in (catalogue, command, store):
        monkeypatch.setattr(module, "MODELS", (TINY,))


@pytest.fixture
def hub():
    with running_hub() as running:
        yield running


@pytest.fixture
def other_hub():
    with running_hub() as running:
        yield running


@pytest.fixture
def shown():
    return io.StringIO()


@pytest.fixture
def display(shown):
    return Display(Console(file=shown, width=200))
