"""The committed dashboards against the types of the newest Grafana (`tools/grafana_types.py`)."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "charts/lowtide/files/dashboards").glob("*.json"))
DOCUMENT = json.loads(Path(__file__).with_name("grafana-types.json").read_text())
TYPES: dict[str, Any] = DOCUMENT["types"]
OWNED_BY_PANEL = ("options", "custom")
"""Fields whose type depends on the kind of the panel."""


def faults(value: Any, kind: str, where: str, panel: str = "") -> list[str]:
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
            for fault in faults(item, chosen(item, options), f"{where}[{number}]", panel)
        ]
    name = next((name for name in (kind, f"common.{kind.split('.')[-1]}") if name in TYPES), None)
    if name is None:
        return []
    if "values" in TYPES[name]:
        values = TYPES[name]["values"]
        return [] if str(value) in values else [f"{where}: {value!r} is not one of {values}"]
    if not isinstance(value, dict):
        return []
    fields = TYPES[name]["fields"]
    found = [f"{where}.{key} is not a field of {name}" for key in value if key not in fields]
    if name == "Dashboard":  # an object without a name of its own
        found += faults(value["templating"]["list"], "Array<VariableModel>", f"{where}.templating")
    for key in value.keys() & fields.keys():
        inner = fields[key]
        if key in OWNED_BY_PANEL and panel:
            inner = f"{panel}.{'Options' if key == 'options' else 'FieldConfig'}"
        found += faults(value[key], inner, f"{where}.{key}", panel)
    return found


def chosen(item: Any, options: list[str]) -> str:
    """Return the first of several types: a panel and a row of panels share a list."""
    is_row = isinstance(item, dict) and item.get("type") == "row"
    return next((one for one in options if (one == "RowPanel") == is_row), options[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_and_value_is_known_to_the_newest_grafana(path: Path) -> None:
    """From the dashboard down to the options of each panel."""
    assert DOCUMENT["version"].startswith("13.")
    assert faults(json.loads(path.read_text()), "Dashboard", path.stem) == []


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
def test_a_wrong_name_or_value_is_found(change: Any, said: str) -> None:
    """At each depth; the committed file itself is right."""
    board = copy.deepcopy(json.loads(FILES[0].read_text()))
    change(board)

    found = faults(board, "Dashboard", "board")

    assert len(found) == 1
    assert said in found[0]
