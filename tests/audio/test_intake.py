import io
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.opus_material import ENCODER_DELAY, encoded, lag_and_correlation, ogg

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.intake import AudioIntake
from qwen3_asr_realtime.audio.opus import OPUS_RATE
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

PCM = np.random.default_rng(2).integers(-20000, 20000, 4000).astype("<i2").tobytes()
CASES = [(audio_format, rate, header) for audio_format in ("pcm", "wav") for rate in (8000, 16000, 44100)
         for header in (False, True)]  # fmt: skip


def wav(pcm: bytes, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        file.writeframes(pcm)
    return buffer.getvalue()


def run(intake: AudioIntake, data: bytes, sizes: list[int]) -> Samples:
    """One stream: chunks of `sizes` bytes, the rest in one, flush."""
    output = []
    for size in [*sizes, len(data)]:
        output.append(intake.push(data[:size]))
        data = data[size:]
    return np.concatenate([*output, intake.flush()])


@pytest.mark.parametrize(("audio_format", "rate", "header"), CASES)
@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 700), max_size=30))
def test_any_chunking_gives_the_same_samples(audio_format: str, rate: int, header: bool, sizes: list[int]) -> None:
    data = wav(PCM, rate) if header else PCM
    samples = run(AudioIntake(audio_format, rate), data, sizes)
    assert samples.dtype == np.float32
    assert len(samples) == round(4000 * SAMPLE_RATE / rate)
    assert np.array_equal(samples, run(AudioIntake("pcm", rate), PCM, []))


def test_every_stream_may_bring_a_header() -> None:
    intake = AudioIntake("pcm", 8000)
    first, second = (run(intake, wav(PCM, 8000), [320] * 10) for _ in range(2))
    assert len(first) == 8000
    assert np.array_equal(first, second)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_stream_shorter_than_a_header_loses_nothing(rate: int) -> None:
    assert len(run(AudioIntake("pcm", rate), b"RIFF", [])) == 2 * SAMPLE_RATE // rate


def test_refused_header_is_reported_once_and_ends_with_the_stream() -> None:
    intake = AudioIntake("wav", 16000)
    with pytest.raises(AudioError, match="44100 Hz, the session is set to 16000 Hz"):
        intake.push(wav(PCM, 44100))
    assert intake.push(PCM).size == 0
    assert intake.flush().size == 0
    assert len(run(intake, PCM, [])) == 4000


@pytest.mark.parametrize("audio_format", ["mp3", "pcm16", ""])
def test_unknown_formats_are_refused(audio_format: str) -> None:
    with pytest.raises(AudioError, match="Supported values are: 'pcm', 'wav', 'opus'") as caught:
        AudioIntake(audio_format, 16000)
    assert caught.value.field == "input_audio_format"


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 2000), max_size=30))
def test_opus_gives_the_same_samples_however_it_is_cut(speech: Samples, sizes: list[int]) -> None:
    data = ogg(speech[:20_001])
    samples = run(AudioIntake("opus", 8000), data, sizes)
    assert samples.dtype == np.float32
    assert len(samples) == 20_001
    assert np.array_equal(samples, run(AudioIntake("opus", 16000), data, []))
    assert abs(lag_and_correlation(samples, speech[:20_001])[0]) <= SAMPLE_RATE // 1000


def test_opus_packets_and_streams_may_alternate(speech: Samples) -> None:
    intake = AudioIntake("opus", 16000)
    packets = encoded(speech[:SAMPLE_RATE])
    for _ in range(2):
        assert len(run(intake, ogg(speech[:SAMPLE_RATE]), [])) == SAMPLE_RATE
        samples = np.concatenate([*map(intake.push, packets), intake.flush()])
        assert len(samples) == len(packets) * SAMPLE_RATE // 50
        lag, correlation = lag_and_correlation(samples, speech[:SAMPLE_RATE])
        assert lag == pytest.approx(ENCODER_DELAY * SAMPLE_RATE / OPUS_RATE, abs=2)
        assert correlation > 0.94


def test_only_ogg_may_hold_much_in_a_few_bytes(speech: Samples) -> None:
    """The event loop decodes all else itself."""
    assert not AudioIntake("pcm", 16000).may_be_long(b"OggS" * 8000)

    intake = AudioIntake("opus", 16000)
    packets = encoded(speech[:SAMPLE_RATE])
    data = ogg(speech[:SAMPLE_RATE])
    for _ in range(2):
        assert not any(intake.may_be_long(packet) for packet in [b"", *packets])
        assert all(intake.may_be_long(data[:size]) for size in (1, 4, len(data)))
        intake.push(data[:1])
        assert intake.may_be_long(data[1:])  # the rest does not begin like Ogg
        intake.push(data[1:])
        assert intake.may_be_long(packets[0])
        intake.flush()


def test_refused_packet_takes_no_time(speech: Samples) -> None:
    intake = AudioIntake("opus", 16000)
    packets = encoded(speech[:SAMPLE_RATE])
    with pytest.raises(AudioError) as caught:
        intake.push(b"no packet")
    assert caught.value.field == "audio"
    assert sum(len(intake.push(packet)) for packet in packets) + len(intake.flush()) == len(packets) * SAMPLE_RATE // 50


def test_rates_out_of_range_are_refused() -> None:
    with pytest.raises(AudioError) as caught:
        AudioIntake("pcm", 96000)
    assert caught.value.field == "sample_rate"
