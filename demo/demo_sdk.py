"""Live transcription with the official DashScope SDK, against your own server or the cloud.

uv run python demo/demo_sdk.py                                  microphone; a pause ends a sentence
uv run python demo/demo_sdk.py --mode manual                    microphone; Enter ends a sentence
uv run python demo/demo_sdk.py --mode manual --file test.wav    a recording as one piece

Ctrl-C ends it; the last sentence still comes.
"""

import argparse
import base64
import os
import queue
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
from websocket import WebSocketException  # of websocket-client, which the SDK is built on

CHUNKS_PER_S = 10
MICROPHONE_RATE = 16_000
END_TIMEOUT_S = 60


class Screen(OmniRealtimeCallback):
    """Shows what the server hears. The SDK calls it from a thread of its own.

    Attributes:
        sent_ms: Length of the audio sent so far; kept up to date by the sender.
        error: What went wrong, or "".
    """

    def __init__(self, stop: threading.Event) -> None:
        self.sent_ms = 0
        self.error = ""
        self._stop = stop
        self._spans: dict[str, tuple[int, int]] = {}  # of each item: where its audio begins and ends, in ms
        self._committed_ms = 0

    def on_event(self, message: dict[str, Any]) -> None:  # type: ignore[override]  # the SDK says str and hands a dict
        """Take one event of the server."""
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
                show_draft(printable(message["text"]), printable(message["stash"]))
            case "conversation.item.input_audio_transcription.completed":
                begin_ms, end_ms = self._spans.pop(item)
                show_draft("", "")
                if message["transcript"]:  # "" is a noise without words
                    print(f"[{clock(begin_ms)} – {clock(end_ms)}] {printable(message['transcript'])}", flush=True)
            case "conversation.item.input_audio_transcription.failed" | "error":
                self._end(message["error"]["message"])

    def on_close(self, close_status_code: int | None, close_msg: str | None) -> None:
        """The connection is closed: with a code by the server, without one by us."""
        if close_status_code is not None:
            self._end(f"the server closed the connection: {close_status_code} {close_msg}")

    def _end(self, error: str) -> None:
        self.error = self.error or error  # the first one is the cause
        self._stop.set()


def show_draft(text: str, stash: str) -> None:
    """Rewrite the live line: `text` as it is, `stash` dim. Only the end of what is too long for one line."""
    if not sys.stdout.isatty():
        return
    line, room = text + stash, shutil.get_terminal_size().columns - 1
    first = len(line)
    while first > 0 and (room := room - (2 if unicodedata.east_asian_width(line[first - 1]) in "WF" else 1)) >= 0:
        first -= 1
    print(f"\r\033[K{text[first:]}\033[2m{stash[max(0, first - len(text)) :]}\033[0m", end="", flush=True)


def printable(text: str) -> str:
    """`text` without characters that control a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def clock(position_ms: int) -> str:
    """A position as minutes and seconds."""
    return f"{position_ms // 60_000:02}:{position_ms % 60_000 / 1000:04.1f}"


def recording(path: str, stop: threading.Event, *, fast: bool) -> tuple[int, Iterator[bytes]]:
    """Sample rate of a WAV file and its audio, a tenth of a second at a time and as fast as it was spoken."""
    convert = f"Convert it: ffmpeg -i {path} -ac 1 -ar 16000 -c:a pcm_s16le converted.wav"
    try:
        audio = wave.open(path)  # noqa: SIM115 - closed by the iterator
    except FileNotFoundError:
        sys.exit(f"{path}: no such file")
    except (wave.Error, EOFError) as error:
        sys.exit(f"{path}: not a PCM WAV file ({error}). {convert}")
    rate = audio.getframerate()
    if (audio.getnchannels(), audio.getsampwidth()) != (1, 2) or rate not in (8_000, 16_000):
        sys.exit(
            f"{path}: {audio.getnchannels()} channel(s), {audio.getsampwidth() * 8} bit, {rate} Hz; "
            f"the service takes one channel, 16 bit, 8000 or 16000 Hz. {convert}"
        )

    def chunks() -> Iterator[bytes]:
        with audio:
            while not stop.is_set() and (chunk := audio.readframes(rate // CHUNKS_PER_S)):
                yield chunk
                if not fast:
                    stop.wait(1 / CHUNKS_PER_S)

    return rate, chunks()


def microphone(stop: threading.Event) -> tuple[int, Iterator[bytes]]:
    """Sample rate of the microphone and its audio, a tenth of a second at a time until `stop`."""
    try:
        import sounddevice  # noqa: PLC0415 - not needed for files
    except ImportError:
        sys.exit("The microphone needs sounddevice: uv sync --extra demo. Or give a recording with --file.")
    except OSError as error:
        sys.exit(f"{error}: sudo apt install libportaudio2 (or your system's package). Or give a recording with --file.")
    blocks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    try:
        stream = sounddevice.RawInputStream(
            samplerate=MICROPHONE_RATE,
            blocksize=MICROPHONE_RATE // CHUNKS_PER_S,
            channels=1,
            dtype="int16",
            callback=lambda block, *_: blocks.put(bytes(block)),
        )
    except sounddevice.PortAudioError as error:
        sys.exit(f"No microphone ({error}). Give a recording with --file.")

    def chunks() -> Iterator[bytes]:
        with stream:
            while not stop.is_set():
                yield blocks.get()

    return MICROPHONE_RATE, chunks()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Live transcription with the DashScope SDK.")
    parser.add_argument("--mode", choices=["vad", "manual"], default="vad", help="who finds the end of a sentence")
    parser.add_argument("--file", help="WAV file; without it, the microphone")
    parser.add_argument("--fast", action="store_true", help="send a file at once instead of as fast as it was spoken")
    parser.add_argument("--url", default="ws://localhost:8001/api-ws/v1/realtime")
    parser.add_argument("--language", help="code such as zh or en; without it, found out from the speech")
    parser.add_argument("--model", default="qwen3-asr-flash-realtime")
    # A server of your own asks for no key unless told to, but the SDK wants one.
    parser.add_argument("--api-key", default=os.environ.get("DASHSCOPE_API_KEY", "none"), help="$DASHSCOPE_API_KEY")
    return parser.parse_args()


def main() -> None:
    """Send audio until it ends or Ctrl-C, then wait for the last text."""
    options = arguments()
    stop = threading.Event()

    def interrupted(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the next Ctrl-C is for those who cannot wait

    signal.signal(signal.SIGINT, interrupted)
    rate, chunks = recording(options.file, stop, fast=options.fast) if options.file else microphone(stop)
    screen = Screen(stop)
    conversation = OmniRealtimeConversation(
        model=options.model, url=options.url, api_key=options.api_key, callback=screen
    )
    try:
        conversation.connect()
        conversation.update_session(
            output_modalities=[MultiModality.TEXT],
            enable_turn_detection=options.mode == "vad",
            turn_detection_threshold=0.0,
            turn_detection_silence_duration_ms=400,
            transcription_params=TranscriptionParams(language=options.language, sample_rate=rate),
        )
        if not options.file:
            print("Speak. Ctrl-C ends.", file=sys.stderr)
            if options.mode == "manual":
                threading.Thread(target=lambda: [conversation.commit() for _ in sys.stdin], daemon=True).start()
        for chunk in chunks:
            conversation.append_audio(base64.b64encode(chunk).decode())
            screen.sent_ms += len(chunk) * 1000 // (2 * rate)
        if options.mode == "manual" and options.file:
            conversation.commit()
        conversation.end_session(END_TIMEOUT_S)  # returns when the text of all audio has come
        conversation.close()
    except (TimeoutError, RuntimeError, ConnectionError, WebSocketException) as error:
        screen.error = screen.error or f"{options.url}: {error}"
    if screen.error:
        sys.exit(f"\n{screen.error}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
