import pytest

from qwen3_asr_realtime.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    """No setting of this machine, neither from the environment nor from a `.env` file, reaches a test or leaves one."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_documented_defaults():
    settings = load_settings()
    assert settings.server_host == "0.0.0.0"  # noqa: S104 - the documented default
    assert settings.server_port == 8001
    assert settings.qwen3_asr_model_path == "Qwen/Qwen3-ASR-1.7B"
    assert settings.gpu_memory_utilization == 0.5
    assert settings.max_new_tokens == 32
    assert settings.model_dtype == "half"
    assert settings.vad_enabled is True
    assert settings.vad_threshold == 0.5
    assert settings.vad_silence_duration_ms == 400
    assert settings.streaming_chunk_size_sec == 2.0
    assert settings.log_level == "info"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SERVER_PORT", "70000", "a whole number from 0 up to 65535"),
        ("SERVER_PORT", "80.5", "a whole number from 0 up to 65535"),
        ("SERVER_PORT", "", "a whole number from 0 up to 65535"),
        ("SERVER_HOST", "", "a text that is not empty"),
        ("GPU_MEMORY_UTILIZATION", "0", "a number above 0 up to 1"),
        ("VAD_THRESHOLD", "nan", "a number from 0 up to 1"),
        ("VAD_SILENCE_DURATION_MS", "199", "a whole number from 200 up to 6000"),
        ("VAD_ENABLED", "perhaps", "true or false"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("ASR_ENGINE", "vosk", "one of auto, embedded, vllm, vllm-remote, scripted"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(monkeypatch, name, value, allowed):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert str(raised.value) == f"{name}={value} is not allowed: it must be {allowed}"


def test_every_bad_value_gets_a_line(monkeypatch):
    monkeypatch.setenv("SERVER_PORT", "-1")
    monkeypatch.setenv("MODEL_DTYPE", "int2")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert [line.partition("=")[0] for line in str(raised.value).splitlines()] == ["SERVER_PORT", "MODEL_DTYPE"]


def test_names_and_choices_are_read_in_any_case(monkeypatch):
    monkeypatch.setenv("asr_engine", " Embedded ")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    settings = load_settings()
    assert (settings.asr_engine, settings.log_level) == ("embedded", "warning")


def test_the_environment_comes_before_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("SERVER_PORT=9001\nMAX_NEW_TOKENS=64          # aligned comment\nSOMEBODY_ELSES=1\n")
    monkeypatch.setenv("SERVER_PORT", "9002")
    settings = load_settings()
    assert (settings.server_port, settings.max_new_tokens) == (9002, 64)


def test_a_bad_value_in_the_file_is_named_too(tmp_path):
    (tmp_path / ".env").write_text("SERVER_PORT=many\n")
    with pytest.raises(SettingsError, match="SERVER_PORT=many is not allowed"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "threshold", "silence_ms"),
    [
        ({}, 0.6, 800),
        ({"VAD_THRESHOLD": "0.5"}, 0.5, 800),
        ({"VAD_SILENCE_DURATION_MS": "400"}, 0.6, 400),
    ],
)
def test_cloud_defaults_give_way_to_what_is_set(monkeypatch, given, threshold, silence_ms):
    for name, value in {"CLOUD_DEFAULTS": "true", **given}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.vad_threshold, settings.vad_silence_duration_ms) == (threshold, silence_ms)


def test_engine_arguments_are_a_json_object(monkeypatch):
    monkeypatch.setenv("VLLM_ENGINE_ARGS", '{"enforce_eager": true}')
    assert load_settings().vllm_engine_args == {"enforce_eager": True}


@pytest.mark.parametrize("value", ["enforce_eager", "[1]", '"a"', ""])
def test_engine_arguments_that_are_none_are_named(monkeypatch, value):
    monkeypatch.setenv("VLLM_ENGINE_ARGS", value)
    with pytest.raises(SettingsError, match=r"^VLLM_ENGINE_ARGS.* must be a JSON object$"):
        load_settings()


def test_context_and_audio_have_to_fit_into_one_request(monkeypatch):
    monkeypatch.setenv("VLLM_MAX_MODEL_LEN", "2048")
    with pytest.raises(SettingsError, match=r"^VLLM_MAX_MODEL_LEN=2048 is too little: .* together need 5660$"):
        load_settings()
    monkeypatch.setenv("MAX_CONTEXT_TOKENS", "484")
    assert load_settings().max_context_tokens == 484


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({}, "/somewhere/.cache/qwen3-asr-realtime/models"),
        ({"XDG_CACHE_HOME": "/caches"}, "/caches/qwen3-asr-realtime/models"),
        ({"XDG_CACHE_HOME": "relative"}, "/somewhere/.cache/qwen3-asr-realtime/models"),  # which is to be ignored
        ({"MODELS_DIR": "/models", "XDG_CACHE_HOME": "/caches"}, "/models"),
        ({"MODELS_DIR": "~/models"}, "/somewhere/models"),
    ],
)
def test_models_are_kept_where_caches_are_or_where_it_is_said(monkeypatch, given, folder):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in {"HOME": "/somewhere", **given}.items():
        monkeypatch.setenv(name, value)
    assert str(load_settings().models_folder) == folder


def test_sources_of_models_are_a_list_in_any_case(monkeypatch):
    assert load_settings().model_source_names == ("huggingface", "modelscope", "packages")
    monkeypatch.setenv("MODEL_SOURCES", " Packages, ,huggingface")
    assert load_settings().model_source_names == ("packages", "huggingface")
    monkeypatch.setenv("MODEL_SOURCES", "")
    assert load_settings().model_source_names == ()


def test_an_unknown_source_of_models_is_named(monkeypatch):
    monkeypatch.setenv("MODEL_SOURCES", "huggingface,ftp")
    with pytest.raises(SettingsError, match=r"^MODEL_SOURCES may name huggingface, modelscope, packages, and not ftp$"):
        load_settings()


@pytest.mark.parametrize("name", ["API_KEYS", "VLLM_API_KEY"])
def test_no_representation_shows_a_key(monkeypatch, name):
    monkeypatch.setenv(name, "sk-of-acme-0123456789")
    assert "acme" not in repr(load_settings()) + str(load_settings())
