"""Live transcription with the official DashScope SDK, against your own server.

.venv/bin/python demo/demo_sdk.py                               microphone; a pause ends a sentence
.venv/bin/python demo/demo_sdk.py --mode manual                 microphone; Enter ends a sentence
.venv/bin/python demo/demo_sdk.py --mode manual --file a.wav    a recording, as one piece

Ctrl-C ends it; the last sentence still comes.
"""

import argparse
import base64
import shutil
import signal
import sys
import threading
import unicodedata
import wave
from collections.abc import Iterator
from typing import Any

from dashscope.audio.qwen_omni import MultiModality, OmniRealtimeCallback, OmniRealtimeConversation
from dashscope.audio.qwen_omni.omni_realtime import TranscriptionParams
from websocket import WebSocketException  # from websocket-client, which the SDK is built on

CHUNKS_PER_S = 10
MICROPHONE_RATE = 16_000
END_TIMEOUT_S = 60


class Screen(OmniRealtimeCallback):
    """Shows what the server hears. The SDK calls it from a thread of its own.

    Attributes:
        sent_ms: Length of the audio sent so far; the sender keeps it up to date.
        error: What ended the session too early, or "".
    """

    def __init__(self, stop: threading.Event) -> None:
        self.sent_ms = 0
        self.error = ""
        self._stop = stop
        self._spans: dict[str, tuple[int, int]] = {}  # where the audio of each item begins and ends, in ms
        self._committed_ms = 0

    def on_event(self, message: dict[str, Any]) -> None:
        """Take one event of the server, decoded (whatever the SDK's signature says)."""
        item = message.get("item_id", "")
        match message["type"]:
            case "input_audio_buffer.speech_started":
                self._spans[item] = (message["audio_start_ms"], 0)
            case "input_audio_buffer.speech_stopped":
                self._spans[item] = (self._spans[item][0], message["audio_end_ms"])
            case "input_audio_buffer.committed":
                # In Manual mode nobody looks for speech: an item is all audio since the last commit.
                self._spans.setdefault(item, (self._committed_ms, self.sent_ms))
                self._committed_ms = self.sent_ms
            case "conversation.item.input_audio_transcription.text":
                # `text` will not change any more, `stash` may. Both are whole: they replace what was shown before.
                show_draft(message["text"], message["stash"])
            case "conversation.item.input_audio_transcription.completed":
                self._show_final(item, message["transcript"])
            case "conversation.item.input_audio_transcription.failed":
                self._show_final(item, f"({message['error']['message']})")  # the session goes on
            case "error":
                self.error = message["error"]["message"]
                self._stop.set()

    def _show_final(self, item: str, transcript: str) -> None:
        begin_ms, end_ms = self._spans.pop(item)
        show_draft("", "")
        if transcript:  # "" was a noise without words
            print(f"[{clock(begin_ms)} – {clock(end_ms)}] {printable(transcript)}", flush=True)


def show_draft(text: str, stash: str) -> None:
    """Rewrite the live line, `stash` dim. It must not wrap: of a long draft only the newest words are shown."""
    if not sys.stdout.isatty():
        return
    text, stash = printable(text), printable(stash)
    draft, room = text + stash, shutil.get_terminal_size().columns - 1
    first = len(draft)
    while first > 0 and (room := room - (2 if unicodedata.east_asian_width(draft[first - 1]) in "WF" else 1)) >= 0:
        first -= 1
    print(f"\r\033[K{text[first:]}\033[2m{stash[max(0, first - len(text)) :]}\033[0m", end="", flush=True)


def printable(text: str) -> str:
    """`text` without characters that control a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def clock(position_ms: int) -> str:
    """A position in minutes and seconds."""
    return f"{position_ms // 60_000:02}:{position_ms % 60_000 / 1000:04.1f}"


def recording(path: str, stop: threading.Event, *, fast: bool) -> tuple[int, Iterator[bytes]]:
    """Sample rate and audio of a WAV file, a tenth of a second at a time, as fast as it was spoken unless `fast`."""
    advice = f"Convert it: ffmpeg -i {path} -ac 1 -ar 16000 -c:a pcm_s16le converted.wav"
    try:
        audio = wave.open(path)  # noqa: SIM115 - closed where it is read
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    except (wave.Error, EOFError) as error:
        sys.exit(f"{path}: not a PCM WAV file ({error}). {advice}")
    channels, bits, rate = audio.getnchannels(), audio.getsampwidth() * 8, audio.getframerate()
    if (channels, bits) != (1, 16) or rate not in (8_000, 16_000):
        sys.exit(f"{path}: {channels} channel(s), {bits} bit, {rate} Hz; it must be mono, 16 bit, 16000 Hz. {advice}")

    def chunks() -> Iterator[bytes]:
        with audio:
            while not stop.is_set() and (chunk := audio.readframes(rate // CHUNKS_PER_S)):
                yield chunk
                if not fast:
                    stop.wait(1 / CHUNKS_PER_S)

    return rate, chunks()


def microphone(stop: threading.Event) -> tuple[int, Iterator[bytes]]:
    """Sample rate and audio of the microphone, a tenth of a second at a time until `stop`."""
    advice = "Or give a recording: --file test.wav"
    try:
        import sounddevice  # noqa: PLC0415 - files do without
    except ImportError:
        sys.exit(f"The microphone needs sounddevice: uv sync --extra demo. {advice}")
    except OSError as error:
        sys.exit(f"{error}: install PortAudio (Debian, Ubuntu: sudo apt install libportaudio2). {advice}")
    try:
        stream = sounddevice.RawInputStream(samplerate=MICROPHONE_RATE, channels=1, dtype="int16")
    except sounddevice.PortAudioError as error:
        sys.exit(f"No microphone: {error}. {advice}")

    def chunks() -> Iterator[bytes]:
        with stream:
            while not stop.is_set():
                yield bytes(stream.read(MICROPHONE_RATE // CHUNKS_PER_S)[0])

    return MICROPHONE_RATE, chunks()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Live transcription with the DashScope SDK.")
    parser.add_argument("--mode", choices=["vad", "manual"], default="vad", help="who finds the ends of sentences")
    parser.add_argument("--file", help="WAV file; without it, the microphone")
    parser.add_argument("--fast", action="store_true", help="send a file at once, not as fast as it was spoken")
    parser.add_argument("--url", default="ws://localhost:8001/api-ws/v1/realtime")
    parser.add_argument("--language", help="such as zh or en; without it, the server finds out")
    parser.add_argument("--model", default="qwen3-asr-flash-realtime")
    parser.add_argument("--api-key", default="none", help="the SDK wants one, even where the server does not")
    return parser.parse_args()


def transcribe(options: argparse.Namespace, stop: threading.Event) -> str:
    """Send audio until its end or `stop`, and wait for the rest of the text. Returns what went wrong, or ""."""
    rate, chunks = recording(options.file, stop, fast=options.fast) if options.file else microphone(stop)
    screen = Screen(stop)
    conversation = OmniRealtimeConversation(options.model, screen, url=options.url, api_key=options.api_key)
    try:
        conversation.connect()
        conversation.update_session(
            output_modalities=[MultiModality.TEXT],
            enable_turn_detection=options.mode == "vad",
            turn_detection_threshold=0.0,
            turn_detection_silence_duration_ms=400,
            transcription_params=TranscriptionParams(language=options.language, sample_rate=rate),
        )
        if options.mode == "manual" and not options.file:
            threading.Thread(target=lambda: [conversation.commit() for _ in sys.stdin], daemon=True).start()
        for chunk in chunks:
            screen.sent_ms += len(chunk) * 1000 // (2 * rate)
            conversation.append_audio(base64.b64encode(chunk).decode())
        if options.mode == "manual" and options.file:
            conversation.commit()
        conversation.end_session(END_TIMEOUT_S)  # returns once all text has come
        conversation.close()
    except (TimeoutError, RuntimeError, ConnectionError, WebSocketException) as error:
        screen.error = screen.error or f"{options.url}: {error}"
    show_draft("", "")
    return screen.error


def main() -> None:
    """Transcribe until the end or Ctrl-C; a second Ctrl-C does not wait for the text."""
    stop = threading.Event()

    def interrupted(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGINT, interrupted)
    sys.exit(transcribe(arguments(), stop) or None)


if __name__ == "__main__":
    main()
