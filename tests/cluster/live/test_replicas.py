"""In order: spread, one killed, all replaced by one, stopped."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil
import pybase64
from tests.cluster.live.cluster import Cluster

from harness import english_clips, silence, transcribe
from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.load.error_rate import word_errors
from qwen3_asr_realtime.samples import SAMPLE_RATE

SESSIONS = 6
FRAME_SAMPLES = SAMPLE_RATE // 10
OPEN_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
FLOOD_MIB = 100
FLOOD_TIMEOUT_S = 120.0
MOST_ERRORS = 0.35
"""Share of wrong words; the small model of this engine makes some, and a text of somebody else would be all wrong."""

CLIP = next(clip for clip in english_clips() if clip.name == "libri_0870.wav")
SPEECH = np.concatenate([CLIP.samples, silence(1.0)])


async def speak(cluster: Cluster) -> str:
    """What comes back for a sentence of seven seconds, spoken in real time.

    Raises:
        ClientError: The session was broken off.
    """
    return (await transcribe(cluster.server, SPEECH, TranscribeOptions(language="en"))).text


@dataclass
class Talk:
    """What a session was told.

    Attributes:
        texts: The finals.
        finished: Whether it ended as the client asked, and not because the server closed it in good order.
    """

    texts: list[str] = field(default_factory=list)
    finished: bool = False


async def talk_on(cluster: Cluster, enough: asyncio.Event) -> Talk:
    """Say one sentence after the other, in real time, until it is enough.

    Raises:
        ClientError: The session was broken off.
    """
    talk = Talk()
    async with RealtimeClient(cluster.server.url) as client:

        async def send() -> None:
            with suppress(ClientError):  # whoever reads will be told, too
                said = False
                while not said or not enough.is_set():
                    said = True
                    for start in range(0, len(SPEECH), FRAME_SAMPLES):
                        audio = pybase64.b64encode(pcm16_bytes(SPEECH[start : start + FRAME_SAMPLES])).decode()
                        await client.send("input_audio_buffer.append", audio=audio)
                        await asyncio.sleep(FRAME_SAMPLES / SAMPLE_RATE)
                await client.send("session.finish")

        sending = asyncio.create_task(send())
        async for event in client:
            if event["type"].endswith("input_audio_transcription.completed"):
                talk.texts.append(event["transcript"])
            elif event["type"] == "session.finished":
                talk.finished = True
                break
        await sending
    return talk


def is_right(text: str) -> bool:
    rate = word_errors(CLIP.transcript, text).rate
    return rate is not None and rate <= MOST_ERRORS


async def all_open(cluster: Cluster, count: int) -> dict[int, int]:
    """Sessions on each replica, once there are so many."""
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        while sum((sessions := await asyncio.to_thread(cluster.sessions)).values()) != count:  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.1)
    return sessions


async def heard_mib(cluster: Cluster) -> float:
    """Audio that all replicas together have listened to so far, as base64."""
    async with httpx.AsyncClient(trust_env=False) as client:
        lines = (await client.get(f"{cluster.server.http_url}/metrics")).text.splitlines()
    heard_s = sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("qwen3_asr_audio_seconds_total"))
    return heard_s * SAMPLE_RATE * 2 * 4 / 3 / 2**20


async def test_sessions_spread_over_the_replicas(cluster: Cluster) -> None:
    talks = [asyncio.create_task(speak(cluster)) for _ in range(SESSIONS)]

    assert sorted((await all_open(cluster, SESSIONS)).values()) == [SESSIONS // 2, SESSIONS // 2]
    assert [text for text in await asyncio.gather(*talks) if not is_right(text)] == []


async def test_a_scrape_has_the_measures_of_all_replicas(cluster: Cluster) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{cluster.server.http_url}/metrics")

    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if line.startswith("qwen3_asr_replica_up{")]
    assert [line.rpartition(" ")[2] for line in lines] == ["1.0", "1.0"]
    assert len(set(lines)) == 2


async def test_a_client_that_sends_too_fast_is_held_back(cluster: Cluster) -> None:
    audio = "A" * 2**20
    async with RealtimeClient(cluster.server.url) as client:
        await client.send("session.update", session={"turn_detection": None})

        taken = 0

        async def flood() -> None:
            nonlocal taken
            for _ in range(FLOOD_MIB):
                await client.send("input_audio_buffer.append", audio=audio)
                taken += 1

        flooding = asyncio.create_task(flood())
        began_mib, most_mib = await heard_mib(cluster), 0.0
        async with asyncio.timeout(FLOOD_TIMEOUT_S):
            while not flooding.done():
                sent_mib = taken
                most_mib = max(most_mib, sent_mib - (await heard_mib(cluster) - began_mib))
        assert 0 < most_mib < FLOOD_MIB / 2  # what sockets and limits hold
    await all_open(cluster, 0)


async def test_a_replica_that_is_killed_takes_only_its_sessions_with_it(cluster: Cluster) -> None:
    talks = [asyncio.create_task(speak(cluster)) for _ in range(SESSIONS)]
    victim, lost = max((await all_open(cluster, SESSIONS)).items(), key=lambda replica: replica[1])
    await asyncio.sleep(2)  # in mid-speech

    os.kill(victim, signal.SIGKILL)
    killed_s = time.monotonic()
    while sum(talk.done() for talk in talks) < lost:
        assert time.monotonic() - killed_s < CLOSE_TIMEOUT_S, "its sessions hang"
        await asyncio.sleep(0.05)
    newcomers = await asyncio.gather(*(speak(cluster) for _ in range(2)))
    results = await asyncio.gather(*talks, return_exceptions=True)

    broken = [result for result in results if isinstance(result, BaseException)]
    assert [type(result) for result in broken] == [ClientError] * lost
    assert [result for result in results if isinstance(result, str) and not is_right(result)] == []
    assert [text for text in newcomers if not is_right(text)] == []
    await asyncio.to_thread(cluster.wait_for_replicas, 2)
    assert victim not in cluster.replicas()


async def test_the_new_replica_gets_sessions(cluster: Cluster) -> None:
    talks = [asyncio.create_task(speak(cluster)) for _ in range(SESSIONS)]

    assert sorted((await all_open(cluster, SESSIONS)).values()) == [SESSIONS // 2, SESSIONS // 2]
    assert [text for text in await asyncio.gather(*talks) if not is_right(text)] == []


async def test_replicas_that_are_taken_away_let_everybody_finish_the_sentence(cluster: Cluster) -> None:
    enough = asyncio.Event()
    old = cluster.replicas().keys()
    talks = [asyncio.create_task(talk_on(cluster, enough)) for _ in range(SESSIONS)]
    await all_open(cluster, SESSIONS)
    await asyncio.sleep(2)  # in mid-speech

    await asyncio.to_thread(cluster.redeploy, 1)
    enough.set()
    results = await asyncio.gather(*talks, talk_on(cluster, enough))

    assert [result.finished for result in results] == [False] * SESSIONS + [True]
    assert [result for result in results if not result.texts] == []
    assert [text for result in results for text in result.texts if not is_right(text)] == []
    await asyncio.to_thread(cluster.wait_for_replicas, 1)
    assert not old & cluster.replicas().keys()


def test_it_ends_with_all_its_processes(cluster: Cluster) -> None:
    processes = cluster.processes()

    os.kill(cluster.server.pid, signal.SIGTERM)

    _, alive = psutil.wait_procs(processes, timeout=60)
    assert [process.name() for process in alive] == []
