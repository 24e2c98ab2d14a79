from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.files import pcm16_bytes, read_samples
from qwen3_asr_realtime.audio.pcm import samples_from_pcm16
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples


def write(path: Path, codec: str, channels: list[Samples], *, rate: int = SAMPLE_RATE, picture: bool = False) -> Path:
    """Encode a track of one or two channels (none: no track) and, if asked, a black picture as video."""
    with av.open(str(path), "w") as container:
        packets = []
        if picture:
            video = container.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            packets += [video.encode(av.VideoFrame(64, 64, "yuv420p")), video.encode(None)]
        if channels:
            layout = ["mono", "stereo"][len(channels) - 1]
            audio = container.add_stream(codec, rate=rate, layout=layout)
            interleaved = np.stack(channels, axis=1).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray((interleaved * 32767).astype(np.int16), format="s16", layout=layout)
            frame.sample_rate = rate
            packets += [audio.encode(frame), audio.encode(None)]
        for packet in packets:
            container.mux(packet)
    return path


def similarity(left: Samples, right: Samples) -> float:
    size = min(len(left), len(right))
    return float(np.corrcoef(left[:size], right[:size])[0, 1])


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac")])
def test_lossless_files_are_read_exactly(tmp_path: Path, speech: Samples, name: str, codec: str) -> None:
    samples = read_samples(write(tmp_path / name, codec, [speech]))
    assert samples.dtype == np.float32
    assert pcm16_bytes(samples) == (speech * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.opus", "libopus")])
def test_lossy_files_are_read_in_place(tmp_path: Path, speech: Samples, name: str, codec: str) -> None:
    samples = read_samples(write(tmp_path / name, codec, [speech]))
    assert abs(len(samples) - len(speech)) < SAMPLE_RATE // 10
    assert similarity(samples, speech) > 0.98


def test_audio_is_taken_out_of_a_video(tmp_path: Path, speech: Samples) -> None:
    samples = read_samples(write(tmp_path / "a.mov", "pcm_s16le", [speech], picture=True))
    assert pcm16_bytes(samples) == (speech * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [8000, 44100])
def test_files_are_resampled(tmp_path: Path, speech: Samples, rate: int) -> None:
    path = write(tmp_path / "a.wav", "pcm_s16le", [speech])
    back = read_samples(write(tmp_path / "b.wav", "pcm_s16le", [read_samples(path, rate)], rate=rate))
    assert len(back) == pytest.approx(len(speech), abs=50)
    assert similarity(back, speech) > 0.98


def test_stereo_is_averaged(tmp_path: Path, speech: Samples) -> None:
    loud = speech / np.abs(speech).max()
    both = read_samples(write(tmp_path / "both.wav", "pcm_s16le", [loud, loud]))
    left = read_samples(write(tmp_path / "left.wav", "pcm_s16le", [loud, np.zeros_like(loud)]))
    assert np.abs(both - loud).max() < 2e-4
    assert np.abs(left - loud / 2).max() < 2e-4


def test_name_with_a_colon_is_no_address(tmp_path: Path, speech: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.wav", "pcm_s16le", [speech]).rename(tmp_path / "http:a.wav")
    monkeypatch.chdir(tmp_path)
    assert len(read_samples("http:a.wav")) == len(speech)


def test_playlists_open_no_other_file(tmp_path: Path, speech: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.wav", "pcm_s16le", [speech])
    (tmp_path / "list.txt").write_text("ffconcat version 1.0\nfile a.wav\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AudioError):
        read_samples("list.txt")


def test_unusable_files_are_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "notes.txt").write_text("no audio in here\n" * 100)
    (tmp_path / "folder.wav").mkdir()
    for name, reason in [
        ("missing.wav", "cannot be read: No such file or directory"),
        ("folder.wav", "cannot be read: Is a directory"),
        ("empty.wav", "cannot be decoded as audio"),
        ("notes.txt", "(cannot be decoded as audio|has no audio track)"),
    ]:
        with pytest.raises(AudioError, match=f"{name} {reason}"):
            read_samples(tmp_path / name)


def test_video_without_sound_has_no_audio_track(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="has no audio track"):
        read_samples(write(tmp_path / "silent.mov", "", [], picture=True))


@given(st.binary().filter(lambda pcm: len(pcm) % 2 == 0))
def test_pcm_bytes_are_the_inverse_of_decoding(pcm: bytes) -> None:
    assert pcm16_bytes(samples_from_pcm16(pcm)) == pcm


def test_pcm_bytes_round_and_clip() -> None:
    samples = np.array([2.0, 1.0, 0.6 / 32768, -0.6 / 32768, -1.0, -2.0], np.float32)
    assert np.frombuffer(pcm16_bytes(samples), "<i2").tolist() == [32767, 32767, 1, -1, -32768, -32768]
