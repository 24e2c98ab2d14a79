import sys

import pytest

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.moonshine import weights
from qwen3_asr_realtime.engines.moonshine.weights import locate_weights, verify_weights

FILES = ["encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"]


@pytest.fixture
def folder_without(tmp_path):
    """A folder with the real model files, all but one."""

    def build(missing):
        for name in FILES:
            if name != missing:
                (tmp_path / name).symlink_to(locate_weights() / name)
        return tmp_path

    return build


def test_the_package_is_found_but_not_imported():
    verify_weights(locate_weights())

    assert "moonshine_voice" not in sys.modules


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused(folder_without, name):
    folder = folder_without(name)
    content = bytearray((locate_weights() / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(EngineError, match=rf"{name} is damaged or of another version"):
        verify_weights(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder_without, name):
    with pytest.raises(EngineError, match=rf"{name} cannot be read"):
        verify_weights(folder_without(name))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(weights, "PACKAGE", "no_such_package")

    with pytest.raises(EngineError, match=r"moonshine-voice==0\.1\.0.* is not installed"):
        locate_weights()
