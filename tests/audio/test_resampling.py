import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.resampling import Resampler
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

RATES = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]
NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, 3 * 48000).astype(np.float32)


def run(resampler: Resampler, samples: Samples, sizes: list[int]) -> Samples:
    """One stream: chunks of `sizes`, the rest in one, flush."""
    output = []
    for size in [*sizes, len(samples)]:
        output.append(resampler.push(samples[:size]))
        samples = samples[size:]
    return np.concatenate([*output, resampler.flush()])


def tone(frequency_hz: float, rate: int) -> Samples:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(rate) / rate)).astype(np.float32)


def level_db(samples: Samples, frequency_hz: int) -> float:
    """Level at one frequency of a second of audio, relative to `tone`."""
    middle = samples[4000:12000]
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window)) / (0.25 * window.sum())
    return float(20 * np.log10(spectrum[frequency_hz // 2] + 1e-9))


@pytest.mark.parametrize("rate", RATES)
@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 2000), max_size=30))
def test_output_does_not_depend_on_the_cuts(rate: int, sizes: list[int]) -> None:
    audio = NOISE[:rate]
    assert np.array_equal(run(Resampler(rate), audio, sizes), run(Resampler(rate), audio, []))


@settings(deadline=None)
@given(rate=st.one_of(st.sampled_from(RATES), st.integers(8000, 48000)), streams=st.lists(st.integers(0, 3000)))
def test_length_is_exact_over_any_number_of_flushes(rate: int, streams: list[int]) -> None:
    resampler = Resampler(rate)
    received = produced = 0
    for length in streams:
        received += length
        produced += len(run(resampler, NOISE[:length], [160] * 3))
        assert produced == round(received * SAMPLE_RATE / rate)


@pytest.mark.parametrize("rate", RATES)
def test_flush_leaves_nothing_of_the_last_stream(rate: int) -> None:
    resampler = Resampler(rate)
    run(resampler, NOISE[:rate], [])
    assert not run(resampler, np.zeros(rate, np.float32), []).any()


@pytest.mark.parametrize("rate", RATES)
def test_speech_stays_where_it_was(rate: int, speech: Samples) -> None:
    source = soxr.resample(speech, SAMPLE_RATE, rate, quality="VHQ")
    resampler = Resampler(rate)
    chunk = [rate // 50] * 20
    third = len(source) // 3
    output = np.concatenate([run(resampler, part, chunk) for part in (source[:third], source[third:])])

    size = min(len(output), len(speech))
    spectra = np.fft.rfft(output[:size], 2 * size), np.fft.rfft(speech[:size], 2 * size)
    correlation = np.fft.irfft(spectra[0] * spectra[1].conj())
    assert np.argmax(correlation) == 0
    assert correlation[0] / (np.linalg.norm(output) * np.linalg.norm(speech)) > 0.97


@pytest.mark.parametrize(("rate", "delay_ms_max"), [(8000, 30), (11025, 22), (12000, 20), (24000, 38), (48000, 38)])
def test_delay_is_as_documented(rate: int, delay_ms_max: int) -> None:
    resampler = Resampler(rate)
    chunk = rate // 50
    produced = 0
    for count in range(1, 151):
        produced += len(resampler.push(NOISE[:chunk]))
        assert round(1000 * (count * chunk / rate - produced / SAMPLE_RATE), 6) <= delay_ms_max


def test_telephone_band_is_kept_without_image() -> None:
    output = run(Resampler(8000), tone(3400, 8000), [])
    assert level_db(output, 3400) == pytest.approx(0, abs=0.1)
    assert level_db(output, 8000 - 3400) < -80


def test_what_cannot_be_represented_is_removed() -> None:
    output = run(Resampler(48000), tone(10000, 48000), [])
    assert level_db(output, 16000 - 10000) < -80


def test_full_scale_input_does_not_overshoot() -> None:
    square = np.repeat(np.tile(np.array([1, -1], np.float32), 100), 40)
    for rate in (8000, 48000):
        assert np.abs(run(Resampler(rate), square, [])).max() == 1.0


def test_nothing_is_done_at_the_right_rate() -> None:
    resampler = Resampler(SAMPLE_RATE)
    assert resampler.push(NOISE) is NOISE
    assert resampler.flush().size == 0


@pytest.mark.parametrize("rate", [0, -16000, 7999, 48001])
def test_other_rates_are_refused(rate: int) -> None:
    with pytest.raises(AudioError) as caught:
        Resampler(rate)
    assert caught.value.field == "sample_rate"
