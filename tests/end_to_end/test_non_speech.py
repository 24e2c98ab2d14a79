"""Sounds in which nobody speaks, the real engine, a real socket."""

import pytest
from tests.no_words import assert_no_word_is_heard

from harness import english_clips
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.transcription import TranscribeOptions


@pytest.mark.parametrize("threshold", [None, 0.3, -1.0])
def test_no_word_is_heard_where_nobody_speaks(server: LocalServer, threshold: float | None) -> None:
    options = TranscribeOptions(vad_threshold=threshold)

    assert_no_word_is_heard(server, options, english_clips()[0].samples, "leisure")
