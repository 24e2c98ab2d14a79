import pytest

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.local.loading import check_model_folder


@pytest.mark.parametrize("name", ["{}/nowhere", "{}", "./no-such-folder"])
def test_a_folder_without_a_model_is_refused_before_anything_is_loaded(tmp_path, name) -> None:
    with pytest.raises(EngineError, match=r"has no config\.json"):
        check_model_folder(name.format(tmp_path))


def test_a_folder_with_a_model_and_a_name_on_the_hub_are_not(tmp_path) -> None:
    (tmp_path / "config.json").touch()

    check_model_folder(str(tmp_path))
    check_model_folder("Qwen/Qwen3-ASR-1.7B")
