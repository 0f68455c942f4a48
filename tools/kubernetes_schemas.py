"""Writes the schemas that the rendered chart is checked against: `kubernetes_schemas.py`.

They are cut out of the OpenAPI document inside the Go module `k8s.io/kubernetes` of the oldest and
the newest supported version, without descriptions, and closed: a field that a version does not
know is an error, as with the API server's strict validation. Needs Go and its module proxy, so the
results are committed; run it again when a supported version changes.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "tests" / "chart" / "schemas"
VERSIONS = ("v1.31.0", "v1.37.2")
KINDS = {
    "ClusterRole", "ClusterRoleBinding", "ConfigMap", "CustomResourceDefinition", "DaemonSet",
    "Deployment", "Job", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
    "NetworkPolicy", "Pod", "PodDisruptionBudget", "Role", "RoleBinding", "Service",
    "ServiceAccount",
}  # fmt: skip
GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
KEPT = ("type", "format", "required", "enum", "items", "additionalProperties", "properties", "$ref")
LOOSE = {
    "int-or-string": ["integer", "string"],
    "quantity": ["integer", "number", "string"],
}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
PREFIX = "#/definitions/"
DOWNLOAD_SECONDS = 600


def openapi(version: str) -> dict[str, Any]:
    """Return the OpenAPI document of a version of Kubernetes."""
    with tempfile.TemporaryDirectory() as empty:
        answer = subprocess.run(
            ["go", "mod", "download", "-json", f"k8s.io/kubernetes@{version}"],
            cwd=empty,
            capture_output=True,
            text=True,
            check=True,
            timeout=DOWNLOAD_SECONDS,
        )
    module = Path(json.loads(answer.stdout)["Dir"])
    document: dict[str, Any] = json.loads((module / "api/openapi-spec/swagger.json").read_text())
    return document


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    """Return the closed schemas of the kinds, and of everything that they refer to."""
    definitions = document["definitions"]
    kinds = {}
    for name, definition in definitions.items():
        for served in definition.get(GROUP_VERSION_KIND, ()):
            if served["kind"] in KINDS and "beta" not in served["version"]:
                version = "/".join(filter(None, (served["group"], served["version"])))
                kinds[f"{version} {served['kind']}"] = {"$ref": PREFIX + name}
    found: dict[str, Any] = {}
    wanted = [reference["$ref"].removeprefix(PREFIX) for reference in kinds.values()]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = closed(definitions[name])
        if name == QUANTITY:
            found[name] = {"type": LOOSE["quantity"]}
        wanted += references(found[name])
    return {"kinds": kinds, "definitions": dict(sorted(found.items()))}


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema's constraints, with every object closed whose fields are listed."""
    kept = {key: schema[key] for key in KEPT if key in schema}
    if kept.pop("format", None) == "int-or-string":
        kept["type"] = LOOSE["int-or-string"]
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = closed(kept[key])
    if "properties" in kept:
        kept["properties"] = {name: closed(one) for name, one in kept["properties"].items()}
        kept.setdefault("additionalProperties", False)
    return kept


def references(schema: Any) -> list[str]:
    """Return the names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        return [name for one in schema for name in references(one)]
    if not isinstance(schema, dict):
        return []
    here = [schema["$ref"].removeprefix(PREFIX)] if isinstance(schema.get("$ref"), str) else []
    return here + [name for one in schema.values() for name in references(one)]


def main() -> int:
    """Write a file per version; return 0."""
    TARGET.mkdir(exist_ok=True)
    for version in VERSIONS:
        minor = version.removeprefix("v").rpartition(".")[0]
        origin = f"k8s.io/kubernetes {version}, api/openapi-spec/swagger.json, Apache-2.0"
        content = {"origin": origin, **schemas(openapi(version))}
        text = json.dumps(content, separators=(",", ":")) + "\n"
        (TARGET / f"kubernetes-{minor}.json").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
