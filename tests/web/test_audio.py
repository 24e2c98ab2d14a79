"""The modules that work on samples, in the browser, against numpy."""

import numpy as np
import pytest
from tests.web.conftest import OpenPage

RESAMPLE = """
async ([rate, samples, piece]) => {
  const { Resampler } = await import("/demo/page/audio/resampler.js");
  const resampler = new Resampler(rate, 16000);
  const output = [];
  for (let first = 0; first < samples.length; first += piece) {
    output.push(...resampler.push(Float32Array.from(samples.slice(first, first + piece))));
  }
  output.push(...resampler.flush());
  return output;
}
"""


def resampled(page, rate: int, samples: np.ndarray, piece: int = 128) -> np.ndarray:
    return np.array(page.evaluate(RESAMPLE, [rate, samples.tolist(), piece]))


def tone(rate: int, hertz: float, seconds: float = 0.25) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.fixture
def page(open_page: OpenPage):
    return open_page().page


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000, 22_050, 8_000, 16_000])
def test_speech_passes_as_it_is(page, rate: int):
    for hertz in (100, 1000, 3300):
        heard = resampled(page, rate, tone(rate, hertz))
        expected = tone(16_000, hertz)[: len(heard)]
        inside = slice(400, min(len(heard), len(expected)) - 400)
        assert np.abs(heard[inside] - expected[inside]).max() < 1e-3


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000])
def test_what_is_too_high_does_not_fold_back(page, rate: int):
    for hertz in (8800, 12_000, 15_900):
        heard = resampled(page, rate, tone(rate, hertz))
        assert np.sqrt(np.mean(heard[400:-400] ** 2)) < 10 ** (-70 / 20)


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_it_does_not_matter_in_which_pieces_it_comes(page, rate: int):
    noise = np.random.default_rng(1).standard_normal(rate // 5) * 0.1
    whole = resampled(page, rate, noise, len(noise))
    for piece in (1, 128, 1000):
        assert np.array_equal(resampled(page, rate, noise, piece), whole)
    assert abs(len(whole) - len(noise) * 16_000 / rate) < 80  # and nothing is lost at the end


def test_the_clock_says_when_a_sample_was_sent(page):
    found = page.evaluate(
        """async () => {
          const { SendingClock } = await import("/demo/page/session/clock.js");
          const clock = new SendingClock();
          for (let frame = 1; frame <= 20000; frame++) clock.note(frame * 1600, frame * 100);
          return [32_000_000 - 10, 32_000_000 - 1600, 32_000_001, 5].map((sample) => clock.sentAt(sample));
        }"""
    )
    assert found == [2_000_000, 1_999_900, None, None]
