import base64
import io
import math

import av
import numpy as np
import pytest

from qwen3_asr_realtime.conformance.speech import (
    FIRST,
    FIRST_INTERRUPTED,
    NOISE,
    SECOND,
    TWO_SENTENCES,
    WHOLE_SECONDS,
    Recordings,
    chunks,
    fill,
    silence,
    words,
)


def encoded(recordings, sound, encoding="pcm", sample_rate=16000, **cut):
    return list(chunks(recordings.samples(sound), encoding, sample_rate, **cut))


def decoded(data):
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_sounds_are_put_together(recordings):
    first, second = recordings.duration_s(FIRST), recordings.duration_s(SECOND)
    assert recordings.duration_s(TWO_SENTENCES) == pytest.approx(first + second + 3)
    assert recordings.duration_s(FIRST * 3) == pytest.approx(3 * first)
    assert recordings.duration_s(FIRST_INTERRUPTED) == pytest.approx(0.6 * first, abs=0.001)
    assert recordings.duration_s(FIRST + WHOLE_SECONDS) == math.ceil(first)
    samples = recordings.samples(silence(1) + FIRST)
    assert not samples[:16000].any()
    assert np.array_equal(samples[16000:], recordings.samples(FIRST))


def test_fill_makes_text_of_an_exact_length_and_comes_first(recordings):
    (data,) = encoded(recordings, FIRST + fill(2**20), chunk_ms=math.inf)
    assert len(base64.b64encode(data)) == 2**20
    assert data.endswith(encoded(recordings, FIRST, chunk_ms=math.inf)[0])


def test_noise_is_the_same_every_time(recordings):
    noise = recordings.samples(NOISE)
    assert np.array_equal(noise, recordings.samples(NOISE))
    assert noise.std() > 0.05


def test_spans_lie_where_the_speech_is(recordings):
    first, second = recordings.spans(silence(2) + TWO_SENTENCES)
    assert 2000 < first.onset_ms < 2700 < first.loud_end_ms <= first.end_ms == 4786
    assert first.end_ms + 1500 <= second.onset_ms < second.loud_end_ms <= second.end_ms


def test_files_of_ones_own_need_only_some_words(recordings, tmp_path):
    for name in ("one.wav", "two.wav"):
        (data,) = encoded(recordings, SECOND, "wav", chunk_ms=math.inf)
        (tmp_path / name).write_bytes(data)
    own = Recordings([tmp_path / "one.wav", tmp_path / "two.wav"])
    assert own.duration_s(FIRST) == own.duration_s(SECOND) == recordings.duration_s(SECOND)
    assert own.is_transcript("anything", FIRST)
    assert not own.is_transcript("", FIRST)
    assert Recordings([tmp_path / "one.wav"]).duration_s(SECOND) == own.duration_s(SECOND)
    with pytest.raises(ValueError, match="at most 2"):
        Recordings([tmp_path / "one.wav"] * 3)


@pytest.mark.parametrize(
    ("cut", "sizes"), [({"chunk_ms": 100}, {3200}), ({"chunk_bytes": 3201}, {3201}), ({"chunk_ms": 1e9}, {32000})]
)
def test_chunks_of_a_size(recordings, cut, sizes):
    pieces = encoded(recordings, silence(1), **cut)
    assert {len(piece) for piece in pieces[:-1] or pieces} == sizes
    assert sum(map(len, pieces)) == 32000


def test_encodings_can_be_decoded(recordings):
    duration_s = recordings.duration_s(FIRST)
    for encoding, sample_rate in (("wav", 16000), ("wav", 8000), ("ogg-opus", 16000)):
        data = b"".join(encoded(recordings, FIRST, encoding, sample_rate, chunk_bytes=1000))
        assert decoded(data) == pytest.approx(duration_s, abs=0.05)
    packets = encoded(recordings, FIRST, "opus-packets")
    assert len(packets) * 0.02 == pytest.approx(duration_s, abs=0.05)
    assert not any(packet.startswith(b"OggS") for packet in packets)


def test_words():
    assert words("He was NOT an ill-disposed, young man.") == "he was not an ill disposed young man".split()
