"""API documents as pages to be read: plain HTML that needs no script and no other host."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc } h3 { margin: 2rem 0 0 }
code, pre { font: 14px/1.4 ui-monospace, monospace } pre { background: #f5f5f5; padding: .7rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .2rem .7rem;
border-bottom: 1px solid #ddd } th { font-weight: 600 } .optional { color: #777 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } pre { background: #242424 }
a { color: #8bf } td, th, h2 { border-color: #444 } }
"""


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table.

    Attributes:
        name: With the names of the objects it is in before it.
        kind: Its type, in words.
        required: Whether it is always there.
        text: What it means.
    """

    name: str
    kind: str
    required: bool
    text: str


def realtime_page(document: Json) -> str:
    """An AsyncAPI document of one channel."""
    info, operations = document["info"], document["operations"]
    (channel,) = document["channels"].values()
    parts = [
        f"<h1>{escape(info['title'])}: the WebSocket protocol</h1>",
        _paragraph(info["description"]),
        f"<p>Path: <code>{escape(channel['address'])}</code>. Version {escape(info['version'])}. As a document: "
        '<a href="/asyncapi.json">AsyncAPI</a>. The pages over HTTP: <a href="/docs">OpenAPI</a>.</p>',
    ]
    for name, heading in (("receive", "Client → server"), ("send", "Server → client")):
        parts.append(f"<h2>{heading}</h2>")
        for reference in operations[name]["messages"]:
            message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
            parts += [
                f'<h3 id="{escape(message["name"])}"><code>{escape(message["name"])}</code></h3>',
                _paragraph(message["summary"]),
                _table(message["payload"], document),
                *(_code(example["payload"]) for example in message["examples"]),
            ]
    return _page(info["title"], parts)


def http_page(document: Json) -> str:
    """An OpenAPI document whose operations take no arguments."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])}</h1>",
        _paragraph(info["description"]),
        f'<p>Version {escape(info["version"])}. As a document: <a href="/openapi.json">OpenAPI</a>. '
        'The WebSocket protocol: <a href="/docs/realtime">AsyncAPI</a>.</p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            link = f'<a href="{escape(path)}">{escape(path)}</a>'
            parts.append(f"<h2><code>{escape(method.upper())} {link}</code></h2>{_paragraph(operation['summary'])}")
            for status, response in operation["responses"].items():
                parts.append(f"<h3>{escape(status)}: {escape(response['description'])}</h3>")
                for content_type, content in response.get("content", {}).items():
                    parts += [
                        f"<p><code>{escape(content_type)}</code></p>",
                        _table(content.get("schema", {}), document),
                    ]
    return _page(info["title"], parts)


def fields(schema: Json, document: Json, prefix: str = "") -> Iterator[Field]:
    """Every field of a schema, those of the objects in it included.

    Args:
        schema: Of an object, or a reference to one.
        document: Where references lead.
        prefix: Names of the objects around it.
    """
    schema = _resolved(schema, document)
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(field, document)
        text = field.get("description") or inner.get("description", "")
        yield Field(prefix + name, _kind(field, document), name in schema.get("required", ()), text)
        for option in inner.get("anyOf", [inner]):
            yield from fields(option, document, f"{prefix}{name}.")
        for item in _items(inner):
            yield from fields(item, document, f"{prefix}{name}[].")
        if isinstance(more := inner.get("additionalProperties"), dict):
            yield from fields(more, document, f"{prefix}{name}.*.")


# --- private ---------------------------------------------------------------------------------------------------------


def _resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _items(schema: Json) -> list[Json]:
    items = schema.get("items", [])
    return items if isinstance(items, list) else [items]


def _kind(schema: Json, document: Json) -> str:
    """The type of a field in words, with its bounds."""
    schema = _resolved(schema, document)
    if "anyOf" in schema:
        return " or ".join(_kind(option, document) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    bounds = [f"{words} {schema[key]}" for key, words in (("minimum", "from"), ("maximum", "to")) if key in schema]
    kind = schema.get("type", "anything")
    if kind == "array":
        kind += " of " + " or ".join(_kind(item, document) for item in _items(schema))
    return " ".join([kind, *bounds])


def _paragraph(text: str) -> str:
    """Plain text with `code`."""
    pieces = escape(text).split("`")
    return "<p>" + "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces)) + "</p>"


def _table(schema: Json, document: Json) -> str:
    rows = [
        f"<tr><td><code>{escape(field.name)}</code></td><td>{escape(field.kind)}"
        f"{'' if field.required else ' <span class=optional>(optional)</span>'}</td>"
        f"<td>{_paragraph(field.text)[3:-4]}</td></tr>"
        for field in fields(schema, document)
    ]
    return f"<table><tr><th>field</th><th>type</th><th>meaning</th></tr>{''.join(rows)}</table>" if rows else ""


def _code(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _page(title: str, parts: list[str]) -> str:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!DOCTYPE html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )
