"""Garbage on the wire: does anything escape, does memory grow?

    python benchmarks/fuzz.py [--frames 100000] [--seed 1]

Sends frames that are random, truncated, deeply nested, huge in their numbers or wrong in their types, among them valid
ones with a little audio, to a server with the scripted engine; sometimes binary, sometimes bytes that are no UTF-8, no
WebSocket frame or half of one, sometimes leaving without a word. A connection that the server ends is replaced.
Printed: frames, connections, close codes, answers by type, and the server's memory after the first tenth and at the
end.

Exits with 1 if the server logs an exception, answers with a `server_error`, closes with 1011, or grows by 10 MiB.
"""

import argparse
import asyncio
import base64
import json
import random
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from harness import HANDSHAKE, print_table, used
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

GROWTH_LIMIT_MIB = 10.0
CONNECTIONS = 4
BATCH = 50
MARKER = "marker"

TYPES = [
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "session.finish",
    "response.create",
    "conversation.item.create",
    "nonsense",
]
FIELDS = [
    "type",
    "event_id",
    "audio",
    "session",
    "turn_detection",
    "threshold",
    "silence_duration_ms",
    "prefix_padding_ms",
    "sample_rate",
    "input_audio_format",
    "input_audio_transcription",
    "language",
    "corpus",
    "text",
    "modalities",
]


VALUES: list[object] = [
    *(None, True, False),
    *(0, -1, 16000, 8000, 44100, 10**30, -(10**400), 2**63),
    *(0.5, -1.0, 1e308, 5e-324, 16000.0),
    *("pcm", "wav", "opus", "zh", "server_vad", "", "0", "x" * 300),
]
CHARACTERS = [*map(chr, range(32, 127)), "\0", "\u4f60", "\u0e01", "\U0001f600"]
FRAME_STARTS = [b"\x81\xfe\xff\xff", b"\x81\x85....\xff\xfe\xfd\xfc\xfb", b"\xf1\x80", b"\x81\xff", b""]


class Fuzzer:
    """Makes frames. The same seed makes the same frames.

    Attributes:
        made: How many of each kind.
    """

    def __init__(self, seed: int) -> None:
        self.made: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._kinds: list[Callable[[], str | bytes]] = [
            self._event,
            self._event,
            self._event,
            self._audio,
            self._audio,
            self._truncated,
            self._noise,
            self._nested,
            self._binary,
        ]

    def frame(self) -> str | bytes:
        """The next frame; bytes are meant to be sent as a binary one."""
        kind = self._random.choice(self._kinds)
        self.made[kind.__name__.strip("_")] += 1
        return kind()

    def garbage(self, start: bytes) -> bytes:
        """Bytes for a raw socket behind a handshake: bad opcodes, bad lengths, bad UTF-8, half a frame."""
        self.made["garbage"] += 1
        return start + self._random.randbytes(self._random.randrange(64))

    def chance(self, probability: float) -> bool:
        """True so often."""
        return self._random.random() < probability

    def _value(self, depth: int = 0) -> object:
        if depth < 3 and self.chance(0.2):
            return {self._random.choice(FIELDS): self._value(depth + 1) for _ in range(self._random.randrange(5))}
        if depth < 3 and self.chance(0.1):
            return [self._value(depth + 1) for _ in range(self._random.randrange(4))]
        return self._random.choice(VALUES) if self.chance(0.6) else self._text()

    def _text(self) -> str:
        return "".join(self._random.choice(CHARACTERS) for _ in range(8))

    def _event(self) -> str:
        event = {self._random.choice(FIELDS): self._value() for _ in range(self._random.randrange(4))}
        event["type"] = self._random.choice(TYPES) if self.chance(0.9) else self._value()
        if event["type"] == "session.finish" and self.chance(0.9):
            event["type"] = "session.update"
        return json.dumps(event)

    def _audio(self) -> str:
        audio = self._random.randbytes(self._random.randrange(3200))
        text = base64.b64encode(audio).decode()
        if self.chance(0.1):
            text = text[: self._random.randrange(len(text) + 1)] + self._random.choice(["", "=", "!", "\n", "=="])
        return json.dumps({"type": "input_audio_buffer.append", "audio": text})

    def _truncated(self) -> str:
        event = self._event()
        return event[: self._random.randrange(len(event))]

    def _noise(self) -> str:
        return self._text() * self._random.randrange(4)

    def _nested(self) -> str:
        return self._random.choice(["[", '{"session":']) * self._random.choice([10, 1000, 20_000])

    def _binary(self) -> bytes:
        return self._random.randbytes(self._random.randrange(100))


class Tally:
    """What came back."""

    def __init__(self) -> None:
        self.sent = 0
        self.connections = 0
        self.answers: Counter[str] = Counter()
        self.closes: Counter[int | None] = Counter()
        self._markers: dict[object, asyncio.Event] = {}

    def marker_seen(self, reading: object) -> None:
        """The server has answered a marker, and so worked on everything before it."""
        self._markers.setdefault(reading, asyncio.Event()).set()

    async def caught_up(self, reading: asyncio.Task[None]) -> None:
        """Wait until a marker is answered or the connection has ended, so that no frame is sent in vain."""
        seen = self._markers.setdefault(reading, asyncio.Event())
        waiting = asyncio.create_task(seen.wait(), name="marker")
        await asyncio.wait([waiting, reading], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        seen.clear()


async def attack(server: LocalServer, fuzzer: Fuzzer, frames: int, tally: Tally) -> None:
    """Send so many frames over as many connections as it takes."""
    left = frames
    while left > 0:
        tally.connections += 1
        for start in FRAME_STARTS:
            await asyncio.to_thread(throw_bytes, server, fuzzer.garbage(start))
        try:
            async with connect(server.url, max_size=None, ping_interval=None) as connection:
                reading = asyncio.create_task(read(connection, tally), name="read")
                try:
                    for _ in range(left):
                        left -= 1
                        tally.sent += 1
                        await connection.send(fuzzer.frame())
                        if left % BATCH == 0:
                            await connection.send(json.dumps({"type": MARKER}))
                            await tally.caught_up(reading)
                        if fuzzer.chance(0.001):
                            connection.transport.abort()
                            break
                finally:
                    await connection.close()
                    await reading
        except (ConnectionClosed, InvalidHandshake):
            continue


async def read(connection: ClientConnection, tally: Tally) -> None:
    """Count the answers until the connection ends."""
    try:
        async for message in connection:
            event = json.loads(message)
            kind = f"{event['type']}: {event['error']['type']}" if event["type"] == "error" else event["type"]
            tally.answers[kind] += 1
            if MARKER in message:
                tally.marker_seen(asyncio.current_task())
    except ConnectionClosed:
        pass
    tally.closes[connection.close_code] += 1


def throw_bytes(server: LocalServer, garbage: bytes) -> None:
    """Shake hands by hand, then send what is no WebSocket frame, and hang up."""
    host, port = server.http_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(HANDSHAKE + garbage)
        with suppress(ConnectionError):
            raw.recv(1024)


def logged_errors(log_path: Path) -> list[str]:
    """Lines of the server's log that tell of an exception or an error."""
    lines = [line for line in log_path.read_text().splitlines() if line]
    return [line for line in lines if not line.startswith("{") or json.loads(line)["level"] in ("error", "critical")]


async def fuzz(frames: int, seed: int) -> tuple[bool, Counter[str]]:
    """Run the whole attack and print what happened.

    Returns:
        Whether nothing escaped, and how much of each kind of garbage was thrown.
    """
    made: Counter[str] = Counter()
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        log_path = Path(folder, "log")
        env = {"ASR_ENGINE": "scripted", "FINISH_GRACE_SEC": "0.1", "LOG_FORMAT": "json"}
        with local_server(env=env, log_path=log_path) as server:
            memory_mib = []
            for part, share in enumerate((0.1, 0.9)):
                fuzzers = [Fuzzer(seed * 100 + part * 10 + n) for n in range(CONNECTIONS)]
                each = int(frames * share / CONNECTIONS)
                await asyncio.gather(*(attack(server, fuzzer, each, tally) for fuzzer in fuzzers))
                made += sum((fuzzer.made for fuzzer in fuzzers), Counter())
                memory_mib.append(used(server).rss_mib)
        errors = logged_errors(log_path)
    growth_mib = memory_mib[1] - memory_mib[0]
    print_table(
        ["fuzz", "measured"],
        [
            ["frames sent", tally.sent],
            ["thrown", ", ".join(f"{kind}: {n}" for kind, n in made.most_common())],
            ["connections", tally.connections],
            ["close codes", ", ".join(f"{code}: {n}" for code, n in tally.closes.most_common())],
            ["answers", ", ".join(f"{kind}: {n}" for kind, n in tally.answers.most_common())],
            ["exceptions in the server's log", len(errors)],
            ["memory after a tenth, at the end", f"{memory_mib[0]:.0f} MiB, {memory_mib[1]:.0f} MiB"],
        ],
    )
    for error in errors[:5]:
        print(error[:2000])
    survived = not errors and 1011 not in tally.closes and "error: server_error" not in tally.answers
    return survived and growth_mib < GROWTH_LIMIT_MIB, made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="garbage on the wire")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    survived, _ = asyncio.run(fuzz(arguments.frames, arguments.seed))
    sys.exit(0 if survived else 1)
