"""What a case says about a value on the wire, and how it is held against one.

An expectation is a plain value, which must come back equal and of the same JSON type (`1` is not `1.0`); a mapping,
whose keys must be there and match (others may be there, too); a list of the same length; or a predicate of this module.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from qwen3_asr_realtime.conformance.speech import Recordings, Sound

_MISSING: Final = object()
_SHOWN_CHARS = 160


class Mismatch(Exception):
    """The server did not do what was expected.

    Attributes:
        expected: What should have come, in words.
        got: What came.
    """

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


class Memory:
    """What one run of a case knows and remembers: names given to values, the speech, the model asked for.

    Args:
        recordings: The speech that is sent; None where no expectation asks for it.
        model: The model name that the run asks for.
    """

    def __init__(self, recordings: Recordings | None = None, model: str = "") -> None:
        self.recordings = recordings
        self.model = model
        self._values: dict[str, object] = {}
        self._items: dict[str, object] = {}

    def is_same(self, name: str, value: object) -> bool:
        """Whether `value` is what this name stood for before; the first value it meets is kept."""
        return is_equal(self._values.setdefault(name, value), value)

    def is_item(self, name: str, item_id: object) -> bool:
        """The same for ids of items: not empty, and two names never stand for one id."""
        if not isinstance(item_id, str) or not item_id:
            return False
        if name not in self._items and item_id in self._items.values():
            return False
        return self._items.setdefault(name, item_id) == item_id


@dataclass(frozen=True, slots=True)
class Predicate:
    """A statement about one value, with its wording for the report."""

    wording: str
    holds: Callable[[object, Memory], bool]


@dataclass(frozen=True, slots=True)
class Optional:
    """A field that may be missing, but if it is there it matches."""

    expectation: object


@dataclass(frozen=True, slots=True)
class Either:
    """A value that matches at least one of several expectations."""

    options: tuple[object, ...]


def is_equal(one: object, other: object) -> bool:
    """Equality as JSON sees it: `true` is not `1`, and an integer is not a float."""
    return type(one) is type(other) and one == other


def _simple(wording: str, test: Callable[[object], bool]) -> Predicate:
    return Predicate(wording, lambda value, _: test(value))


PRESENT = _simple("any value", lambda value: value is not _MISSING)
ABSENT = _simple("no such field", lambda value: value is _MISSING)
ABSENT_OR_NULL = _simple("null or no such field", lambda value: value is _MISSING or value is None)
STRING = _simple("a string", lambda value: isinstance(value, str))
NOT_EMPTY = _simple("a string that is not empty", lambda value: isinstance(value, str) and value != "")
INTEGER = _simple("an integer", lambda value: type(value) is int)
NUMBER = _simple("a number", lambda value: type(value) in (int, float))
BOOLEAN = _simple("true or false", lambda value: isinstance(value, bool))
MODEL = Predicate("the model that was asked for", lambda value, memory: value == memory.model)


def matches(pattern: str) -> Predicate:
    """A string that the whole pattern fits."""
    compiled = re.compile(pattern)
    return _simple(f"/{pattern}/", lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None)


def contains(part: str) -> Predicate:
    """A string with `part` in it, in any case."""
    return _simple(f"a string with {part!r}", lambda value: isinstance(value, str) and part.lower() in value.lower())


def one_of(*values: object) -> Predicate:
    """One of several plain values."""
    wording = "one of " + ", ".join(map(repr, values))
    return _simple(wording, lambda value: any(is_equal(value, other) for other in values))


def between(lowest: int, highest: int) -> Predicate:
    """An integer in a closed range."""
    return _simple(f"an integer in {lowest}..{highest}", lambda v: type(v) is int and lowest <= v <= highest)


def number(wanted: float) -> Predicate:
    """A number of this value, written as integer or as float."""
    return _simple(f"the number {wanted:g}", lambda value: type(value) in (int, float) and value == wanted)


def either(*options: object) -> Either:
    """One of several expectations."""
    return Either(options)


def same(name: str) -> Predicate:
    """The value that `name` stands for in this case; the first one it meets."""
    return Predicate(f"the same {name} as before", lambda value, memory: memory.is_same(name, value))


def item(name: str) -> Predicate:
    """The id of the item that this case calls `name`; items with different names have different ids."""
    return Predicate(f"the id of item {name}", lambda value, memory: memory.is_item(name, value))


def heard(sound: Sound) -> Predicate:
    """A transcript with the words of a recording in it; with recordings of one's own, any words."""

    def holds(value: object, memory: Memory) -> bool:
        if memory.recordings is None:
            raise ValueError("there is no speech to compare with")
        return isinstance(value, str) and memory.recordings.is_transcript(value, sound)

    return Predicate("a transcript of what was said", holds)


def differences(expected: object, actual: object, memory: Memory, path: str = "") -> list[Mismatch]:
    """Where `actual` is not as expected, outermost first.

    Args:
        expected: The expectation; see the module.
        actual: A value decoded from JSON.
        memory: Names and their values so far; an expectation that names a value adds to it.
        path: Dotted name of the value.
    """
    return list(_differences(expected, actual, memory, path))


def _differences(expected: object, actual: object, memory: Memory, path: str) -> Iterator[Mismatch]:
    match expected:
        case Predicate(wording, holds):
            if not holds(actual, memory):
                yield _mismatch(path, wording, actual)
        case Optional(inner):
            if actual is not _MISSING:
                yield from _differences(inner, actual, memory, path)
        case Either(options):
            yield from min((differences(option, actual, memory, path) for option in options), key=len)
        case Mapping() if isinstance(actual, dict):
            for name, inner in expected.items():
                yield from _differences(inner, actual.get(name, _MISSING), memory, _joined(path, name))
        case list() if isinstance(actual, list) and len(actual) == len(expected):
            for index, (inner, value) in enumerate(zip(expected, actual, strict=True)):
                yield from _differences(inner, value, memory, f"{path}[{index}]")
        case Mapping():
            yield _mismatch(path, "an object", actual)
        case _ if not is_equal(expected, actual):
            yield _mismatch(path, shown(expected), actual)


def undocumented(expected: object, actual: object, path: str = "") -> list[str]:
    """Dotted names of the fields in `actual` that `expected` does not mention."""
    return list(_undocumented(expected, actual, path))


def _undocumented(expected: object, actual: object, path: str) -> Iterator[str]:
    match expected, actual:
        case Optional(inner), _:
            yield from _undocumented(inner, actual, path)
        case Either(options), _:
            yield from min((undocumented(option, actual, path) for option in options), key=len)
        case Mapping(), dict():
            for name, value in actual.items():
                if name in expected:
                    yield from _undocumented(expected[name], value, _joined(path, name))
                else:
                    yield _joined(path, name)
        case list(), list():
            for index, (inner, value) in enumerate(zip(expected, actual, strict=False)):
                yield from _undocumented(inner, value, f"{path}[{index}]")
        case _, dict():
            yield from (_joined(path, name) for name in actual)


def shown(value: object) -> str:
    """A value as the report writes it: short, as JSON would call it."""
    if value is _MISSING:
        return "no such field"
    text = json.dumps(value, ensure_ascii=False) if value is None or isinstance(value, bool | str) else repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _mismatch(path: str, wording: str, actual: object) -> Mismatch:
    prefix = f"{path}: " if path else ""
    return Mismatch(prefix + wording, prefix + shown(actual))
