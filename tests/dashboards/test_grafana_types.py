"""The committed dashboards against the types of the oldest supported Grafana and of the newest.

`tools/grafana_types.py` cuts them out of `@grafana/schema`.
"""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "charts/lowtide/files/dashboards").glob("*.json"))
GRAFANAS = {
    version: json.loads((Path(__file__).parent / "grafana" / f"{version}.json").read_text())
    for version in ("11.6", "13")
}
"""Types by Grafana's version: the oldest supported one and the newest."""
OWNED_BY_PANEL = ("options", "custom")
"""Fields whose type depends on the kind of the panel."""


def faults(types: dict[str, Any], value: Any, kind: str, where: str, panel: str = "") -> list[str]:
    """Return what in a value Grafana's type does not know."""
    if kind == "Panel":
        panel = value["type"]
    listed = re.fullmatch(r"Array<(.*)>|(\w+)\[\]", kind)
    if listed and isinstance(value, list):
        inner = listed[1] or listed[2]
        options = [one.strip().strip("()") for one in inner.split("|")]
        return [
            fault
            for number, item in enumerate(value)
            for fault in faults(types, item, chosen(item, options), f"{where}[{number}]", panel)
        ]
    name = next((name for name in (kind, f"common.{kind.split('.')[-1]}") if name in types), None)
    if name is None:
        return []
    if "values" in types[name]:
        values = types[name]["values"]
        return [] if str(value) in values else [f"{where}: {value!r} is not one of {values}"]
    if not isinstance(value, dict):
        return []
    fields = types[name]["fields"]
    found = [f"{where}.{key} is not a field of {name}" for key in value if key not in fields]
    if name == "Dashboard":  # an object without a name of its own
        variables = value["templating"]["list"]
        found += faults(types, variables, "Array<VariableModel>", f"{where}.templating")
    for key in value.keys() & fields.keys():
        inner = fields[key]
        if key in OWNED_BY_PANEL and panel:
            inner = f"{panel}.{'Options' if key == 'options' else 'FieldConfig'}"
        found += faults(types, value[key], inner, f"{where}.{key}", panel)
    return found


def chosen(item: Any, options: list[str]) -> str:
    """Return the first of several types: a panel and a row of panels share a list."""
    is_row = isinstance(item, dict) and item.get("type") == "row"
    return next((one for one in options if (one == "RowPanel") == is_row), options[0])


@pytest.mark.parametrize("version", GRAFANAS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_and_value_is_known_to_grafana(path: Path, version: str) -> None:
    """From the dashboard down to the options of each panel, in both versions alike."""
    grafana = GRAFANAS[version]

    assert grafana["version"].startswith(f"{version}.")
    assert faults(grafana["types"], json.loads(path.read_text()), "Dashboard", path.stem) == []


@pytest.mark.parametrize("version", GRAFANAS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            lambda board: board.update(titel="x"), ".titel is not a field", id="dashboard"
        ),
        pytest.param(
            lambda board: board["panels"][0]["gridPos"].update(width=3), ".width is no", id="place"
        ),
        pytest.param(
            lambda board: board["panels"][0]["options"]["reduceOptions"].update(calc=[]),
            ".calc is not a field",
            id="options of a panel",
        ),
        pytest.param(
            lambda board: board["panels"][0]["options"].update(graphMode="lines"),
            "'lines' is not one of",
            id="value",
        ),
        pytest.param(
            lambda board: board["templating"]["list"][0].update(includeEverything=True),
            ".includeEverything is not a field",
            id="variable",
        ),
        pytest.param(
            lambda board: next(panel for panel in board["panels"] if panel["type"] == "timeseries")[
                "fieldConfig"
            ]["defaults"]["custom"].update(fillOpacityy=3),
            ".fillOpacityy is not a field",
            id="style of a curve",
        ),
    ],
)
def test_a_wrong_name_or_value_is_found(change: Any, said: str, version: str) -> None:
    """At each depth; the committed file itself is right."""
    board = copy.deepcopy(json.loads(FILES[0].read_text()))
    change(board)

    found = faults(GRAFANAS[version]["types"], board, "Dashboard", "board")

    assert len(found) == 1
    assert said in found[0]
