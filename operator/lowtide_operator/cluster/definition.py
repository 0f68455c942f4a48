"""Definition of TrainingJobs in the cluster: does it have every field that this operator knows?

An API server silently drops fields that its definition lacks: with an older definition jobs would
run and their figures would be lost. So the operator compares before it starts.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lowtide import names
from lowtide.trainingjob import crd
from lowtide_operator.cluster.errors import ClusterError

SHOWN: Final = 3
"""Fields named in the message; the others are only counted."""

Schema = Mapping[str, Any]


class OutdatedDefinitionError(ClusterError):
    """The definition in the cluster lacks fields that this operator writes."""


def outdated(document: Schema) -> str | None:
    """Return why the served definition is too old, `None` where it has everything.

    Args:
        document: what the API server answers at `/openapi/v3/apis/<group>/<version>`. One without
            a schema of TrainingJobs says nothing, and counts as current.
    """
    schemas = document.get("components", {}).get("schemas", {})
    served = next((one for one in schemas.values() if _is_ours(one)), None)
    if served is None:
        return None
    ours = wanted()["properties"]
    lacking = [
        f"{part}{path}"
        for part in ("spec", "status")
        for path in missing(ours[part], served["properties"].get(part, {}))
    ]
    if not lacking:
        return None
    named = ", ".join(lacking[:SHOWN])
    more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    return (
        f"the TrainingJob definition in the cluster is older than this operator and lacks {named}"
        f"{more}: kubectl apply --server-side -f crds/ of this version, or set crds.enabled=true"
    )


def wanted() -> Schema:
    """Return the schema of the definition that belongs to this operator."""
    versions = crd.custom_resource_definition()["spec"]["versions"]
    found: Schema = versions[0]["schema"]["openAPIV3Schema"]
    return found


def missing(wanted_schema: Schema, served: Schema) -> Iterator[str]:
    """Yield the path of every field that the served schema lacks; nothing below such a field."""
    if served.get("x-kubernetes-preserve-unknown-fields"):
        return
    below = served.get("properties", {})
    for name, field in wanted_schema.get("properties", {}).items():
        if name not in below:
            yield f".{name}"
        else:
            yield from (f".{name}{path}" for path in missing(field, below[name]))
    if "items" in wanted_schema and "items" in served:
        yield from (f"[]{path}" for path in missing(wanted_schema["items"], served["items"]))


def _is_ours(schema: Schema) -> bool:
    kinds = schema.get("x-kubernetes-group-version-kind", ())
    return any((one["group"], one["kind"]) == (names.GROUP, names.KIND) for one in kinds)
