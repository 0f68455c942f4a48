"""A kubectl with a few objects in a file, for commands that read, write and read again.

It knows `get` of a list by selector and of one name, and `patch --type=merge`. A pod is gone after
as many lists as its `listsLeft` says; `refused.json` has the words for calls that are refused.
"""

import json
from pathlib import Path
from typing import Any

Body = dict[str, Any]


def main(folder: Path, arguments: list[str]) -> str:
    """Return what is printed.

    Raises:
        SystemExit: the words on stderr, with exit code 1.
    """
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    objects: dict[str, list[Body]] = json.loads((folder / "objects.json").read_text())
    verb, resource, *rest = arguments
    if f"{verb} {resource}" in (refused := json.loads((folder / "refused.json").read_text())):
        raise SystemExit(refused[f"{verb} {resource}"])
    if resource not in objects:
        plural = resource.partition(".")[0]
        raise SystemExit(f'error: the server doesn\'t have a resource type "{plural}"')
    options = dict(one.split("=", 1) for one in rest if one.startswith("--") and "=" in one)
    names = [one for one in rest if not one.startswith("-") and one != "json"]
    if verb == "get" and not names:
        key, _, value = options.get("--selector", "").partition("=")
        labelled = [
            one
            for one in objects[resource]
            if not key or one["metadata"].get("labels", {}).get(key) == value
        ]
        if resource == "pods":
            _pass_by(folder, objects)
        return json.dumps({"items": labelled})
    found = [one for one in objects[resource] if one["metadata"]["name"] == names[0]]
    if not found:
        raise SystemExit(f'Error from server (NotFound): {resource} "{names[0]}" not found')
    if verb == "patch":
        _merge(found[0], json.loads(options["--patch"]))
        (folder / "objects.json").write_text(json.dumps(objects))
    return json.dumps(found[0])


def _pass_by(folder: Path, objects: dict[str, list[Body]]) -> None:
    """Let every pod be one list nearer to its end."""
    for one in list(objects["pods"]):
        one["listsLeft"] -= 1
        if one["listsLeft"] == 0:
            objects["pods"].remove(one)
    (folder / "objects.json").write_text(json.dumps(objects))


def _merge(body: Body, patch: Body) -> None:
    for name, value in patch.items():
        if isinstance(value, dict):
            _merge(body.setdefault(name, {}), value)
        elif value is None:
            body.pop(name, None)
        else:
            body[name] = value
