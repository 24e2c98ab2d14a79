"""Does the conformance suite notice? Break one rule of the protocol at a time, in a copy, and see which cases turn red.

    python scripts/mutations.py

Every mutation is one edit of the server's source. Prints a table of the rule broken and the cases that failed; ends
with 1 if a mutation went unnoticed, or if its edit no longer fits the code.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from qwen3_asr_realtime.client.local_server import local_server

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "qwen3_asr_realtime"
CASES_SHOWN = 6


@dataclass(frozen=True)
class Mutation:
    """One rule and how to break it.

    Attributes:
        rule: What the server no longer does.
        file: In the package.
        old: Source to replace; must occur.
        new: What to put there.
    """

    rule: str
    file: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        "the model asked for is echoed",
        "server/realtime.py",
        '.get("model", [DEFAULT_MODEL])[-1]',
        '.get("nothing", [DEFAULT_MODEL])[-1]',
    ),
    Mutation("a second `?` in the query is a `&`", "server/realtime.py", 'query.replace("?", "&")', "query"),
    Mutation(
        "after session.finished the close is left to the client",
        "server/realtime.py",
        "await asyncio.sleep(grace_s)",
        "await asyncio.sleep(0)",
    ),
    Mutation(
        "no turn_detection means as before, not Manual mode",
        "protocol/configuration.py",
        'fields.get("turn_detection", _ABSENT)',
        'fields.get("turn_detection")',
    ),
    Mutation("pcm16 is another name of pcm", "protocol/configuration.py", '{"pcm16": "pcm"}', "{}"),
    Mutation(
        "the language comes back as it was sent",
        "protocol/configuration.py",
        "return cast(str, value)",
        "return code.upper()",
    ),
    Mutation(
        "committed comes before item.created",
        "protocol/session.py",
        "committed, created, ",
        "created, committed, ",
    ),
    Mutation(
        "session.finish commits what is buffered in Manual mode",
        "protocol/session.py",
        "(self._commit_pending or self._audio_ended)",
        "self._commit_pending",
    ),
    Mutation(
        "an error names the event it is about",
        "protocol/session.py",
        "error.event_id = event.event_id",
        "error.event_id = None",
    ),
    Mutation(
        "a commit too many is ignored",
        "protocol/session.py",
        "self.configuration.turn_detection is None and not self._audio_ever_received",
        "self.configuration.turn_detection is None",
    ),
    Mutation(
        "no error after session.finish",
        "protocol/session.py",
        "        if not self._is_open:\n            return []\n        outputs: Outputs = [self.",
        "        outputs: Outputs = [self.",
    ),
    Mutation(
        "usage.duration counts the whole session",
        "protocol/session.py",
        "usage=Usage(-(-item.end_sample // SAMPLE_RATE))",
        "usage=Usage(1)",
    ),
    Mutation(
        "nothing said is an empty string, not null",
        "protocol/session.py",
        'emotion="neutral" if spoken else ""',
        'emotion="neutral" if spoken else None',
    ),
    Mutation(
        "an odd byte is kept for the next append",
        "server/connection.py",
        "piece = data[first : first + SLICE_BYTES]",
        "piece = data[first : first + SLICE_BYTES][: len(data) // 2 * 2]",
    ),
    Mutation(
        "the threshold is not a probability",
        "vad/endpointing.py",
        "return min(max((threshold + 1) / 2, 0.05), 0.95)",
        "return min(max(threshold, 0.05), 0.95)",
    ),
    Mutation(
        "one frame may hold 15 MiB of audio",
        "server/serve.py",
        '"ws_max_size": settings.max_frame_mib * 1024 * 1024',
        '"ws_max_size": 1024 * 1024',
    ),
)


def failed_cases(mutation: Mutation) -> list[str] | None:
    """Ids of the cases that fail against the mutated server; None if the edit does not fit the code."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "src")
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        file = source / PACKAGE / mutation.file
        text = file.read_text(encoding="utf-8")
        if mutation.old not in text:
            return None
        file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        report = Path(folder, "report.json")
        with local_server(env={"PYTHONPATH": str(source)}) as server:
            command = [sys.executable, "-m", PACKAGE, "conformance", "--url", server.url, "--strict", "--json"]
            subprocess.run([*command, str(report)], check=False, capture_output=True)  # noqa: S603 - our own program
        cases = json.loads(report.read_text(encoding="utf-8"))["cases"]
    return [case["id"] for case in cases if case["verdict"] == "failed"]


def summary(cases: list[str]) -> str:
    """The first few cases, and how many more."""
    shown = ", ".join(f"`{case}`" for case in cases[:CASES_SHOWN]) or "NONE"
    return shown + (f" and {len(cases) - CASES_SHOWN} more" if len(cases) > CASES_SHOWN else "")


def main() -> int:
    """Try all mutations; the exit status is 0 if each was noticed."""
    noticed = 0
    sys.stdout.write("| rule broken | cases that fail |\n|---|---|\n")
    for mutation in MUTATIONS:
        failed = failed_cases(mutation)
        noticed += bool(failed)
        shown = "the edit does not fit the code" if failed is None else summary(failed)
        sys.stdout.write(f"| {mutation.rule} | {shown} |\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{noticed} of {len(MUTATIONS)} mutations noticed\n")
    return 0 if noticed == len(MUTATIONS) else 1


if __name__ == "__main__":
    sys.exit(main())
