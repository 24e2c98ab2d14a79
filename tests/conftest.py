import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from qwen3_asr_realtime.audio.files import pcm16_bytes, read_samples

pytest.register_assert_rewrite("tests.no_words")

APART = {
    Path(__file__).parent / room for room in ("asyncapi", "cluster/live", "faults", "languages", "sdk", "vllm", "web")
}
"""Rooms that take minutes, or an environment of their own. They run only where they are asked for by name."""

EXAMPLES = Path(__file__).parents[1] / ".hypothesis" / "examples"
"""Where hypothesis keeps what failed, wherever the tests run."""

# The machines are shared, and the first use of all of Unicode builds tables for over a second.
settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=DirectoryBasedExampleDatabase(EXAMPLES),
)
settings.load_profile("shared")

# A shell ignores Ctrl-C for what it starts in the background, and programs inherit that; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _folders_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a developer has set in `.env`, and the models that were fetched, are not for the tests and their servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("folder"))
        patch.setenv("MODELS_DIR", str(tmp_path_factory.mktemp("models")))
        yield


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the rooms apart out of a run of all tests."""
    if collection_path not in APART:
        return None
    asked_for = (Path(argument.split("::")[0]).absolute() for argument in config.args)
    return None if any(path.is_relative_to(collection_path) for path in asked_for) else True


@pytest.fixture(scope="session")
def go_forward() -> bytes:
    """2.8 s of speech as 16-bit PCM: one utterance."""
    return pcm16_bytes(read_samples(Path(__file__).parent / "speech" / "cmd_goforward.wav"))
