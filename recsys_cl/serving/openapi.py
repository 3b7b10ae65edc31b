"""What OpenAPI says of requests that are read by hand, so that their limits come first."""

from __future__ import annotations

from typing import Any

from recsys_cl.serving.answer import DEFAULT_K
from recsys_cl.serving.asked import SOURCES
from recsys_cl.serving.question import MOST_STEPS, Limits

_TEXT = {"type": "string"}
_ERRORS = {
    "400": "cannot be answered: the message says why",
    "408": "the body did not arrive in time",
    "413": "the body is too long",
    "415": "the body is compressed",
    "500": "a mistake of ours",
}


def query(name: str, limits: Limits) -> dict[str, Any]:
    """Of a GET: ids in the query string."""
    parameters = [
        {"name": name, "in": "query", "required": True, "schema": _ids(limits.ids), "style": "form", "explode": True},
        {"name": "k", "in": "query", "required": False, "schema": _k(limits)},
    ]
    return {"parameters": parameters, "responses": _responses(name, (400, 500))}


def body(name: str, limits: Limits) -> dict[str, Any]:
    """Of a POST: ids in a JSON object, and for people their histories and rules."""
    properties: dict[str, Any] = {f"{name}s": _ids(limits.ids), "k": _k(limits)}
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if name == "user_id":  # either is enough
        properties["user_ids"]["items"] = {"anyOf": [_TEXT, {"type": "null"}]}  # null beside a history
        one = {"anyOf": [{"type": "array", "items": _TEXT}, {"type": "null"}]}
        properties["histories"] = {"type": "array", "items": one, "minItems": 1, "maxItems": limits.ids}
        properties["allowed"] = _ids(limits.rules)
        properties["blocked"] = {**_ids(limits.rules), "minItems": 0}
        properties["steps"] = {"type": "integer", "minimum": 0, "maximum": MOST_STEPS}
        schema["anyOf"] = [{"required": ["user_ids"]}, {"required": ["histories"]}]
    else:
        schema["required"] = [f"{name}s"]
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}, "responses": _responses(name, (400, 408, 413, 415, 500))}


def _ids(most: int) -> dict[str, Any]:
    return {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": most}


def _k(limits: Limits) -> dict[str, Any]:
    return {"type": "integer", "default": DEFAULT_K, "minimum": 1, "maximum": limits.k}


def _responses(name: str, errors: tuple[int, ...]) -> dict[str, Any]:
    said = _object(error=_TEXT)
    wrong = {str(code): _response(_ERRORS[str(code)], said) for code in errors}
    listed = {"type": "array", "items": _object(item_id=_TEXT, score={"type": "number"})}
    entry, key = _object(item_id=_TEXT, items=listed), "items"
    if name == "user_id":
        source = {"type": "string", "enum": list(SOURCES)}
        entry, key = _object(user_id={"anyOf": [_TEXT, {"type": "null"}]}, source=source, items=listed), "users"
    found = _object(model=_TEXT, **{key: {"type": "array", "items": entry}})
    return {"200": _response("lists, best item first", found), **wrong}


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
