import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.load.material import recording

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.load.conversation import MIN_PAUSE_MS, SPEECH_SHARE, Conversation, plan
from qwen3_asr_realtime.samples import SAMPLE_RATE, samples_from_ms

RECORDINGS = [recording("a.wav", 2.0), recording("b.wav", 4.0), recording("c.wav", 1.0)]


def planned(session=0, duration_s=600.0, seed=1, silence_ms=None):
    return plan(RECORDINGS, duration_s=duration_s, session=session, seed=seed, silence_ms=silence_ms)


def test_some_forty_percent_is_speech():
    conversation = planned()
    spoken = sum(turn.end - turn.onset for turn in conversation.turns)
    assert spoken / conversation.n_samples == pytest.approx(SPEECH_SHARE, abs=0.05)


def test_sessions_differ_and_runs_do_not():
    assert planned().turns == planned().turns
    assert planned(session=1).turns != planned().turns
    assert planned(seed=2).turns != planned().turns


@pytest.mark.parametrize(("silence_ms", "pause_ms"), [(None, MIN_PAUSE_MS), (3000, 3000)])
def test_every_pause_ends_a_turn_even_the_last_one(silence_ms, pause_ms):
    conversation = planned(silence_ms=silence_ms)
    ends = [turn.last for turn in conversation.turns]
    begins = [turn.first for turn in conversation.turns[1:]] + [conversation.n_samples]
    assert min(begin - end for begin, end in zip(begins, ends, strict=True)) >= samples_from_ms(pause_ms)


def test_every_recording_is_heard_before_any_is_heard_again():
    spoken = [turn.recording for turn in planned().turns]
    for start in range(0, len(spoken) // 3 * 3, 3):
        assert sorted(spoken[start : start + 3]) == [0, 1, 2]


def test_even_the_shortest_conversation_has_an_utterance():
    conversation = planned(duration_s=0.1)
    assert len(conversation.turns) == 1
    assert conversation.n_samples > conversation.turns[0].last


def test_the_room_of_a_recording_goes_on_after_it():
    rooms = [np.full(7, level, np.float32) for level in (0.25, 0.5)]
    recordings = [dataclasses.replace(recording(), room=room) for room in rooms]
    conversation = plan(recordings, duration_s=30.0, session=0, seed=1, silence_ms=None)
    for turn, following in itertools.pairwise(conversation.turns):
        pause = np.frombuffer(conversation.pcm(turn.last, following.first), "<i2") / 2**15
        assert set(pause) == {0.25 if turn.recording == 0 else 0.5}


@given(st.lists(st.integers(1, 30 * SAMPLE_RATE), min_size=1, max_size=20))
def test_frames_of_any_size_make_the_same_audio(cuts):
    room = np.arange(1, 1000, dtype="<i2")
    recordings = [dataclasses.replace(recording, room=room.astype(np.float32) / 2**15) for recording in RECORDINGS]
    conversation = Conversation(recordings, planned(duration_s=30.0).turns, 30 * SAMPLE_RATE)
    expected = np.resize(room, conversation.n_samples)
    for turn in conversation.turns:
        expected[turn.first : turn.last] = np.frombuffer(pcm16_bytes(RECORDINGS[turn.recording].samples), "<i2")
    edges = sorted({0, conversation.n_samples, *cuts})
    pieces = [conversation.pcm(first, last) for first, last in itertools.pairwise(edges)]
    assert b"".join(pieces)[: conversation.n_samples * 2] == expected.tobytes()
