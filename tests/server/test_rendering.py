from typing import Any

from qwen3_asr_realtime.server.rendering import Field, fields, http_page, realtime_page

DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Thing": {
                "properties": {
                    "kind": {"enum": ["a", "b"]},
                    "size": {"type": "integer", "minimum": 1, "maximum": 3, "description": "How `big`."},
                    "inner": {"anyOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "null"}]},
                    "list": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}},
                    "pair": {"type": "array", "items": [{"type": "string"}], "additionalItems": False},
                    "map": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Inner"}},
                },
                "required": ["kind"],
            },
            "Inner": {"type": "object", "description": "What is in it.", "properties": {"x": {"type": "number"}}},
        }
    }
}


def test_fields_of_inner_objects_stand_under_their_full_names() -> None:
    assert list(fields({"$ref": "#/components/schemas/Thing"}, DOCUMENT)) == [
        Field("kind", '"a" or "b"', required=True, text=""),
        Field("size", "integer from 1 to 3", required=False, text="How `big`."),
        Field("inner", "object or null", required=False, text=""),
        Field("inner.x", "number", required=False, text=""),
        Field("list", "array of object", required=False, text=""),
        Field("list[].x", "number", required=False, text=""),
        Field("pair", "array of string", required=False, text=""),
        Field("map", "object", required=False, text=""),
        Field("map.*.x", "number", required=False, text=""),
    ]


def test_what_stands_in_a_document_is_text_and_no_markup() -> None:
    attack = "<script>alert(1)</script>"
    message = {"name": attack, "summary": attack, "payload": {}, "examples": [{"payload": {"a": attack}}]}
    realtime = {
        "info": {"title": attack, "description": f"`{attack}` {attack}", "version": attack},
        "channels": {"c": {"address": attack}},
        "operations": {"receive": {"messages": [{"$ref": "#/components/messages/m"}]}, "send": {"messages": []}},
        "components": {"messages": {"m": message}, "schemas": {}},
    }
    http = {
        "info": realtime["info"],
        "paths": {attack: {attack: {"summary": attack, "responses": {attack: {"description": attack}}}}},
    }
    assert "<script" not in realtime_page(realtime)
    assert "<script" not in http_page(http)
