"""Sounds in which nobody speaks, to hold a recogniser against: it must not hear a word in any of them.

    python scripts/non_speech.py FOLDER

Writes every sound as a WAV file at each of three levels, to listen to. All of it is computed, the same at every run.
What is made from recorded speech (reversed, scrambled, a crowd of voices) is left out: that *is* speech in a way.
"""

import argparse
import sys
import wave
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

LEVELS_DB: Final = (-40, -20, -6)
"""Levels of the loudest sample, in dB of full scale: across the room, at a usual distance, into the microphone. The
peak and not the mean power, which says nothing of clicks and would clip them."""

DURATION_S: Final = 3.0

Sound: TypeAlias = NDArray[np.float64]

_N: Final = int(DURATION_S * SAMPLE_RATE)
_TIME: Final[Sound] = np.arange(_N) / SAMPLE_RATE
_FREQUENCIES: Final[Sound] = np.arange(_N // 2 + 1) / DURATION_S


def non_speech() -> dict[str, Samples]:
    """All sounds by name, float32 [48000] each, with a peak of 1 (or 0: silence)."""
    sounds = {}
    for name, make in SOUNDS.items():
        sound = make(np.random.default_rng(zlib.crc32(name.encode())))
        peak = np.abs(sound).max() or 1.0
        sounds[name] = (sound / peak).astype(np.float32)
    return sounds


def at_level(sound: Samples, level_db: float) -> Samples:
    """A sound with a peak of 1 at another level, in dB of full scale."""
    return sound * np.float32(10 ** (level_db / 20))


# --- what sounds are made of -----------------------------------------------------------------------------------------


def noise(rng: Generator, exponent: float = 0.0) -> Sound:
    """Noise whose power falls with frequency to the power of `exponent`: 0 white, 1 pink, 2 brown, -1 blue."""
    return shaped(rng.standard_normal(_N), np.maximum(_FREQUENCIES, 20) ** (-exponent / 2))


def shaped(sound: Sound, gains: Sound) -> Sound:
    """A sound with its spectrum weighted, with a mean power of 1."""
    weighted: Sound = np.fft.irfft(np.fft.rfft(sound) * gains, _N)
    weighted /= max(float(weighted.std()), 1e-12)
    return weighted


def band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    """What of a sound lies between two frequencies, with soft edges."""
    below, above = (_FREQUENCIES / low_hz) ** 4, (_FREQUENCIES / high_hz) ** 4
    return shaped(sound, below / (1 + below) / (1 + above))


def resonant(sound: Sound, *peaks_hz: float, width_hz: float = 120.0) -> Sound:
    """A sound through resonances, as a throat, a bottle or a wooden box has them."""
    gains = sum((1 / (1 + ((_FREQUENCIES - peak) / width_hz) ** 2) for peak in peaks_hz), np.zeros_like(_FREQUENCIES))
    return shaped(sound, gains)


def tones(*frequencies_hz: float) -> Sound:
    """Sines, equally strong."""
    return sum((np.sin(2 * np.pi * frequency_hz * _TIME) for frequency_hz in frequencies_hz), np.zeros(_N))


def gliding(frequency_hz: Sound, harmonics: int = 1) -> Sound:
    """A tone of changing frequency, with harmonics that get weaker."""
    phase = 2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE
    return sum((np.sin(k * phase) / k for k in range(1, harmonics + 1)), np.zeros(_N))


def pulses(rate_hz: float, rng: Generator, jitter: float = 0.0) -> Sound:
    """One sample of sound at a rate, each a little off its time."""
    times_s = np.array(steps(1 / rate_hz))
    times_s += rng.normal(0, jitter / rate_hz, times_s.size)
    sound = np.zeros(_N)
    sound[np.clip(times_s * SAMPLE_RATE, 0, _N - 1).astype(int)] = 1
    return sound


def strokes(starts_s: Sequence[float], decay_s: float, attack_s: float = 0.002) -> Sound:
    """An envelope that rises and decays at each of these times."""
    envelope = np.zeros(_N)
    for start_s in starts_s:
        since = np.maximum(_TIME - start_s, 0)
        envelope += np.minimum(since / attack_s, 1) * np.exp(-since / decay_s)
    return envelope


def gate(*spans_s: tuple[float, float], edge_s: float = 0.005) -> Sound:
    """An envelope that is open in these spans, with soft edges."""
    spans = (np.clip(np.minimum(_TIME - begin, end - _TIME) / edge_s, 0, 1) for begin, end in spans_s)
    return sum(spans, np.zeros(_N))


def cadence(on_s: float, off_s: float) -> Sound:
    """An envelope that is open and closed in turns."""
    return gate(*((begin, begin + on_s) for begin in steps(on_s + off_s)))


def swell(rate_hz: float, depth: float = 1.0) -> Sound:
    """An envelope that comes and goes."""
    return 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * rate_hz * _TIME))


def wander(rng: Generator, rate_hz: float) -> Sound:
    """A random envelope in [0, 1] that changes about so many times a second."""
    knots = rng.random(int(DURATION_S * rate_hz) + 2)
    return np.interp(_TIME * rate_hz, np.arange(knots.size), knots)


def steps(step_s: float) -> list[float]:
    """Regular times."""
    return [step_s * number for number in range(int(DURATION_S / step_s))]


def times(rng: Generator, rate_hz: float) -> list[float]:
    """Random times, so many a second on average."""
    return sorted(rng.uniform(0.05, DURATION_S - 0.1, int(DURATION_S * rate_hz)).tolist())


# --- sounds of more than one line ------------------------------------------------------------------------------------


def _keys(rng: Generator) -> Sound:
    typed = np.cumsum(rng.choice([0.09, 0.12, 0.15, 0.4], 18)).tolist()
    return band(noise(rng), 1500, 6000) * strokes(typed, 0.008) + 0.3 * resonant(noise(rng), 300) * strokes(typed, 0.02)


def _dtmf(rng: Generator) -> Sound:
    sound = np.zeros(_N)
    for number, begin in enumerate(steps(0.2)):
        pair = tones(float(rng.choice([697, 770, 852, 941])), float(rng.choice([1209, 1336, 1477])))
        sound += pair * gate((begin, begin + 0.1 + 0.02 * (number % 2)))
    return sound


def _fax(rng: Generator) -> Sound:
    sweep = gliding(np.interp(_TIME, [1.6, 2.2, 2.8], [600, 3000, 1200])) * gate((1.6, 2.8))
    return tones(1100) * gate((0.1, 0.6)) + tones(2100) * gate((0.8, 1.5)) + sweep + 0.02 * noise(rng)


def _melody(notes_hz: Sequence[float], step_s: float, harmonics: int, decay_s: float) -> Sound:
    sound = np.zeros(_N)
    for number, begin in enumerate(steps(step_s)):
        note = np.full(_N, notes_hz[number % len(notes_hz)])
        sound += gliding(note, harmonics) * strokes([begin], decay_s, 0.01)
    return sound


def _chords(rng: Generator) -> Sound:
    del rng
    sound = np.zeros(_N)
    for begin, chord in zip(
        (0.0, 0.75, 1.5, 2.25), ((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)), strict=True
    ):
        strings = sum((gliding(np.full(_N, float(hz)), 8) for hz in chord), np.zeros(_N))
        sound += strings * gate((begin, begin + 0.74), edge_s=0.03)
    return sound


def _drums(rng: Generator) -> Sound:
    beat = steps(0.5)
    kick = gliding(50 + 100 * strokes(beat[::2], 0.03)) * strokes(beat[::2], 0.12)
    snare = band(noise(rng), 500, 5000) * strokes(beat[1::2], 0.08)
    hat = band(noise(rng), 5000, 8000) * strokes(steps(0.25), 0.03)
    return kick + 0.4 * snare + 0.15 * hat


def _bark(rng: Generator) -> Sound:
    barks = [0.3, 0.75, 1.6, 2.1]
    pitch = 350 + 250 * strokes(barks, 0.08)
    return resonant(gliding(pitch, 20) + 0.5 * noise(rng), 700, 1300, 2500, width_hz=250) * strokes(barks, 0.07, 0.02)


def _birds(rng: Generator) -> Sound:
    sung = times(rng, 4)
    return gliding(3500 + 1500 * wander(rng, 12)) * strokes(sung, 0.06, 0.02)


def _murmur(rng: Generator) -> Sound:
    """Many streams of shaped noise, each at the rate of syllables: a crowd without voices or words."""
    streams = (
        resonant(noise(rng), rng.uniform(300, 800), rng.uniform(900, 2200)) * wander(rng, rng.uniform(3, 7)) ** 2
        for _ in range(12)
    )
    return sum(streams, np.zeros(_N))


def _hum(mains_hz: float) -> Sound:
    return sum((np.sin(2 * np.pi * mains_hz * k * _TIME + k) / k for k in (1, 2, 3, 4, 5, 7, 9, 11)), np.zeros(_N))


SOUNDS: Final[dict[str, Callable[[Generator], Sound]]] = {
    # Rooms and lines.
    "digital silence": lambda rng: np.zeros(_N),
    "dither": lambda rng: np.round(rng.uniform(-1, 1, _N) + rng.uniform(-1, 1, _N)),
    "white noise": noise,
    "pink noise": lambda rng: noise(rng, 1),
    "brown noise": lambda rng: noise(rng, 2),
    "blue noise": lambda rng: noise(rng, -1),
    "white noise swelling at 3 Hz": lambda rng: noise(rng) * swell(3),
    "pink noise swelling at 4 Hz": lambda rng: noise(rng, 1) * swell(4),
    "brown noise swelling at 5 Hz": lambda rng: noise(rng, 2) * swell(5),
    "vowel-shaped noise swelling at 4 Hz": lambda rng: resonant(noise(rng), 600, 1100, 2500) * swell(4),
    "comfort noise in pieces": lambda rng: band(noise(rng), 300, 3400) * cadence(0.5, 0.3),
    "hum of 50 Hz": lambda rng: _hum(50),
    "hum of 60 Hz": lambda rng: _hum(60),
    "fan": lambda rng: noise(rng, 1.5) * swell(24, 0.3) + 0.5 * tones(118, 236, 354),
    "vacuum cleaner": lambda rng: band(noise(rng), 200, 5000) + 0.6 * gliding(np.full(_N, 310.0), 12),
    "idling engine": lambda rng: resonant(pulses(28, rng, 0.05), 90, 180, 420, width_hz=60) + 0.1 * noise(rng, 1),
    "passing car": lambda rng: band(noise(rng, 1), 60, 2500) * np.exp(-((_TIME - 1.5) ** 2) / 0.4),
    "murmur of a crowd": _murmur,
    # Weather.
    "wind in gusts": lambda rng: band(noise(rng, 1.5), 40, 900) * wander(rng, 2) ** 2,
    "howling wind": lambda rng: resonant(noise(rng), 500, width_hz=25) * wander(rng, 2) + 0.2 * noise(rng, 2),
    "rain": lambda rng: band(noise(rng), 1000, 8000) * (0.3 + strokes(times(rng, 60), 0.004)),
    "thunder": lambda rng: band(noise(rng, 2), 20, 300) * strokes([0.2, 0.5, 1.2], 0.5, 0.05) * wander(rng, 15),
    # Hands and things.
    "clicks": lambda rng: strokes(times(rng, 3), 0.001, 1e-4) * noise(rng),
    "keyboard": _keys,
    "knocking at a door": lambda rng: (
        resonant(noise(rng), 110, 240, 480, width_hz=50) * strokes([0.4, 0.65, 0.9, 1.9, 2.1, 2.3], 0.05)
    ),
    "footsteps": lambda rng: band(noise(rng, 1), 60, 1500) * strokes([0.2, 0.75, 1.3, 1.85, 2.4], 0.04, 0.01),
    "clapping": lambda rng: band(noise(rng), 600, 5000) * strokes(times(rng, 6), 0.02),
    "applause": lambda rng: band(noise(rng), 600, 5000) * strokes(times(rng, 80), 0.015),
    "paper": lambda rng: band(noise(rng), 1500, 8000) * wander(rng, 25) ** 4 * wander(rng, 2),
    "glasses": lambda rng: tones(2093, 3370, 5210) * strokes([0.3, 0.9, 1.1, 2.2], 0.25),
    "dripping water": lambda rng: gliding(900 + 1500 * strokes([0.4, 1.3, 2.2], 0.02)) * strokes([0.4, 1.3, 2.2], 0.03),
    "thumps on the microphone": lambda rng: band(noise(rng, 2), 20, 200) * strokes(times(rng, 2), 0.06, 0.01),
    "scratching": lambda rng: band(noise(rng), 800, 7000) * swell(5) ** 3,
    # Telephone.
    "DTMF": _dtmf,
    "dial tone": lambda rng: tones(350, 440),
    "ringing tone": lambda rng: tones(440, 480) * cadence(1.0, 0.6),
    "busy tone": lambda rng: tones(480, 620) * cadence(0.5, 0.5),
    "intercept tones": lambda rng: (
        tones(950) * gate((0.2, 0.5)) + tones(1400) * gate((0.5, 0.8)) + tones(1800) * gate((0.8, 1.1))
    ),
    "fax": _fax,
    "modem": lambda rng: gliding(np.where(np.repeat(rng.integers(0, 2, _N // 16), 16) == 1, 1270.0, 1070.0)),
    "beeps": lambda rng: tones(1000) * cadence(0.15, 0.35),
    "alarm clock": lambda rng: tones(2000, 4000) * cadence(0.06, 0.06) * cadence(0.5, 0.5),
    # Mouths and noses.
    "cough": lambda rng: (
        resonant(noise(rng), 500, 1400, 2600, width_hz=300) * strokes([0.3, 0.7, 1.8, 2.2], 0.07, 0.01)
    ),
    "hoarse cough": lambda rng: (
        resonant(pulses(95, rng, 0.3) * 8 + noise(rng), 600, 1300, 2700, width_hz=200)
        * strokes([0.4, 1.4, 1.8], 0.1, 0.015)
    ),
    "breath": lambda rng: resonant(noise(rng), 700, 1700, 3000, width_hz=700) * swell(0.67) ** 2,
    "sniff": lambda rng: band(noise(rng), 1500, 6000) * gate((0.4, 0.7), (1.1, 1.35), (2.2, 2.6), edge_s=0.1),
    "lip smacks": lambda rng: band(noise(rng), 800, 5000) * strokes([0.3, 0.38, 1.2, 2.0, 2.07], 0.008),
    "snoring": lambda rng: (
        resonant(pulses(38, rng, 0.1), 200, 450, 1100, width_hz=150) * gate((0.2, 1.2), (1.8, 2.8), edge_s=0.3)
    ),
    # Music and signals.
    "chords": _chords,
    "arpeggio": lambda rng: _melody((262, 330, 392, 523, 392, 330), 0.15, 6, 0.2),
    "organ": lambda rng: _melody((440, 392, 349, 392), 0.6, 10, 2.0) * swell(6, 0.2),
    "bells": lambda rng: tones(523, 1237, 1976, 2890) * strokes([0.1, 1.1, 2.1], 0.5),
    "drum loop": _drums,
    "whistling": lambda rng: gliding(1200 + 600 * wander(rng, 3)) * (0.3 + wander(rng, 4)) + 0.02 * noise(rng),
    "siren": lambda rng: gliding(900 + 400 * np.sin(2 * np.pi * 0.7 * _TIME), 4),
    "squeal": lambda rng: gliding(np.full(_N, 2750.0), 3) * np.minimum(np.exp(3 * (_TIME - 1)), 1),
    # Animals.
    "barking": _bark,
    "birds": _birds,
    "crickets": lambda rng: tones(4500) * swell(30) * cadence(0.4, 0.4),
}


def main(arguments: Sequence[str]) -> None:
    """Write all sounds into the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, sound in non_speech().items():
        for level_db in LEVELS_DB:
            with wave.open(str(folder / f"{name} {level_db} dB.wav"), "wb") as file:
                file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
                file.writeframes(pcm16_bytes(at_level(sound, level_db)))


if __name__ == "__main__":
    main(sys.argv[1:])
