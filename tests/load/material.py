"""What the tests of this room have in common: recordings of a tone, and events of a server."""

import numpy as np

from qwen3_asr_realtime.load.conversation import Conversation, Turn
from qwen3_asr_realtime.load.recordings import Recording
from qwen3_asr_realtime.load.session import Received
from qwen3_asr_realtime.samples import SAMPLE_RATE

STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"
TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"


def tone(seconds, amplitude=0.3):
    return (amplitude * np.sin(np.arange(int(seconds * SAMPLE_RATE)) / 5)).astype(np.float32)


def recording(name="a.wav", seconds=2.0, before_s=0.2, after_s=0.3, transcript="one two three"):
    """A tone between stretches of silence."""
    silent = [np.zeros(int(length * SAMPLE_RATE), np.float32) for length in (before_s, after_s)]
    samples = np.concatenate([silent[0], tone(seconds), silent[1]])
    first = int(before_s * SAMPLE_RATE)
    return Recording(name, samples, (first, first + int(seconds * SAMPLE_RATE)), transcript)


def turn(first_s, recording_index=0, length_s=2.0, margin_s=0.2):
    """An utterance that begins at `first_s`, with `margin_s` of silence on both sides of the speech."""
    first, last, margin = (int(at * SAMPLE_RATE) for at in (first_s, first_s + length_s, margin_s))
    return Turn(recording_index, first, last, first + margin, last - margin)


def conversation(*first_s, recordings=None, length_s=30.0):
    turns = [turn(at_s) for at_s in first_s]
    return Conversation(recordings or [recording()], turns, int(length_s * SAMPLE_RATE))


def item_events(item_id, start_s, end_s, transcript, *, final_s, previews=(), **extra):
    """The events of one item; previews are (at_s, text, stash)."""
    return [
        Received(start_s, {"type": STARTED, "item_id": item_id, "audio_start_ms": int(start_s * 1000)}),
        *(
            Received(at_s, {"type": TEXT, "item_id": item_id, "text": text, "stash": stash})
            for at_s, text, stash in previews
        ),
        Received(end_s + 0.4, {"type": STOPPED, "item_id": item_id, "audio_end_ms": int(end_s * 1000)}),
        Received(final_s, {"type": COMPLETED, "item_id": item_id, "transcript": transcript, **extra}),
    ]
