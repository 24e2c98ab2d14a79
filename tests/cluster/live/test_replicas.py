"""In order: spread, one killed, one taken away, all stopped."""

import asyncio
import os
import signal
import time

import httpx
import numpy as np
import psutil
import pytest
from tests.cluster.live.cluster import Cluster

from harness import english_clips, silence, transcribe
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.load.error_rate import word_errors

SESSIONS = 6
CLOSE_TIMEOUT_S = 5.0
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


def is_right(text: str) -> bool:
    rate = word_errors(CLIP.transcript, text).rate
    return rate is not None and rate <= MOST_ERRORS


async def all_open(cluster: Cluster, count: int) -> dict[int, int]:
    """Sessions on each replica, once there are so many."""
    async with asyncio.timeout(CLOSE_TIMEOUT_S):
        while sum((sessions := await asyncio.to_thread(cluster.sessions)).values()) != count:
            await asyncio.sleep(0.1)
    return sessions


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
        with pytest.raises(TimeoutError):  # 100 MB, of which sockets and limits hold a part
            async with asyncio.timeout(2):
                for _ in range(100):
                    await client.send("input_audio_buffer.append", audio=audio)


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


async def test_a_replica_that_is_taken_away_lets_its_sessions_finish(cluster: Cluster) -> None:
    talks = [asyncio.create_task(speak(cluster)) for _ in range(SESSIONS)]
    await all_open(cluster, SESSIONS)

    await asyncio.to_thread(cluster.resize, 1)

    assert [text for text in await asyncio.gather(*talks) if not is_right(text)] == []
    await asyncio.to_thread(cluster.wait_for_replicas, 1)


def test_it_ends_with_all_its_processes(cluster: Cluster) -> None:
    processes = cluster.processes()

    os.kill(cluster.server.pid, signal.SIGTERM)

    _, alive = psutil.wait_procs(processes, timeout=60)
    assert [process.name() for process in alive] == []
