"""The generated CustomResourceDefinition: committed, structural, bounded and described."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from for_each import for_each
from pydantic import BaseModel

from lowtide.trainingjob import crd

ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN = {"$ref", "$defs", "anyOf", "allOf", "oneOf", "const", "title", "additionalProperties"}


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")


@cache
def definition() -> dict[str, Any]:
    return crd.custom_resource_definition()


def schema_of(section: str) -> dict[str, Any]:
    version = definition()["spec"]["versions"][0]
    return version["schema"]["openAPIV3Schema"]["properties"][section]


FIELDS = [
    (path, schema)
    for section in ("spec", "status")
    for path, schema in walk(schema_of(section), section)
]


def test_committed_crd_equals_the_models() -> None:
    """`make generate` leaves nothing to commit."""
    committed = (ROOT / "crds/trainingjobs.lowtide.dev.yaml").read_text()

    assert committed == crd.crd_text()


def test_chart_holds_the_same_definition() -> None:
    """The chart's template without its Helm lines is the committed definition."""
    template = (ROOT / "charts/lowtide/templates/crds/trainingjobs.lowtide.dev.yaml").read_text()
    plain = [line for line in template.splitlines() if "{{" not in line]

    definition = yaml.safe_load("\n".join(plain))

    assert definition["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert definition == crd.custom_resource_definition()


@for_each("field", FIELDS)
def test_every_field_is_structural_described_and_bounded(field: tuple[str, dict[str, Any]]) -> None:
    """The API server takes no references or unions, and CEL needs bounds to estimate costs."""
    path, schema = field
    assert not FORBIDDEN & schema.keys()
    assert schema["type"] in {"object", "array", "string", "integer", "boolean"}
    if not path.endswith("[]"):
        assert schema["description"]
    if schema["type"] == "array":
        assert "maxItems" in schema
        assert "x-kubernetes-list-type" in schema
    if schema["type"] == "string" and "enum" not in schema and schema.get("format") != "date-time":
        assert "maxLength" in schema
    if schema["type"] == "object" and "properties" not in schema:
        assert schema["x-kubernetes-preserve-unknown-fields"] is True


def test_spec_holds_no_floats() -> None:
    """The API conventions forbid floats: decimals are texts."""
    assert not [path for path, schema in walk(schema_of("spec")) if schema["type"] == "number"]


def test_fields_with_defaults_are_not_required() -> None:
    """A minimal job is a template or a targetRef; a rule says that it is one of the two."""
    assert "required" not in schema_of("spec")
    rules = [rule["rule"] for rule in schema_of("spec")["x-kubernetes-validations"]]
    assert "has(self.template) != has(self.targetRef)" in rules


def test_conditions_are_a_list_map_keyed_by_type() -> None:
    """Server-side apply merges conditions by their type."""
    conditions = schema_of("status")["properties"]["conditions"]

    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == (
        "map",
        ["type"],
    )


def test_the_status_has_one_owner_and_the_spec_has_those_of_its_fields() -> None:
    """Who applies a part of the spec owns that part; the operator writes the status as a whole."""
    assert schema_of("status")["x-kubernetes-map-type"] == "atomic"
    within = [path for path, schema in walk(schema_of("spec")) if "x-kubernetes-map-type" in schema]
    assert within == []


@for_each("field", FIELDS)
def test_only_lists_say_how_they_are_merged(field: tuple[str, dict[str, Any]]) -> None:
    """The API server refuses the whole definition for one number that speaks of a list."""
    path, schema = field
    if "x-kubernetes-list-type" in schema:
        assert schema["type"] == "array", path
    for key in schema.get("x-kubernetes-list-map-keys", ()):
        assert key in schema["items"]["required"], path


def test_columns_are_the_promised_ones_and_future_times_are_texts() -> None:
    """A date column would print a planned start as <invalid>."""
    columns = crd.custom_resource_definition()["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [column for column in columns if "priority" not in column]

    names = [column["name"].upper() for column in shown]

    assert names == ["STATE", "START", "DEADLINE", "ENERGY", "SCI", "AVOIDED", "AGE"]
    assert {column["type"] for column in shown if column["name"] in ("Start", "Deadline")} == {
        "string"
    }


def test_real_unions_are_refused() -> None:
    """A union of two types has no structural schema and must not slip through."""

    class Both(BaseModel):
        field: int | str

    raw = Both.model_json_schema()

    with pytest.raises(ValueError, match="union of 2 types"):
        crd.structural(raw, {})


def test_dates_of_the_spec_are_bounded() -> None:
    """Outside of these years a date plus a duration is not a date."""
    spec = schema_of("spec")
    bounded = {
        path + rule["fieldPath"]
        for path, schema in walk(spec, "spec")
        for rule in schema.get("x-kubernetes-validations", ())
        if "timestamp(" in rule["rule"]
    }
    dates = {path for path, schema in walk(spec, "spec") if schema.get("format") == "date-time"}
    assert bounded == dates


def test_every_number_of_the_spec_is_bounded() -> None:
    """No value that a tenant writes makes planning slow or an integer too large."""
    numbers = {
        path: schema
        for path, schema in walk(schema_of("spec"), "spec")
        if schema["type"] == "integer"
    }
    assert numbers
    assert not [path for path, one in numbers.items() if not {"minimum", "maximum"} <= one.keys()]
