"""The `conformance` command: a server's address in, a table and an exit code out."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.conformance.catalogue import picked
from qwen3_asr_realtime.conformance.connection import Connection, Target
from qwen3_asr_realtime.conformance.predicates import Mismatch
from qwen3_asr_realtime.conformance.report import is_terminal, show_cases, show_results, write_json
from qwen3_asr_realtime.conformance.runner import Result, Runner
from qwen3_asr_realtime.conformance.speech import Recordings
from qwen3_asr_realtime.conformance.vocabulary import Case, Connect

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def run_conformance(
    url: str,
    *,
    api_key: str | None = None,
    audio: Sequence[Path] = (),
    strict: bool = False,
    json_file: Path | None = None,
    only: Sequence[str] = (),
    list_cases: bool = False,
    console: Console | None = None,
) -> int:
    """Try a server and show what it does and what it does not.

    What keeps the suite from running is one line on standard error.

    Args:
        url: WebSocket address of the server.
        api_key: Key to show to it.
        audio: One or two recordings of a sentence each, to speak instead of the built-in ones.
        strict: Take a deviation for a failure also where the cloud's behaviour is uncertain.
        json_file: Where to write the results for machines.
        only: Ids or sections of the cases to run; all if empty.
        list_cases: Show the cases and run none.
        console: Where to write; standard output if None.

    Returns:
        The exit code: 0 if no case failed, 1 if one did, 2 if the suite could not run, 130 after Ctrl-C.
    """
    console = console or Console()
    try:
        cases = picked(only)
        if list_cases:
            show_cases(console, cases)
            return EXIT_OK
        results = asyncio.run(_run(Target(url, api_key), Recordings(audio), cases, strict=strict, console=console))
        show_results(console, results)
        if json_file is not None:
            write_json(json_file, results, url=url, strict=strict)
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except Mismatch as unreachable:
        return _complain(f"cannot connect to {url}: {unreachable.got}", EXIT_USAGE)
    except (ValueError, AudioError, OSError) as error:
        return _complain(str(error), EXIT_USAGE)
    return EXIT_OK if all(result.is_good for result in results) else EXIT_FAILED


async def _run(
    target: Target, recordings: Recordings, cases: Sequence[Case], *, strict: bool, console: Console
) -> list[Result]:
    # If nobody answers at all, one line says it better than all cases.
    await (await Connection.open(target, Connect())).close()
    progress = console.status(f"0 of {len(cases)} cases") if is_terminal(console) else None
    done = 0

    def on_result(result: Result) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress.update(f"{done} of {len(cases)} cases")

    with progress or nullcontext():
        return await Runner(target, recordings, strict=strict, on_result=on_result).run(cases)


def _complain(line: str, status: int) -> int:
    sys.stderr.write(f"qwen3-asr-realtime: {line}\n")
    return status
