"""Speech without an end, through detector, session and recognition together: every word is heard once, and by one item.

The detector cuts turns, recognition cuts what an engine takes at a time, and neither may hear what the other has given
away. In virtual time; the model is replaced by the truth, the engine by one that hears which words it is given.
"""

import asyncio
import base64
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recognition.hearing import HearingEngine, silence, text, words
from tests.recognition.talk import CADENCE
from tests.recognition.virtual_time import run

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.protocol.configuration import Configuration, Support, TurnDetection
from qwen3_asr_realtime.protocol.events import TranscriptionCompleted
from qwen3_asr_realtime.protocol.session import Session, SessionRules
from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.recognition.recogniser import Recogniser
from qwen3_asr_realtime.recognition.speaker import Speaker
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples
from qwen3_asr_realtime.server.connection import Connection
from qwen3_asr_realtime.server.pace import Pace
from qwen3_asr_realtime.server.reporting import Reporting
from qwen3_asr_realtime.vad.detector import SpeechDetector
from qwen3_asr_realtime.vad.endpointing import EndpointingParameters
from qwen3_asr_realtime.vad.frames import BLOCKS_PER_FRAME
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, Frames

PARAMETERS = EndpointingParameters(prefix_padding_ms=0)


class Truth:
    """Takes what is not silent for speech."""

    async def judge(self, frames: Frames) -> None:
        blocks = (frames.stream[CONTEXT_SAMPLES:] != 0).reshape(-1, BLOCKS_PER_FRAME, 128).mean(axis=2)
        frames.energies += blocks.tolist()
        frames.probabilities += (0.1 + 0.8 * blocks.mean(axis=1)).tolist()


class Client:
    """What is sent to it is kept."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def put(self, event: object) -> None:
        self.events.append(event)

    @property
    def transcripts(self) -> list[str]:
        return [event.transcript for event in self.events if isinstance(event, TranscriptionCompleted)]


async def finals_of(
    audio: Samples, pieces_ms: list[int], parameters: EndpointingParameters | None, engine: HearingEngine
) -> list[str]:
    """The finals of a session in which audio is sent in pieces, as fast as it is taken; no parameters: Manual mode."""
    client, numbers = Client(), itertools.count()
    turns = TurnDetection(threshold=0.0, silence_duration_ms=400, prefix_padding_ms=300)
    support = Support(turn_detection=turns, audio_formats=("pcm",), languages=None, engine="hearing")
    rules = SessionRules(support=support, initial=Configuration(turn_detection=turns if parameters else None))
    session = Session(session_id="sess", model="m", rules=rules, new_id=lambda _: str(next(numbers)))
    detection = parameters or replace(PARAMETERS, silence_ms=1500, max_utterance_ms=10**9)
    with ThreadPoolExecutor(1) as listening:
        async with asyncio.TaskGroup() as tasks:
            connection = Connection(
                session=session,
                detector=SpeechDetector(detection),
                judge=Truth(),
                endpointing=lambda _: detection,
                recogniser=Recogniser(engine, CADENCE),
                outbox=client,
                speaker=Speaker(Backlog(10**9)),
                pace=Pace(0, 0, lambda: None),
                listening=listening,
                tasks=tasks,
                reporting=Reporting(),
                trace=False,
            )
            await connection.start()
            data, cycle = pcm16_bytes(audio), itertools.cycle(pieces_ms)
            while data:
                size = next(cycle) * 2 * SAMPLE_RATE // 1000
                append = base64.b64encode(data[:size]).decode()
                await connection.receive(f'{{"type":"input_audio_buffer.append","audio":"{append}"}}')
                data = data[size:]
                await asyncio.sleep(0)
            await connection.receive('{"type":"session.finish"}')
    return client.transcripts


def speech(pauses_ms: list[int], count: int) -> Samples:
    """So many words with pauses between them."""
    pauses = itertools.cycle(pauses_ms)
    parts = [(words(1, first=number), silence(next(pauses) / 1000)) for number in range(1, count + 1)]
    return np.concatenate([part for pair in parts for part in pair])


WORDS = 120

MODES = {
    "VAD": replace(PARAMETERS, silence_ms=800, max_utterance_ms=20_000),
    "VAD, patient": replace(PARAMETERS, silence_ms=2000, max_utterance_ms=30_000),
    "Manual": None,
}


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None, max_examples=25)
@given(
    pauses_ms=st.lists(st.integers(0, 1200), min_size=1, max_size=9),
    pieces_ms=st.lists(st.integers(20, 900), min_size=1, max_size=4),
    longest_s=st.sampled_from([8.0, 15.0, 30.0, 60.0]),
)
def test_every_word_is_heard_once(mode: str, pauses_ms: list[int], pieces_ms: list[int], longest_s: float) -> None:
    audio = speech(pauses_ms, WORDS)
    engine = HearingEngine(max_segment_s=longest_s)
    finals = run(finals_of(audio, pieces_ms, MODES[mode], engine))
    assert " ".join(final for final in finals if final) == text(1, WORDS)
