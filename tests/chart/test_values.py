"""Values that the chart accepts, and its words when it refuses one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "lowtide"


def test_default_values_pass_their_own_schema() -> None:
    """The shipped values are valid, and the schema itself is valid draft-07."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    jsonschema.Draft7Validator.check_schema(schema)

    jsonschema.Draft7Validator(schema).validate(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_every_value_carries_a_description() -> None:
    """No leaf of the schema is without the sentence that the reference page shows."""

    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        if "description" in schema:
            return []
        below = schema.get("properties")
        if not below:
            return [path]
        return [name for key, part in below.items() for name in undescribed(part, f"{path}.{key}")]

    schema = json.loads((CHART / "values.schema.json").read_text())

    assert undescribed(schema, "") == [".global"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"operatr": {}}, ["operatr"], id="unknown key at the top"),
        pytest.param(
            {"exporter": {"enable": True}}, ["exporter", "enable"], id="unknown key below"
        ),
        pytest.param({"operator": {"replicas": "two"}}, ["operator", "replicas"], id="wrong type"),
        pytest.param({"image": {"pullPolicy": "Sometimes"}}, ["pullPolicy"], id="not in the list"),
        pytest.param({"operator": {"image": {"digest": "abc"}}}, ["digest"], id="not a digest"),
        pytest.param({"credentials": [{"secret": "x"}]}, ["credentials"], id="unknown item field"),
        pytest.param(
            {"settings": {"prometheus": {"address": "x"}}}, ["address"], id="unknown setting"
        ),
        pytest.param(
            {"settings": {"forecast": {"refreshSeconds": "soon"}}},
            ["refreshSeconds"],
            id="wrong type of a setting",
        ),
        pytest.param({"watchNamespaces": ["Not_A_Name"]}, ["watchNamespaces"], id="not a name"),
        pytest.param(
            {"settings": {"zones": {"DE": {}}, "pue": {"DE": {"value": 0.9}}}},
            ["pue", "value"],
            id="a data centre that uses less than its computers",
        ),
    ],
)
def test_refuses_bad_values_naming_their_path(
    refusal: Callable[..., str], values: dict[str, Any], words: list[str]
) -> None:
    """A misspelt key or a wrong type stops the installation with the path of the fault."""
    message = refusal(values)

    assert "don't meet the specifications of the schema" in message
    for word in words:
        assert word in message


def test_refuses_a_disruption_budget_for_a_single_operator(refusal: Callable[..., str]) -> None:
    """A budget with one replica would block every node drain, and the chart says so."""
    message = refusal({"operator": {"podDisruptionBudget": {"enabled": True}}})

    assert "block every node drain" in message
    assert "set operator.replicas to 2" in message


def test_refuses_kubernetes_older_than_supported(refusal: Callable[..., str]) -> None:
    """1.30 has no field selectors of custom resources by default."""
    message = refusal({}, kubernetes="1.30.9")

    assert ">=1.31.0-0" in message


def test_refuses_to_disable_an_alert_that_does_not_exist(refusal: Callable[..., str]) -> None:
    """A misspelt alert name is an error, not an alert that keeps firing."""
    rules = {"enabled": True, "disabled": ["DeadlineAtRisky"]}

    message = refusal({"monitoring": {"prometheusRule": rules}})

    assert '"DeadlineAtRisky", which does not exist' in message
