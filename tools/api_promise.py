"""What the promise of the API forbids between two definitions, and what forbids it.

`python tools/api_promise.py OLD.yaml NEW.yaml` compares the stored version of two
CustomResourceDefinitions, says each breach in a line and exits 1 if there is one. Whatever the old
schema accepts, the new one must accept and mean the same by it: fields, types and defaults stay,
bounds only widen, nothing becomes required (`docs/reference/versions.md`). What a pattern, a format
or a rule accepts is not compared, so another one counts as narrower.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

AT_LEAST = ("minimum", "minLength", "minItems", "minProperties")
AT_MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
SAME = (
    "type",
    "default",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
)
"""Words of a schema that may neither come, go nor change."""
ONLY_GO = ("pattern", "format")
"""Words that may go, which accepts more, but neither come nor change."""


def broken(old: Schema, new: Schema, path: str = "") -> Iterator[str]:
    """Yield a sentence for each breach of the promise between two structural schemas."""
    here = path or "the object"
    for word in SAME:
        if old.get(word) != new.get(word):
            yield f"{here}: {word} was {old.get(word)!r} and is {new.get(word)!r}"
    for word in ONLY_GO:
        if word in new and old.get(word) != new[word]:
            yield f"{here}: {word} was {old.get(word)!r} and is {new[word]!r}"
    yield from _narrower(old, new, here)
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{path}.{name} became required"
    fields, present = old.get("properties", {}), new.get("properties", {})
    for name in fields:
        if name in present:
            yield from broken(fields[name], present[name], f"{path}.{name}")
        else:
            yield f"{path}.{name} is gone"
    if "items" in old and "items" in new:
        yield from broken(old["items"], new["items"], f"{path}[]")


def _narrower(old: Schema, new: Schema, here: str) -> Iterator[str]:
    """Yield what a bound, a list of values or a rule of `new` refuses that `old` accepts."""
    for words, is_narrower in ((AT_LEAST, int.__gt__), (AT_MOST, int.__lt__)):
        for word in words:
            if word in new and (word not in old or is_narrower(new[word], old[word])):
                yield f"{here}: {word} was {old.get(word)} and is {new[word]}"
    if "enum" in new:
        gone = [value for value in old.get("enum", ["any other"]) if value not in new["enum"]]
        if gone:
            yield f"{here}: {', '.join(map(str, gone))} is accepted no longer"
    known = [rule["rule"] for rule in old.get("x-kubernetes-validations", ())]
    for rule in new.get("x-kubernetes-validations", ()):
        if rule["rule"] not in known:
            yield f"{here}: a rule came: {rule['message']}"


def stored(definition: Schema) -> Schema:
    """Return the schema of the version that a definition stores."""
    (version,) = (one for one in definition["spec"]["versions"] if one["storage"])
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def main() -> int:
    """Compare two files; return 0 if the newer one keeps the promise to the older one, or 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args()
    old, new = (stored(yaml.safe_load(file.read_text())) for file in (given.old, given.new))
    breaches = list(broken(old, new))
    for breach in breaches:
        print(breach.removeprefix("."))
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
