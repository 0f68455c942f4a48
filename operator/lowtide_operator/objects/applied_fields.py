"""Fields of an object that one manager has applied, read back from `metadata.managedFields`. Pure.

Server-side apply takes away what a manager applied before and leaves out now. Who adds a field in
the name of another manager must therefore repeat the others. The form is FieldsV1 of
structured-merge-diff: `f:` a field, `k:` an item of a list by its keys, `v:` an item of a set.
"""

import json
from collections.abc import Mapping
from typing import Any

Body = Mapping[str, Any]


def applied_by(manager: str, body: Body, *, subresource: str = "") -> dict[str, Any] | None:
    """Return the part of an object that a manager has applied; `None` where it applied nothing.

    Only an entry in the object's own API version counts: the fields of another have other names.
    """
    for entry in body["metadata"].get("managedFields") or ():
        if (
            entry.get("manager") == manager
            and entry.get("operation") == "Apply"
            and entry.get("apiVersion") == body.get("apiVersion")
            and entry.get("subresource", "") == subresource
        ):
            part = _part(body, entry.get("fieldsV1") or {})
            return part if isinstance(part, dict) else {}
    return None


def _part(value: Any, fields: Body) -> Any:
    """Return the part of a value that a set of fields names; of a leaf the whole of it."""
    inner = {key: below for key, below in fields.items() if key != "."}
    if not inner:
        # Named itself only: a map or list of which it owns no item is an empty one.
        return type(value)() if fields and isinstance(value, dict | list) else value
    if isinstance(value, dict):
        return {
            name: _part(value[name], below)
            for key, below in inner.items()
            if key.startswith("f:") and (name := key[2:]) in value
        }
    if isinstance(value, list):
        found = (_item(value, key, below) for key, below in inner.items())
        return [item for item in found if item is not None]
    return value


def _item(items: list[Any], key: str, below: Body) -> Any:
    """Return the part of the item of a list that a key names; `None` where it is gone."""
    mark, text = key[:2], key[2:]
    wanted = json.loads(text)
    if mark == "v:":
        return wanted if wanted in items else None
    for item in items:
        if isinstance(item, dict) and all(item.get(name) == it for name, it in wanted.items()):
            return {**wanted, **_part(item, below)}
    return None
