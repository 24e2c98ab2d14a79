import json

import numpy as np
import pytest
from tests.load.material import tone

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.conformance.speech import wav_header
from qwen3_asr_realtime.load.recordings import (
    RecordingError,
    Source,
    find_sources,
    read_recording,
    room_tone,
    speech_span,
)
from qwen3_asr_realtime.samples import SAMPLE_RATE

BLOCK = SAMPLE_RATE // 100


def write_wav(path, samples):
    data = pcm16_bytes(samples)
    path.write_bytes(wav_header(SAMPLE_RATE, len(data)) + data)
    return path


def noise(seconds, level_db):
    return (np.random.default_rng(1).normal(size=int(seconds * SAMPLE_RATE)) * 10 ** (level_db / 20)).astype(np.float32)


@pytest.mark.parametrize("floor_db", [-90, -50, -35])
def test_speech_is_found_whatever_the_noise_around_it(floor_db):
    samples = noise(3.0, floor_db)
    samples[SAMPLE_RATE : 2 * SAMPLE_RATE] += tone(1.0)
    first, last = speech_span(samples)
    assert abs(first - SAMPLE_RATE) <= 2 * BLOCK
    assert abs(last - 2 * SAMPLE_RATE) <= 2 * BLOCK


def test_a_soft_last_sound_is_speech():
    """A final "s" is some 20 dB below the vowels."""
    samples = np.concatenate([tone(1.0), noise(0.2, -30), noise(0.5, -80)])
    assert abs(speech_span(samples)[1] - 1.2 * SAMPLE_RATE) <= 2 * BLOCK


def test_the_tone_of_a_room_is_that_of_the_softest_moment():
    hum = tone(3.0) / 1000
    samples = hum + np.concatenate([noise(1.0, -20), noise(0.2, -60), noise(1.8, -20)])
    room = room_tone(samples)
    softest = samples[int(1.05 * SAMPLE_RATE) : int(1.15 * SAMPLE_RATE)]
    assert 20 * np.log10(room.std() / softest.std()) == pytest.approx(0, abs=1)
    spectrum = np.abs(np.fft.rfft(room))
    assert abs(spectrum.argmax() - np.abs(np.fft.rfft(hum, len(room))).argmax()) < 40  # the hum is in it


def test_the_built_in_recordings_have_transcripts_and_speech():
    for source in find_sources(()):
        recording = read_recording(source)
        first, last = recording.speech
        assert recording.transcript
        assert 0 < first < last < len(recording.samples)


def test_transcripts_come_from_a_manifest_or_a_text_beside_the_file(tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        write_wav(tmp_path / name, tone(0.5))
    (tmp_path / "manifest.json").write_text(json.dumps([{"file": "a.wav", "transcript": "from the manifest"}]))
    (tmp_path / "b.txt").write_text("from the text\n")
    sources = find_sources([tmp_path / name for name in ("a.wav", "b.wav", "c.wav")])
    assert [source.transcript for source in sources] == ["from the manifest", "from the text", None]


def test_a_manifest_stands_for_its_recordings_in_the_language_asked_for(tmp_path):
    entries = [
        {"file": "a.wav", "transcript": "a", "language": "en", "speech_ms": [100, 200]},
        {"file": "b.wav", "transcript": "b", "language": "zh"},
    ]
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(entries))
    assert find_sources([manifest], language="en") == [Source(str(tmp_path / "a.wav"), "a", (100, 200))]
    assert len(find_sources([manifest])) == 2
    with pytest.raises(RecordingError):
        find_sources([manifest], language="fr")


def test_where_speech_is_can_be_stated(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone(1.0))
    assert read_recording(Source(str(path), None, (100, 600))).speech == (1600, 9600)
    with pytest.raises(RecordingError):
        read_recording(Source(str(path), None, (100, 1600)))


def test_silence_is_no_recording(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.zeros(SAMPLE_RATE, np.float32))
    with pytest.raises(RecordingError, match="no sound"):
        read_recording(Source(str(path)))


@pytest.mark.parametrize("text", ["{", '{"file": "a.wav"}', '[{"name": "a.wav"}]'])
def test_what_is_no_manifest_is_said_to_be_none(tmp_path, text):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(text)
    with pytest.raises(RecordingError, match=r"manifest\.json"):
        find_sources([manifest])
