import pytest

from qwen3_asr_realtime.engines.base import model_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Qwen/Qwen3-ASR-1.7B", "Qwen/Qwen3-ASR-1.7B"),
        ("qwen3-asr", "qwen3-asr"),
        ("/srv/models/Qwen3-ASR-1.7B/", "Qwen3-ASR-1.7B"),
        ("/model", "model"),
        ("./model", "model"),
        ("~/model", "model"),
        ("../models/Qwen/Qwen3-ASR", "Qwen3-ASR"),
        ("/", "/"),
    ],
)
def test_a_model_is_not_called_by_its_place(given: str, name: str) -> None:
    assert model_name(given) == name
