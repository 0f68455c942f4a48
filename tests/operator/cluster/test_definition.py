"""An older TrainingJob definition in the cluster is noticed before anything is lost in it."""

import copy
from typing import Any

import pytest

from lowtide_operator.cluster.definition import missing, outdated, wanted


def served(schema: Any) -> dict[str, Any]:
    """Return the OpenAPI document that an API server makes of a definition."""
    kind = {"group": "lowtide.dev", "version": "v1alpha1", "kind": "TrainingJob"}
    ours = {**schema, "x-kubernetes-group-version-kind": [kind]}
    other = {"type": "object", "x-kubernetes-group-version-kind": [kind | {"kind": "X"}]}
    return {"components": {"schemas": {"list": other, "job": ours}}}


def without(*path: str) -> dict[str, Any]:
    """Return the operator's own schema, less one field."""
    schema = copy.deepcopy(dict(wanted()))
    place = schema["properties"]
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return schema


def test_its_own_definition_is_current() -> None:
    """What this version ships has everything; descriptions do not matter."""
    assert outdated(served(dict(wanted()))) is None


@pytest.mark.parametrize(
    ("path", "named"),
    [
        pytest.param(("spec", "properties", "schedule"), "spec.schedule:", id="a section"),
        pytest.param(
            ("status", "properties", "energy", "properties", "mock"),
            "status.energy.mock:",
            id="a field",
        ),
        pytest.param(
            ("status", "properties", "attempts", "items", "properties", "end"),
            "status.attempts[].end:",
            id="a field of a list",
        ),
    ],
)
def test_lacking_field_is_named_with_what_to_do(path: tuple[str, ...], named: str) -> None:
    """The sentence has the path of the field and the command that mends it."""
    said = outdated(served(without(*path)))

    assert said is not None
    assert f"and lacks {named}" in said
    assert "kubectl apply --server-side -f crds/" in said


def test_many_lacking_fields_are_counted() -> None:
    """A sentence stays a sentence."""
    empty = {"properties": {"spec": {}, "status": {}}}

    said = outdated(served(empty))

    assert said is not None
    assert " more: kubectl" in said
    assert len(said) < 300


def test_newer_definition_is_fine() -> None:
    """Fields that this operator does not know do no harm: a rollback keeps the definition."""
    schema = copy.deepcopy(dict(wanted()))
    schema["properties"]["status"]["properties"]["novel"] = {"type": "string"}

    assert outdated(served(schema)) is None


def test_server_that_publishes_no_schema_says_nothing() -> None:
    """A server without the document, or with another group's, is not called outdated."""
    assert outdated({}) is None
    assert outdated({"components": {"schemas": {}}}) is None


def test_what_keeps_unknown_fields_lacks_none() -> None:
    """The user's template is kept as it is."""
    loose = {"x-kubernetes-preserve-unknown-fields": True}

    assert list(missing({"properties": {"a": {}}}, loose)) == []
