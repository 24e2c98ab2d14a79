"""A server for a long time: does memory grow, do finals come later?

    python benchmarks/soak.py [--minutes 20] [--sessions 16] [--engine embedded]

Sessions in client processes of their own speak at the pace of people until the end. Printed: the server's memory every
30 s; its slope after a tenth of the time (two minutes at least), by least squares; how long after the end of speech
finals came in each quarter of the time, the silence that ends a turn included; what was lost.

Exits with 1 if memory grows by 1 MiB in 10 minutes, the last quarter's p95 is above 1.1 times the first's, anything is
lost, or a session fails. In less than 20 minutes neither slope nor p95 say much.
"""

import argparse
import asyncio
import sys
import time

import numpy as np

from harness import fleet, print_table, used
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.load.figures import Spread, Stage
from qwen3_asr_realtime.load.measuring import measure

SLOPE_LIMIT_MIB, LATENCY_LIMIT = 1.0, 1.1
LOOK_EVERY_S = 30.0
WARM_UP_S = 120.0
QUARTERS = 4


async def look(server: LocalServer, looks: list[tuple[float, float]]) -> None:
    """Note and print the server's memory now and then, with the seconds since the start."""
    began_s = time.monotonic()
    for number in range(1_000_000):
        await asyncio.sleep(max(0.0, began_s + number * LOOK_EVERY_S - time.monotonic()))
        rss_mib = (await asyncio.to_thread(used, server)).rss_mib
        looks.append((time.monotonic() - began_s, rss_mib))
        print(f"{looks[-1][0]:6.0f} s  {rss_mib:7.1f} MiB", flush=True)


def slope_mib(looks: list[tuple[float, float]], warm_up_s: float) -> float:
    """MiB in 10 minutes, after the warm-up."""
    at_s, rss_mib = np.array([entry for entry in looks if entry[0] >= warm_up_s]).T
    return float(np.polyfit(at_s, rss_mib, 1)[0]) * 600


def latencies(stage: Stage, duration_s: float) -> list[Spread]:
    """From the end of speech to the final, for each quarter."""
    quarters: list[list[float]] = [[] for _ in range(QUARTERS)]
    for utterance in stage.details:
        if utterance.final_ms is not None:
            quarters[min(int(utterance.end_s / duration_s * QUARTERS), QUARTERS - 1)].append(utterance.final_ms)
    return [Spread.of(quarter) for quarter in quarters]


async def soak(minutes: float, sessions: int, engine: str) -> bool:
    duration_s = minutes * 60
    looks: list[tuple[float, float]] = []
    with local_server(env={"ASR_ENGINE": engine, "LOG_LEVEL": "warning"}) as server:
        looking = asyncio.create_task(look(server, looks), name="look")
        run = await fleet(server, duration_s=duration_s, stop=asyncio.Event()).run(sessions, lambda progress: None)
        looking.cancel()
    stage = measure(run)
    quarters = latencies(stage, duration_s)
    first, last = quarters[0].p95, quarters[-1].p95
    ratio = last / first if first and last else float("inf")
    slope = slope_mib(looks, min(WARM_UP_S, duration_s / 10))
    print_table(
        [f"{sessions} sessions, {minutes:g} minutes", "measured", "at most"],
        [
            ["memory, MiB in 10 minutes", f"{slope:+.2f}", SLOPE_LIMIT_MIB],
            ["end of speech to final, p95 of the quarters, ms", " ".join(str(spread.p95) for spread in quarters), ""],
            ["utterances in them", " ".join(str(spread.count) for spread in quarters), ""],
            ["the last of them, as a multiple of the first", f"{ratio:.2f}", LATENCY_LIMIT],
            ["utterances lost", stage.lost, 0],
            ["errors", sum(stage.errors.values()), 0],
            ["clients late by their own fault, p99, ms", stage.client.late_ms.p99, ""],
        ],
    )
    for message, count in stage.errors.items():
        print(f"{count} x {message}")
    return slope < SLOPE_LIMIT_MIB and ratio <= LATENCY_LIMIT and not stage.lost and not stage.errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a server for a long time")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--engine", choices=["embedded", "scripted"], default="embedded")
    arguments = parser.parse_args()
    sys.exit(0 if asyncio.run(soak(arguments.minutes, arguments.sessions, arguments.engine)) else 1)
