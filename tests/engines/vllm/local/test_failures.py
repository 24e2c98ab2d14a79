import json
import logging
from logging.config import dictConfig

import pytest

from qwen3_asr_realtime.engines.vllm.local.failures import (
    CauseRecorder,
    explain,
    read_causes,
    write_logging_config,
)

IN_CORE = RuntimeError(
    "Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}"
)


@pytest.fixture
def logger():
    logger = logging.getLogger("test of failures")
    logger.propagate = False
    yield logger
    logger.handlers.clear()


def test_errors_of_a_process_are_read_in_another_oldest_first(tmp_path, logger) -> None:
    causes = tmp_path / "causes"
    logger.addHandler(CauseRecorder(str(causes)))
    for error in (ValueError("the first\nand more"), RuntimeError("")):
        logger.error("it failed", exc_info=error)
    logger.error("without an exception")

    assert read_causes(causes) == ["ValueError: the first", "RuntimeError"]
    assert read_causes(causes) == ()


def test_an_engine_that_cannot_record_an_error_goes_on(tmp_path, logger, capsys) -> None:
    logger.addHandler(CauseRecorder(str(tmp_path / "nowhere" / "causes")))

    logger.error("it failed", exc_info=ValueError("no"))

    assert "No such file" in capsys.readouterr().err


def test_a_cause_that_was_cut_in_a_letter_is_read(tmp_path) -> None:
    causes = tmp_path / "causes"
    causes.write_bytes("ValueError: zu groß".encode()[:-1])

    assert read_causes(causes) == ["ValueError: zu gro\N{REPLACEMENT CHARACTER}"]


def test_the_logging_config_is_one_that_python_takes(tmp_path) -> None:
    config, causes = write_logging_config(tmp_path, "ERROR")
    parsed = json.loads(config.read_text())
    parsed["loggers"] = {"test of config": parsed["loggers"]["vllm"]}

    dictConfig(parsed)
    logger = logging.getLogger("test of config")
    logger.handlers = [handler for handler in logger.handlers if isinstance(handler, CauseRecorder)]
    logger.error("it failed", exc_info=ValueError("no"))

    assert read_causes(causes) == ["ValueError: no"]


@pytest.mark.parametrize(
    ("error", "causes", "beginning"),
    [
        (
            IN_CORE,
            ["ValueError: Free memory on device cuda:0 (3.1/16.0 GiB) on startup is less than desired", "Exception: x"],
            "not enough memory for m: ValueError: Free memory on device cuda:0 (3.1/16.0 GiB)",
        ),
        (IN_CORE, ["OutOfMemoryError: CUDA out of memory. Tried"], "not enough memory for m: OutOfMemoryError: CUDA"),
        (
            RuntimeError("Engine core initialization failed. Failed core proc(s): {'EngineCore': -9}"),
            [],
            "not enough memory for m: the system killed",
        ),
        (IN_CORE, ["TypeError: root", "Exception: WorkerProc failed"], "vLLM does not start with m: TypeError: root"),
        (
            OSError("We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them\nCheck"),
            [],
            "cannot get m from its hub: OSError: We couldn't connect",
        ),
        (
            ValueError(
                "1 validation error for X\nblock_size\n  Input should be a whole number [type=int\n  For further"
            ),
            [],
            "vLLM does not start with m: ValueError: block_size: Input should be a whole number",
        ),
        (
            ValueError("1 validation error for X\n  Value error, 4 heads for 5 GPUs [type=x]\n  For further"),
            [],
            "vLLM does not start with m: ValueError: Value error, 4 heads for 5 GPUs",
        ),
        (
            type("LocalEntryNotFoundError", (Exception,), {})("Cannot find an appropriate cached snapshot folder"),
            [],
            "cannot get m from its hub: LocalEntryNotFoundError: Cannot find",
        ),
        (ValueError("\n\nunknown dtype: 'x'\nmore"), [], "vLLM does not start with m: ValueError: unknown dtype: 'x'"),
    ],
)
def test_why_it_does_not_start_is_said_in_one_line(error, causes, beginning) -> None:
    line = explain(error, causes, "m")

    assert line.startswith(beginning)
    assert "[type=" not in line
    assert "\n" not in line


def test_what_led_to_an_error_counts_too() -> None:
    error = RuntimeError("failed")
    error.__cause__ = MemoryError("CUDA out of memory")

    assert explain(error, [], "m").startswith("not enough memory for m: MemoryError: CUDA out of memory")
