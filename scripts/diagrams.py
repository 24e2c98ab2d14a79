"""Draw the state machines of the code into `docs/protocol.md`, from the tables that the code itself obeys.

`python scripts/diagrams.py` rewrites the diagrams; with `--check` it writes nothing and exits with 1 if they are old.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TypeVar

from qwen3_asr_realtime.protocol.items import ITEM_TRANSITIONS
from qwen3_asr_realtime.protocol.states import SESSION_TRANSITIONS
from qwen3_asr_realtime.vad.endpointing import TRANSITIONS as ENDPOINTING_TRANSITIONS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "protocol.md"
PLACE = re.compile(
    r"(<!-- diagram: (\w+), drawn by scripts/diagrams\.py -->\n).*?(<!-- end of diagram -->\n)", flags=re.DOTALL
)

State = TypeVar("State", bound=Enum)
Signal = TypeVar("Signal", bound=Enum)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite or check the document.

    Args:
        arguments: Of the command line; the process's own if None.

    Returns:
        The exit status of the process.
    """
    parser = argparse.ArgumentParser(description="Draw the state machines of the code into docs/protocol.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the diagrams are old")
    check = parser.parse_args(arguments).check
    old = DOCUMENT.read_text(encoding="utf-8")
    places = [name for _, name, _ in PLACE.findall(old)]
    if sorted(places) != sorted(DIAGRAMS):
        sys.stderr.write(f"{DOCUMENT.name} must have one place each for {', '.join(DIAGRAMS)}; it has {places}\n")
        return 1
    new = with_diagrams(old)
    if new == old:
        return 0
    if check:
        sys.stderr.write(f"the diagrams in {DOCUMENT.name} are old: run python scripts/diagrams.py\n")
        return 1
    DOCUMENT.write_text(new, encoding="utf-8")
    return 0


def with_diagrams(text: str) -> str:
    """Put the diagrams into their places in a document."""
    return PLACE.sub(lambda place: f"{place[1]}```mermaid\n{DIAGRAMS[place[2]]}```\n{place[3]}", text)


def diagram(table: Mapping[State, Mapping[Signal, State]]) -> str:
    """Draw one transition table as a Mermaid state diagram.

    Args:
        table: What leads from each state to which. The first state is where the machine begins; it ends in those that
            nothing leads out of.
    """
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(table)).name.lower()}"]
    for state, moves in table.items():
        start = state.name.lower()
        signals: dict[str, list[str]] = {}
        for signal, target in moves.items():
            signals.setdefault(target.name.lower(), []).append(words(signal))
        lines += [f"    {start} --> {target}: {', '.join(names)}" for target, names in signals.items()]
        if not moves:
            lines.append(f"    {start} --> [*]")
    return "".join(f"{line}\n" for line in lines)


def words(signal: Enum) -> str:
    """How the document writes a signal: `ENOUGH_SPEECH` is "enough speech"."""
    return signal.name.lower().replace("_", " ")


DIAGRAMS = {
    "session": diagram(SESSION_TRANSITIONS),
    "item": diagram(ITEM_TRANSITIONS),
    "endpointing": diagram(ENDPOINTING_TRANSITIONS),
}
"""Every diagram of the document, by the name that its place bears."""


if __name__ == "__main__":
    sys.exit(main())
