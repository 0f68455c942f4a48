"""Two versions of the API on a real API server: each object can be read and written by both.

The definition is the committed one with `v1beta1` beside it, in a group of its own so that no
operator sees it, and without bounds, so that every field can be filled without knowing its rules.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from clients import Kubectl
from singlenode.commands import CommandFailedError
from sleepers import await_

from lowtide.trainingjob import crd

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.own_namespace]

GROUP = "versions.lowtide.dev"
NAME = f"trainingjobs.{GROUP}"
OLD, NEW = "v1alpha1", "v1beta1"
BOUNDS = {
    *("enum", "format", "maximum", "minimum", "maxLength", "minLength", "pattern", "maxItems"),
    *("x-kubernetes-validations", "required", "default"),
}
Schema = dict[str, Any]


def unbounded(schema: Schema) -> Schema:
    """The schema with the same fields and types, and nothing that refuses a value."""
    found = {word: value for word, value in schema.items() if word not in BOUNDS}
    if "properties" in schema:
        found["properties"] = {n: unbounded(one) for n, one in schema["properties"].items()}
    if "items" in schema:
        found["items"] = unbounded(schema["items"])
        # Keys of a list that is merged by them must be required.
        found["items"] |= {"required": schema.get("x-kubernetes-list-map-keys", [])}
    return found


def filled(schema: Schema) -> Any:
    """A value with every field that the schema knows."""
    match schema["type"]:
        case "object" if "properties" in schema:
            return {name: filled(one) for name, one in schema["properties"].items()}
        case "object":
            return {"free": [{"form": 1}]}
        case "array":
            return [filled(schema["items"])]
        case "integer":
            return 7
        case "boolean":
            return True
        case _:
            return "text"


def definition(versions: Sequence[str]) -> Schema:
    """The definition that serves `versions` and stores the first."""
    found = copy.deepcopy(crd.custom_resource_definition(versions))
    found["metadata"]["name"] = NAME
    found["spec"] |= {"group": GROUP}
    for word in ("shortNames", "categories"):
        del found["spec"]["names"][word]
    for version in found["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        version["schema"]["openAPIV3Schema"] = unbounded(schema)
    return found


@pytest.fixture
def serve(kubectl: Kubectl) -> Iterator[Any]:
    """A function that applies the definition of some versions and waits until all are served."""

    def is_served(version: str) -> bool:
        try:
            return "trainingjobs" in kubectl("get", "--raw", f"/apis/{GROUP}/{version}")
        except CommandFailedError:
            return False

    def apply(*versions: str) -> None:
        kubectl.apply(definition(versions))
        for version in versions:
            await_(lambda version=version: is_served(version), f"{version} is served")

    yield apply
    kubectl("delete", "crd", NAME, "--ignore-not-found")


def test_no_field_is_lost_between_two_versions_and_back(
    kubectl: Kubectl, namespace: str, serve: Any
) -> None:
    """Stored by the old version, read and changed by the new one, read by the old one again."""
    inside = kubectl.within(namespace)

    def read(version: str) -> Schema:
        found: Schema = inside.json("get", f"trainingjobs.{version}.{GROUP}", "net")
        assert found["apiVersion"] == f"{GROUP}/{version}"
        return {section: found[section] for section in ("spec", "status")}

    serve(OLD)
    properties = definition([OLD])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    whole = {section: filled(properties[section]) for section in ("spec", "status")}
    head = {"apiVersion": f"{GROUP}/{OLD}", "kind": "TrainingJob", "metadata": {"name": "net"}}
    inside.apply({**head, **whole})
    inside(
        *("patch", f"trainingjobs.{OLD}.{GROUP}", "net", "--subresource=status", "--type=merge"),
        *("-p", json.dumps({"status": whole["status"]})),
    )
    assert read(OLD) == whole

    serve(NEW, OLD)
    assert read(NEW) == read(OLD) == whole

    change = '{"spec":{"grid":{"zone":"FR"}}}'
    inside("patch", f"trainingjobs.{NEW}.{GROUP}", "net", "--type=merge", "-p", change)
    whole["spec"]["grid"]["zone"] = "FR"
    assert read(OLD) == read(NEW) == whole

    serve(OLD, NEW)
    change = '{"spec":{"grid":{"zone":"ES"}}}'
    inside("patch", f"trainingjobs.{OLD}.{GROUP}", "net", "--type=merge", "-p", change)
    whole["spec"]["grid"]["zone"] = "ES"
    assert read(NEW) == read(OLD) == whole
