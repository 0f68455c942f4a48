"""The chart's JSON schema and its reference page, both made from `values.yaml`.

The values file is the only place where a value is named, defaulted and described: a comment that
begins with `# --` belongs to the key below it. Types follow from the defaults; what a default
cannot say (an enumeration, the items of a list) is in `REFINEMENTS`. The schema is draft-07, the
newest that every supported Helm understands, and closed: a misspelt key is refused at install
time instead of being ignored.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from lowtide_operator.settings import OperatorSettings

CHART = Path(__file__).resolve().parent.parent / "charts" / "lowtide"

Schema = dict[str, Any]

_NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
_STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
_OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
_STRING_MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_PULL_POLICIES = ["Always", "IfNotPresent", "Never"]

REFINEMENTS: dict[str, Schema] = {
    "commonLabels": _STRING_MAP,
    "watchNamespaces": {"type": "array", "items": _NAME, "uniqueItems": True},
    "image.pullPolicy": {"type": "string", "enum": _PULL_POLICIES},
    "image.pullSecrets": {"type": "array", "items": _NAME},
    "credentials": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"secretName": _NAME},
            "required": ["secretName"],
            "additionalProperties": False,
        },
    },
    "operator.replicas": {"type": "integer", "minimum": 0},
    "operator.historyVolume": {"type": "object"},
    "operator.podSecurityContext": {"type": "object"},
    "operator.securityContext": {"type": "object"},
    "exporter.ownerResources": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "group": {"type": "string", "pattern": "^[a-z0-9.-]*$"},
                "kind": {"type": "string", "pattern": "^[A-Za-z0-9]+$"},
                "resource": {"type": "string", "pattern": "^[a-z0-9]+$"},
            },
            "required": ["group", "kind", "resource"],
            "additionalProperties": False,
        },
    },
    "exporter.podSecurityContext": {"type": "object"},
    "exporter.securityContext": {"type": "object"},
    "exporter.nodeSelector": _STRING_MAP,
    "exporter.tolerations": _OBJECTS,
    "exporter.periodSeconds": {"type": "number", "exclusiveMinimum": 0},
    "exporter.maxUnavailable": {"type": ["integer", "string"]},
    "exporter.logLevel": {"type": "string", "enum": ["debug", "info", "warning", "error"]},
    "exporter.kubeletDirectory": {"type": "string", "pattern": "^/.*[^/]$"},
    "exporter.dcgm.url": {"type": "string", "pattern": "^(https?://.+)?$"},
    "exporter.stateDirectory": {"type": "string", "pattern": "^(/.*)?$"},
    "monitoring.prometheusRule.disabled": _STRINGS,
    "monitoring.prometheusRule.overrides": {
        "type": "object",
        "additionalProperties": {"type": "object"},
    },
    "monitoring.prometheusRule.budgets.jobEnergyKilowattHours": {"type": "number", "minimum": 0},
    "monitoring.prometheusRule.budgets.jobCarbonKilograms": {"type": "number", "minimum": 0},
    "networkPolicy.from": _OBJECTS,
}
_BY_KEY: dict[str, Schema] = {
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "repository": {"type": "string", "minLength": 1},
    "interval": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
    "extraArgs": _STRINGS,
    "extraEnv": _OBJECTS,
    "extraVolumes": _OBJECTS,
    "extraVolumeMounts": _OBJECTS,
    "tolerations": _OBJECTS,
    "podLabels": _STRING_MAP,
    "podAnnotations": _STRING_MAP,
    "annotations": _STRING_MAP,
    "labels": _STRING_MAP,
    "alertLabels": _STRING_MAP,
    "nodeSelector": _STRING_MAP,
}

_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):")
_COMMENT = re.compile(r"^ *# ?(?P<text>.*)$")


def values_text() -> str:
    """Return the text of the chart's `values.yaml`."""
    return (CHART / "values.yaml").read_text(encoding="utf-8")


def descriptions(text: str) -> dict[str, str]:
    """Return the dotted path of every described key of `text`, in file order, and its sentence."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if remark := _COMMENT.match(line):
            words = remark["text"]
            if words.startswith("-- "):
                comment = [words.removeprefix("-- ")]
            elif comment:
                comment.append(words)
            continue
        if key := _KEY.match(line):
            depth = len(key["indent"])
            path = [entry for entry in path if entry[0] < depth] + [(depth, key["key"])]
            if comment:
                found[".".join(name for _, name in path)] = " ".join(comment)
        comment = []
    return found


def schema_text() -> str:
    """Return `values.schema.json`: the chart's own values, and the operator's settings in them."""
    text = values_text()
    root = _schema_of("", yaml.safe_load(text), descriptions(text))
    # Helm adds `global` to the values of a subchart.
    root["properties"]["global"] = {"type": "object"}
    settings = _settings_schema()
    root["definitions"] = settings.pop("$defs")
    root["properties"]["settings"] |= settings
    head = {"$schema": "http://json-schema.org/draft-07/schema#"}
    return json.dumps(head | root, indent=2) + "\n"


def _settings_schema() -> Schema:
    """Return the schema of the settings file with references as draft-07 spells them.

    Defaults are left out: the operator fills them in, and the reference page lists them.
    """
    schema = json.dumps(OperatorSettings.model_json_schema(by_alias=True))
    renamed = json.loads(schema.replace('"#/$defs/', '"#/definitions/'))
    plain: Schema = _without(renamed, {"default", "title", "description", "discriminator"})
    return plain


def _without(node: Any, keywords: set[str]) -> Any:
    """Return a schema without some keywords; properties of the same name stay."""
    if isinstance(node, list):
        return [_without(entry, keywords) for entry in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _without(below, keywords) for name, below in value.items()}
        if key in {"properties", "$defs"}
        else _without(value, keywords)
        for key, value in node.items()
        if key not in keywords
    }


def reference_text() -> str:
    """Return the page docs/reference/chart-values.md."""
    text = values_text()
    defaults = yaml.safe_load(text)
    lines = [
        "# Chart values",
        "",
        "Generated from `charts/lowtide/values.yaml` by `make generate`. The schema is closed: an",
        "unknown key or a wrong type is refused by `helm install` with its path.",
        "",
        "| value | default | meaning |",
        "|---|---|---|",
    ]
    for path, sentence in descriptions(text).items():
        value: Any = defaults
        for key in path.split("."):
            value = value[key]
        shown = _cell(json.dumps(value))
        lines.append(f"| `{path}` | `{shown}` | {_cell(sentence)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return `text` so that it cannot end a cell of a Markdown table."""
    return text.replace("|", "\\|")


def _schema_of(path: str, value: Any, sentences: dict[str, str]) -> Schema:
    """Return the schema of one value: refined where the default alone does not say enough."""
    described = {"description": sentences[path]} if path in sentences else {}
    key = path.rpartition(".")[2]
    for known in (REFINEMENTS.get(path), _BY_KEY.get(key)):
        if known is not None:
            return described | known
    match value:
        case bool():
            return described | {"type": "boolean"}
        case int():
            return described | {"type": "integer", "minimum": 0}
        case str():
            return described | {"type": "string"}
        case list():
            return described | {"type": "array"}
        case dict() if value:
            inner = {
                name: _schema_of(f"{path}.{name}".lstrip("."), below, sentences)
                for name, below in value.items()
            }
            return described | {
                "type": "object",
                "properties": inner,
                "additionalProperties": False,
            }
    return described | {"type": "object"}
