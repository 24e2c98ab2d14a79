"""Read a Dockerfile and a `.dockerignore`: as much of their languages as this project's own files use."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile: its name in capitals, its `--options`, and the rest of its line."""

    name: str
    options: tuple[str, ...]
    value: str


def parse_dockerfile(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile, in their order. Here-documents are not known."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    instructions = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, value = line.strip().partition(" ")
        options = []
        while (value := value.strip()).startswith("--"):
            option, _, value = value.partition(" ")
            options.append(option)
        instructions.append(Instruction(name.upper(), tuple(options), value))
    return instructions


def assignments(text: str) -> dict[str, str]:
    """The variables that `ENV` or `LABEL` set in one instruction."""
    return dict(word.split("=", 1) for word in shlex.split(text))


def exec_form(text: str) -> list[str]:
    """The words of a command in its JSON form.

    Raises:
        ValueError: It is in the other form, which puts a shell between the container's signals and the program.
    """
    words = json.loads(text)
    if not isinstance(words, list):
        raise ValueError(f"not a list: {text}")  # noqa: TRY004 - the text is wrong, not its type
    return [str(word) for word in words]


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Put in `$NAME` and `${NAME}`; a name that is not set becomes nothing."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: variables.get(match[1] or match[2], ""), text)


def ignore_patterns(text: str) -> list[str]:
    """The patterns of a `.dockerignore`."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def in_context(name: str, patterns: Sequence[str]) -> bool:
    """Whether a `.dockerignore` lets a file into the build.

    The last pattern that matches the file, or a folder it is in, decides.

    Args:
        name: Path of the file in the repository, with slashes.
        patterns: What `ignore_patterns` returned.
    """
    parts = name.split("/")
    ways = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    taken = True
    for pattern in patterns:
        expression = re.escape(pattern.lstrip("!").strip("/")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(expression, way) for way in ways):
            taken = pattern.startswith("!")
    return taken
