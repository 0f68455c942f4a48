"""The reference pages that are made from code: API fields, settings, metrics, commands.

A page can only say what the code says; a test runs `make generate --check`. Descriptions are the
ones in the models, in the docstrings below settings and in the exporter's table of metrics.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import yaml
from pydantic import BaseModel

from lowtide.accounts import settings as account_settings
from lowtide.cli.main import main as command_line
from lowtide.grid import overhead_settings, provider_settings
from lowtide.grid import settings as grid_settings
from lowtide.prices import settings as price_settings
from lowtide.trainingjob import crd, schedule_settings
from lowtide_exporter.page import catalogue
from lowtide_operator import process_settings, sample_settings
from lowtide_operator import settings as operator_settings
from lowtide_operator.telemetry import job_metrics
from lowtide_operator.telemetry import metrics as operator_metrics
from lowtide_operator.telemetry.forecast_metrics import forecast_families
from lowtide_operator.telemetry.price_metrics import price_families
from lowtide_operator.telemetry.provider_metrics import provider_families

COUNTERS = {"CounterMetricFamily", "_by_outcome"}
"""Functions with which the operator's collector makes counters; their series end in `_total`."""
HEAD = "Generated from the code by `make generate`.\n"


def api_text() -> str:
    """Return docs/reference/trainingjob.md: every field of the API with its description."""
    schema = yaml.safe_load(crd.crd_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    lines = [
        "# TrainingJob fields",
        "",
        HEAD,
        "`lowtide.dev/v1alpha1`, kind `TrainingJob`, short name `tj`. Quantities in `status` are",
        "integers or decimal texts with the unit in the name; an unknown value is absent, and a",
        "condition says why.",
    ]
    for part in ("spec", "status"):
        lines += ["", f"## {part}", "", "| field | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{path}` | {kind} | {_cell(text)} |"
            for path, kind, text in _fields(part, schema["properties"][part])
        ]
    return "\n".join(lines) + "\n"


def settings_text() -> str:
    """Return docs/reference/settings.md: every field of the operator's settings file."""
    docs = {
        **_attribute_docs(operator_settings),
        **_attribute_docs(process_settings),
        **_attribute_docs(sample_settings),
        **_attribute_docs(account_settings),
        **_attribute_docs(schedule_settings),
        **_attribute_docs(grid_settings),
        **_attribute_docs(provider_settings),
        **_attribute_docs(overhead_settings),
        **_attribute_docs(price_settings),
    }
    lines = [
        "# Settings of the operator",
        "",
        HEAD,
        "One YAML file, written by the chart from `settings`. Every field has a default. A single",
        "field is overridden by `LOWTIDE_OPERATOR_<SECTION>__<FIELD>`, for example",
        "`LOWTIDE_OPERATOR_PROMETHEUS__URL`. Fields marked * take effect without a restart.",
    ]
    for title, model in _settings_models(operator_settings.OperatorSettings):
        lines += ["", f"## {title}", "", "| field | default | meaning |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            shown = _default(field)
            mark = "*" if title == "settings" and name in operator_settings.RELOADABLE else ""
            text = docs.get((model.__name__, name)) or _inherited(model, name, docs)
            alias = field.alias or name
            lines.append(f"| `{alias}`{mark} | {shown} | {_cell(text)} |")
    return "\n".join(lines) + "\n"


def metrics_text() -> str:
    """Return docs/reference/series.md: every series of exporter and operator."""
    lines = ["# Time series", "", HEAD, "## Exporter", "", "Port 9400, `/metrics`.", ""]
    lines += ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{family.name}` | {family.kind} | {', '.join(family.labels)} | {_cell(family.text)} |"
        for family in catalogue.FAMILIES
    ]
    lines += ["", "## Operator", "", "Port 9090, `/metrics`. Per job, labels namespace and", ""]
    lines[-1:] = [
        "trainingjob; a figure that is not known has no series. Series of their own have jobs"
    ]
    lines += [
        "that run, are at risk, ended within `server.jobSeriesSeconds` or are next to start, at"
    ]
    lines += ["most 250; `lowtide_trainingjobs_...` add up all jobs by namespace and state.", ""]
    lines += ["| metric | meaning |", "|---|---|"]
    for name, text in job_metrics.JOB_FIGURES.items():
        lines.append(f"| `lowtide_trainingjob_{name}` | {_cell(text)} |")
    for name, text in job_metrics.SUMMED.items():
        lines.append(f"| `lowtide_trainingjobs_{name}` | {_cell(text)} |")
    lines += [f"| `{name}` | {_cell(text)} |" for name, text in _literal_metrics()]
    now = datetime.now(UTC)
    collected = (
        *forecast_families({}, now, None),
        *provider_families({}),
        *price_families((), {}, (), now),
    )
    for family in collected:
        lines.append(f"| `{family.name}` | {_cell(family.documentation)} |")
    lines += ["", "## Recording rules", "", "Of the chart: level, quantity, operation.", ""]
    lines += ["| series | expression |", "|---|---|"]
    lines += [f"| `{name}` | `{_cell(text)}` |" for name, text in _recorded()]
    return "\n".join(lines) + "\n"


def _recorded() -> Iterator[tuple[str, str]]:
    """Yield name and expression of the chart's recording rules."""
    folder = Path(__file__).resolve().parent.parent / "charts/lowtide/files/rules"
    for path in sorted(folder.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    yield rule["record"], " ".join(rule["expr"].split())


def commands_text() -> str:
    """Return docs/reference/commands.md: every subcommand and its options."""
    lines = [
        "# Commands",
        "",
        HEAD,
        "`lowtide` and `kubectl lowtide` are the same program. Exit codes: 0 done, 1 failed,",
        "2 wrong use. Standard output carries data only.",
    ]
    context = click.Context(command_line, info_name="lowtide", **command_line.context_settings)
    for name in command_line.list_commands(context):
        command = command_line.get_command(context, name)
        if command is not None:
            lines += ["", *_command(command, f"lowtide {name}", context)]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, path: str, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    with_width = click.HelpFormatter(width=96)
    command.format_help(context, with_width)
    lines = [f"## {path}", "", "```text", with_width.getvalue().rstrip(), "```"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                lines += ["", *_command(below, f"{path} {name}", context)]
    return lines


def _fields(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield path, type and description of every field below, in order."""
    for name, below in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        items = below.get("items", {})
        kind = below.get("type", "any")
        shown = f"list of {items.get('type', 'any')}" if kind == "array" else kind
        if values := below.get("enum"):
            shown = ", ".join(map(str, values))
        yield here, shown, below.get("description", "")
        yield from _fields(here, below)
        if items:
            yield from _fields(f"{here}[]", items)


def _settings_models(root: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a title and the model of the root and of every section below it."""
    yield "settings", root
    for name, field in root.model_fields.items():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation
    yield "zones.NAME", grid_settings.ZoneSettings
    yield "pue.ZONE", overhead_settings.OverheadSettings
    yield "pue.ZONE.prometheus", provider_settings.QuerySettings
    yield "embodied.MODEL", operator_settings.EmbodiedSettings
    for name, model in sorted(vars(provider_settings).items()):
        if (
            inspect.isclass(model)
            and issubclass(model, BaseModel)
            and "kind" in model.model_fields
            and not name.startswith("_")
        ):
            kind = model.model_fields["kind"].annotation.__args__[0]
            yield f"zones.NAME.providers[] of kind {kind}", model


def _attribute_docs(module: ModuleType) -> dict[tuple[str, str], str]:
    """Return the text below each field of each class of a module, by class and field."""
    found = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, text in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match text:
                    case ast.Expr(value=ast.Constant(value=str() as words)):
                        found[node.name, field.target.id] = " ".join(words.split())
    return found


def _inherited(model: type[BaseModel], name: str, docs: dict[tuple[str, str], str]) -> str:
    """Return the text of a field that a base class describes, or what its type says."""
    for base in model.__mro__:
        if text := docs.get((base.__name__, name)):
            return text
    return "which provider this is" if name == "kind" else ""


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or (isinstance(value, dict) and value):
        return "see below"
    if value is None:
        return "none"
    return f"`{json.dumps(value, default=str)}`"


def _literal_metrics() -> Iterator[tuple[str, str]]:
    """Yield name and text of the families that the operator's collector names in its source."""
    trees = [ast.parse(inspect.getsource(one)) for one in (job_metrics, operator_metrics)]
    seen = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        texts = []
        if isinstance(node, ast.Call):
            texts = [_literal(argument) for argument in node.args[:2]]
        elif isinstance(node, ast.Tuple):
            texts = [_literal(entry) for entry in node.elts[:2]]
        if len(texts) != 2 or not all(texts):
            continue
        name, text = texts
        if isinstance(node, ast.Call) and _called(node) in COUNTERS:
            name = f"{name}_total"
        if isinstance(node, ast.Tuple) and " " not in name and "_" in name and " " in text:
            name = f"lowtide_operator_{name}_total"
        if not name.startswith("lowtide_") or " " in name or name in seen:
            continue
        seen.add(name)
        yield name, text


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _literal(node: ast.expr) -> str:
    """Return the text of a constant, or of an f-string whose one variable is the prefix."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and len(node.values) == 2:
        last = node.values[1]
        if isinstance(last, ast.Constant):
            return f"lowtide_operator{last.value}"
    return ""


def _cell(text: str) -> str:
    """Return `text` so that it cannot end a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
