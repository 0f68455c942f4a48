"""Writes the facts that the table of workload kinds is checked against: `workload_schemas.py`.

They are the types of the fields that the table names, cut out of each kind's definition in the Go
module of the project that makes it; a field that is not there is left out. Needs Go and its module
proxy, so the result is committed; run it again when a version here changes. All four projects are
under the Apache License 2.0, and nothing but names of fields is taken from them.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from lowtide.trainingjob.workload_kinds import KINDS, WorkloadKind

TARGET = Path(__file__).resolve().parent.parent / "tests/operator/objects/workload_fields.json"
DOWNLOAD_SECONDS = 600
SOURCES: Final = {
    "JobSet": (
        "sigs.k8s.io/jobset@v0.11.1",
        "config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml",
    ),
    "TrainJob": (
        "github.com/kubeflow/trainer/v2@v2.2.0",
        "manifests/base/crds/trainer.kubeflow.org_trainjobs.yaml",
    ),
    "PyTorchJob": (
        "github.com/kubeflow/training-operator@v1.9.3",
        "manifests/base/crds/kubeflow.org_pytorchjobs.yaml",
    ),
    "RayJob": (
        "github.com/ray-project/kuberay/ray-operator@v1.6.0",
        "config/crd/bases/ray.io_rayjobs.yaml",
    ),
}
DEEPEST: Final = 9
"""Fields of a path at most; what lies deeper is in no entry of the table."""


def main() -> None:
    """Write the facts of all kinds."""
    facts = {
        kind.kind: facts_of(kind, *SOURCES[kind.kind]) for kind in KINDS if kind.kind in SOURCES
    }
    TARGET.write_text(json.dumps(facts, indent=1) + "\n")


def facts_of(kind: WorkloadKind, module: str, path: str) -> dict[str, Any]:
    """Return version, names and the fields of one definition that the table names."""
    with tempfile.TemporaryDirectory() as empty:
        answer = subprocess.run(
            ["go", "mod", "download", "-json", module],
            cwd=empty,
            capture_output=True,
            text=True,
            check=True,
            timeout=DOWNLOAD_SECONDS,
        )
    folder = Path(json.loads(answer.stdout)["Dir"])
    definition = yaml.load((folder / path).read_text(), Loader=yaml.CSafeLoader)["spec"]
    stored = next(one for one in definition["versions"] if one["storage"])
    schema = stored["schema"]["openAPIV3Schema"]["properties"]
    every = {
        name: type_
        for section in ("spec", "status")
        for name, type_ in fields_of(section, schema[section], DEEPEST)
    }
    fields = {name: every[name] for name in kind.paths() if name in every}
    return {
        "module": module,
        "group": definition["group"],
        "version": stored["name"],
        "plural": definition["names"]["plural"],
        "fields": fields,
    }


def fields_of(path: str, schema: dict[str, Any], levels: int) -> Iterator[tuple[str, str]]:
    """Yield path and type of every field; of a pod's spec only that it is one."""
    properties = schema.get("properties", {})
    if "containers" in properties:
        yield path, "pod"
        return
    yield path, schema.get("type", "any")
    if levels == 0:
        return
    for name, child in properties.items():
        yield from fields_of(f"{path}.{name}", child, levels - 1)
    for each in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(each, dict):
            yield from fields_of(f"{path}.*", each, levels - 1)


if __name__ == "__main__":
    main()
