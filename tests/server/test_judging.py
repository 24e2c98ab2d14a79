"""Detection in one thread for all connections. Where a call of the model has to last, it lasts until it is let go."""

import asyncio
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from tests.server.harness import eventually, running_server

from qwen3_asr_realtime.audio.files import read_samples
from qwen3_asr_realtime.samples import Samples
from qwen3_asr_realtime.server.connection import SLICE_BYTES
from qwen3_asr_realtime.server.judging import DetectionError, FrameJudge
from qwen3_asr_realtime.vad.detector import SpeechAudio, SpeechDetector
from qwen3_asr_realtime.vad.endpointing import EndpointingParameters
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, FRAMES_MAX, Frames, SileroModel, SileroState

SPEECH = Path(__file__).parents[1] / "speech"


def frames_of(count: int) -> Frames:
    return Frames(np.zeros(CONTEXT_SAMPLES + count * FRAME_SAMPLES, np.float32), SileroState())


class HeldModel(SileroModel):
    """Hears silence; its calls last while it is held, and fail if it is told so or if a frame is beyond all bounds."""

    def __init__(self) -> None:
        self.going = Event()
        self.going.set()
        self.called = Event()

    def probabilities(self, windows, lengths, states):
        self.called.set()
        assert self.going.wait(10)
        if (np.abs(windows) > 1).any():
            raise ArithmeticError("out of bounds")
        return np.zeros(len(windows), np.float32), states

    def hold(self) -> None:
        self.called.clear()
        self.going.clear()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldModel:
    """Takes the place of the model in servers that are started."""
    model = HeldModel()
    monkeypatch.setattr(SileroModel, "load", lambda: model)
    return model


# Between connections and the thread.


async def test_sessions_that_share_calls_hear_what_each_hears_alone() -> None:
    names = ("cmd_goforward.wav", "libri_0870.wav", "libri_0880.wav", "libri_0890.wav", "BAC009S0764W0121.wav")
    clips = [np.concatenate((read_samples(SPEECH / name), np.zeros(16_000, np.float32))) for name in names]
    model = SileroModel.load()

    def described(events: list[object]) -> list[object]:
        return [(e.first_sample, e.voice_s, e.samples.tobytes()) if isinstance(e, SpeechAudio) else e
                for e in events]  # fmt: skip

    def alone(clip: Samples, size: int) -> list[object]:
        detector = SpeechDetector(EndpointingParameters())
        events: list[object] = []
        for begin in range(0, len(clip), size):
            if (frames := detector.take(clip[begin : begin + size])) is not None:
                while frames.left:
                    model.judge([frames])
                events += detector.conclude(frames)
        return events + detector.flush()

    with FrameJudge(model) as judge:

        async def together(clip: Samples, size: int) -> list[object]:
            detector = SpeechDetector(EndpointingParameters())
            events: list[object] = []
            for begin in range(0, len(clip), size):
                if (frames := detector.take(clip[begin : begin + size])) is not None:
                    await judge.judge(frames)
                    events += detector.conclude(frames)
            return events + detector.flush()

        sizes = (1600, 320, 16_384, 700, 5000)
        heard = await asyncio.gather(*map(together, clips, sizes))
    for events, clip, size in zip(heard, clips, sizes, strict=True):
        assert len(events) > 2
        assert described(events) == described(alone(clip, size))


async def test_the_loop_is_free_while_frames_are_judged() -> None:
    model = HeldModel()
    with FrameJudge(model) as judge:
        model.hold()
        frames = frames_of(3)
        judging = asyncio.create_task(judge.judge(frames))
        await eventually(model.called.is_set)  # runs on the loop
        assert not judging.done()
        model.going.set()
        await judging
        assert not frames.left


@pytest.mark.parametrize("frames", [FRAMES_MAX, FRAMES_MAX + 1], ids=["in its last call", "with calls to come"])
async def test_one_who_goes_leaves_nothing_behind_and_the_others_get_theirs(frames: int) -> None:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
    model = HeldModel()
    with FrameJudge(model) as judge:
        model.hold()
        goes, stays = frames_of(frames), frames_of(2)
        going, staying = asyncio.create_task(judge.judge(goes)), asyncio.create_task(judge.judge(stays))
        await eventually(model.called.is_set)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        model.going.set()
        await staying
        assert not stays.left
        assert len(goes.probabilities) == FRAMES_MAX
        assert not judge._waiting
        assert not problems


async def test_a_failed_call_fails_those_in_it_and_later_ones_work() -> None:
    model = HeldModel()
    with FrameJudge(model) as judge:
        bad = frames_of(1)
        bad.stream[:] = 2
        with pytest.raises(DetectionError) as caught:
            await judge.judge(bad)
        assert isinstance(caught.value.__cause__, ArithmeticError)
        await judge.judge(frames_of(2))
        assert not judge._waiting


# In a running server.


async def test_the_socket_is_read_while_the_model_is_at_work(held: HeldModel) -> None:
    async with running_server() as server, server.session() as client:
        held.hold()
        await client.append(bytes(3200))
        await eventually(held.called.is_set)
        for _ in range(200):
            await client.append(bytes(32_000))
        async with asyncio.timeout(10):
            await (await client.socket.ping())  # answered behind the 9 MB before it
        held.going.set()
        assert (await client.finish())[-1]["type"] == "session.finished"


async def test_a_long_append_at_8_khz_is_heard_to_its_end(go_forward: bytes) -> None:
    narrow = np.frombuffer(go_forward, "<i2")[::2].tobytes()
    assert len(narrow) > SLICE_BYTES
    async with running_server() as server:
        finals = []
        for size in (1600, len(narrow)):
            async with server.session(sample_rate=8000) as client:
                for begin in range(0, len(narrow), size):
                    await client.append(narrow[begin : begin + size])
                finals.append((await client.finish())[-1]["transcript"])
    assert finals[0] == finals[1] != ""


async def test_a_client_that_goes_while_its_frames_are_judged(held: HeldModel) -> None:
    async with running_server() as server, server.session() as stays:
        held.hold()
        async with server.session() as goes:
            await goes.append(bytes(320_000))
            await eventually(held.called.is_set)
            goes.socket.transport.abort()
        await eventually(lambda: len(server.service.connections) == 1)
        assert not server.service.judge._waiting
        held.going.set()
        await stays.append(bytes(32_000))
        assert (await stays.finish())[-1]["type"] == "session.finished"


async def test_a_call_that_fails_ends_the_session_that_was_in_it(held: HeldModel) -> None:
    async with running_server() as server, server.session() as other, server.session() as client:
        held.probabilities = lambda windows, states: 1 / 0  # type: ignore[method-assign]
        await client.append(bytes(3200))
        event = await client.receive()
        assert (event["type"], event["error"]["code"]) == ("error", "server_error")
        assert (await client.closed())[0] == 1011
        del held.probabilities
        await other.append(bytes(3200))
        assert (await other.finish())[-1]["type"] == "session.finished"
