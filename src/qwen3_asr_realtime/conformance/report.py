"""How results are shown: a table on a terminal, plain lines elsewhere, and JSON for machines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qwen3_asr_realtime.conformance.runner import Result, Verdict
from qwen3_asr_realtime.conformance.vocabulary import Case

_STYLES = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.DIFFERS: "yellow", Verdict.SKIPPED: "dim"}
_CONTROLS_TO_BLANKS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")


def summary(results: Sequence[Result]) -> str:
    """One line: how many of how many passed, and what became of the others."""
    counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    ran = len(results) - counts[Verdict.SKIPPED]
    parts = [f"{counts[Verdict.PASSED]}/{ran} passed"]
    parts += [
        f"{counts[verdict]} {verdict}" for verdict in Verdict if verdict is not Verdict.PASSED and counts[verdict]
    ]
    return ", ".join(parts)


def show_results(console: Console, results: Sequence[Result]) -> None:
    """Write the table, then for every case that deviated what was expected, what came, and the end of its log."""
    if is_terminal(console):
        table = _table("id", "proves", "evidence", "title", "result")
        for result in results:
            verdict = Text(result.verdict.value, style=_STYLES[result.verdict])
            table.add_row(*_cells(result.case), verdict)
        console.print(table)
    else:
        for result in results:
            _write(console, "\t".join([result.verdict.value, *_cells(result.case)]))
    for result in results:
        if result.verdict in (Verdict.FAILED, Verdict.DIFFERS):
            for line in _deviation(result):
                _write(console, line)
    _write(console, summary(results))


def show_cases(console: Console, cases: Sequence[Case]) -> None:
    """Write the table of the cases alone."""
    if is_terminal(console):
        table = _table("id", "proves", "evidence", "title", "if the cloud differs")
        for case in cases:
            table.add_row(*_cells(case), case.uncertain)
        console.print(table)
        return
    for case in cases:
        _write(console, "\t".join([*_cells(case), case.uncertain]))


def write_json(path: Path, results: Sequence[Result], *, url: str, strict: bool) -> None:
    """Write all results into a file.

    Raises:
        OSError: It cannot be written.
    """
    report = {
        "url": url,
        "strict": strict,
        "summary": summary(results),
        "cases": [_as_json(result) for result in results],
    }
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def is_terminal(console: Console) -> bool:
    """Whether somebody looks at it; FORCE_COLOR makes rich take a pipe for a terminal."""
    return console.is_interactive and console.file.isatty()


def _table(*columns: str) -> Table:
    table = Table(*columns, header_style="bold", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    return table


def _cells(case: Case) -> tuple[str, str, str, str]:
    return case.id, ", ".join(case.proves), case.evidence, case.title


def _deviation(result: Result) -> list[str]:
    case = result.case
    lines = [
        "",
        f"{result.verdict.value}: {case.id} ({', '.join(case.proves)}): {case.title}",
        f"  expected  {result.expected}",
        f"  got       {result.got}",
        f"  at        {result.where}",
    ]
    if case.uncertain:
        lines.append(f"  uncertain {case.uncertain}")
    return [*lines, *(f"    {line}" for line in result.log)]


def _as_json(result: Result) -> dict[str, Any]:
    case = result.case
    return {
        "id": case.id,
        "title": case.title,
        "proves": list(case.proves),
        "evidence": case.evidence,
        "uncertain": case.uncertain,
        "verdict": result.verdict.value,
        "duration_s": round(result.duration_s, 3),
        "expected": result.expected,
        "got": result.got,
        "where": result.where,
        "log": list(result.log),
    }


def _write(console: Console, line: str) -> None:
    # Past rich, which wraps and styles. What a server sent is never trusted with the terminal.
    console.file.write(line.replace("\t", "  ").translate(_CONTROLS_TO_BLANKS) + "\n")
    console.file.flush()
