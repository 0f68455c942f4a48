"""Cuts the types of Grafana's dashboards out of `@grafana/schema`, for `tests/dashboards`.

`npm pack @grafana/schema`, unpack, then
`python tools/grafana_types.py package tests/dashboards/grafana/13.json`. It writes the fields of
the interfaces and the values of the enumerations that the committed dashboards reach, so that tests
need no network. `@grafana/schema` has no type for a query of Prometheus. Apache-2.0, Grafana Labs.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

DECLARATION = re.compile(
    r"export (?:declare )?(interface|enum) (\w+)(?: extends ([^{]+))? \{\n(.*?)^\}",
    re.DOTALL | re.MULTILINE,
)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
FIELD = re.compile(r"^    (\w+)\??: (.*?);$", re.MULTILINE | re.DOTALL)
VALUE = re.compile(r'= "?(.*?)"?,?$', re.MULTILINE)
NESTED = re.compile(r"^    (\w+)\??: \{.*?^    \};$", re.MULTILINE | re.DOTALL)
ROOTS = {
    "": ("raw/dashboard/x", "Dashboard", "Panel", "FieldConfig", "VariableModel"),
    "common": ("common", "GraphFieldConfig", "TableFieldOptions"),
    "stat": ("raw/composable/stat/panelcfg/x", "Options"),
    "bargauge": ("raw/composable/bargauge/panelcfg/x", "Options"),
    "table": ("raw/composable/table/panelcfg/x", "Options", "FieldConfig"),
    "timeseries": ("raw/composable/timeseries/panelcfg/x", "Options", "FieldConfig"),
}
"""Folder and interfaces of each part, by the part's name in front of its types."""


def declarations(text: str, part: str) -> dict[str, Any]:
    """Return interfaces and enumerations of a file by name, `part.Name` outside the first."""
    found: dict[str, Any] = {}
    for kind, name, bases, body in DECLARATION.findall(COMMENT.sub("", text)):
        if kind == "enum":
            found[_named(name, part)] = {"values": VALUE.findall(body)}
            continue
        plain = NESTED.sub(r"    \1: object;", body)
        found[_named(name, part)] = {
            "extends": [base.split(".")[-1].strip() for base in bases.split(",") if base.strip()],
            "fields": {field: " ".join(kind.split()) for field, kind in FIELD.findall(plain)},
        }
    return found


def reached(types: dict[str, Any], roots: list[str]) -> dict[str, Any]:
    """Return the types that some types lead to, bases resolved."""
    found: dict[str, Any] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in found or name not in types:
            continue
        one = types[name]
        if "values" in one:
            found[name] = one
            continue
        fields = dict(one["fields"])
        for base in one["extends"]:
            known = types.get(f"common.{base}") or types.get(base) or {"fields": {}, "extends": []}
            fields = {**reached_fields(types, known), **fields}
        found[name] = {"fields": dict(sorted(fields.items()))}
        for kind in fields.values():
            for word in re.findall(r"\w+", kind):
                todo += [word, f"common.{word}"]
    return dict(sorted(found.items()))


def reached_fields(types: dict[str, Any], one: dict[str, Any]) -> dict[str, str]:
    """Return the fields of an interface with those of its bases."""
    fields = dict(one["fields"])
    for base in one["extends"]:
        known = types.get(f"common.{base}") or types.get(base)
        if known is not None:
            fields = {**reached_fields(types, known), **fields}
    return fields


def _named(name: str, part: str) -> str:
    return f"{part}.{name}" if part else name


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    types: dict[str, Any] = {}
    roots: list[str] = []
    layout = "types" if (given.package / "dist/types").is_dir() else "esm"  # until Grafana 12
    for part, (folder, *names) in ROOTS.items():
        for file in sorted((given.package / "dist" / layout / folder).glob("*.gen.d.ts")):
            types |= declarations(file.read_text(encoding="utf-8"), part)
        roots += [_named(name, part) for name in names]
    version = json.loads((given.package / "package.json").read_text(encoding="utf-8"))["version"]
    document = {"version": version, "licence": "Apache-2.0", "types": reached(types, roots)}
    given.file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
