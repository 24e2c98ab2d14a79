"""All cases, in the order of the specification, and how to pick some of them."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from qwen3_asr_realtime.conformance.cases import (
    audio,
    clients,
    configuration,
    connection,
    ending,
    fields,
    manual,
    previews,
    refusals,
    turns,
)
from qwen3_asr_realtime.conformance.vocabulary import Case

CASES: Final[tuple[Case, ...]] = (
    *connection.HANDSHAKE,
    *connection.FRAMES,
    *connection.SESSIONS,
    *configuration.TURN_DETECTION,
    *configuration.MERGING,
    *configuration.FIELDS,
    *refusals.VALUES,
    *refusals.EVENTS,
    *audio.FORMATS,
    *audio.CHUNKS,
    *audio.SIZES,
    *fields.FIELDS,
    *fields.EVENTS,
    *turns.TURNS,
    *turns.COMMITS,
    *manual.CASES,
    *ending.FINISHING,
    *ending.AFTERWARDS,
    *previews.CASES,
    *clients.SDKS,
    *clients.HABITS,
)


def picked(names: Sequence[str]) -> list[Case]:
    """The cases that were asked for, all if nothing was.

    Args:
        names: Ids, with `*` for any letters, or sections such as `15.7` and `§5.4`.

    Raises:
        ValueError: A name fits no case.
    """
    for name in names:
        if not any(_fits(case, name) for case in CASES):
            raise ValueError(f"no case is called {name!r} or proves it; --list shows all")
    return [case for case in CASES if not names or any(_fits(case, name) for name in names)]


def _fits(case: Case, name: str) -> bool:
    section = "§" + name.removeprefix("§")
    return fnmatchcase(case.id, name) or any(each == section or each.startswith(section + " ") for each in case.proves)
