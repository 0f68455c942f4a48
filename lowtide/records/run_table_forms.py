"""Forms in which tools write tables of runs: their columns, and what each of them means.

Pure. CodeCarbon's emissions.csv, MLflow's two exports and W&B's are known by their columns; any
other table is read by its headers. A column without a unit is left out with its reason, never
guessed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lowtide.metrics.environment import environment_name
from lowtide.metrics.properties import PROPERTIES
from lowtide.records.columns import Meaning, meaning_of
from lowtide.records.errors import ReportError, shown
from lowtide.records.tables import parse_number
from lowtide.units import JOULES_PER_KWH, parse_timestamp

FIGURES: Final = frozenset(
    {"accuracy", "energy_joules", "duration_seconds", "cost_amount", "operational_grams",
     "embodied_grams", "sci_grams_per_unit", "stated_power_watts"}
) | frozenset(PROPERTIES)  # fmt: skip
PREFIXES: Final = ("metrics.", "params.", "tags.")
MLFLOW_NAMES: Final[Mapping[str, str]] = {
    "tags.mlflow.runName": "name", "run_id": "uid", "Name": "name", "Run ID": "uid",
}  # fmt: skip
LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|min|h|d|days?)")
LENGTH_SECONDS: Final = {
    "ms": 1e-3, "s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400, "day": 86400, "days": 86400,
}  # fmt: skip
ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "MLflow": ("start_time", "end_time", "Start Time", "Duration"),
    "W&B": ("Runtime", "_runtime"),
}
"""Columns that give the time of a run together or in a form of their own."""
CODECARBON: Final[Mapping[str, Meaning]] = {
    "project_name": Meaning("name"),
    "run_id": Meaning("uid"),
    "duration": Meaning("duration_seconds"),
    "emissions": Meaning("operational_grams", 1e3),
    "energy_consumed": Meaning("energy_joules", JOULES_PER_KWH),
    "country_iso_code": Meaning("zone"),
    "pue": Meaning("pue"),
    "accuracy": Meaning("accuracy"),
}
"""Columns of emissions.csv, in kg, kWh and seconds by CodeCarbon's definition."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """A way in which a tool writes a table of runs."""

    tool: str
    meanings: Mapping[str, Meaning]
    """Column and what it means, for the columns that are taken."""
    left_out: Mapping[str, str]
    """Column and the reason, for the others that name a figure."""
    status: str | None = None
    """Column that says whether a run finished."""
    extra: Callable[[Row], dict[str, Any]] | None = None
    """Figures of a row that no single column gives."""


def form_of(columns: Sequence[str], where: str) -> Form:
    """Return the form of a table that has these columns.

    Raises:
        ReportError: no column names a figure or a run, or two give the same figure.
    """
    known = set(columns)
    if {"energy_consumed", "emissions", "duration"} <= known and {"run_id", "project_name"} & known:
        meanings = {name: CODECARBON[name] for name in columns if name in CODECARBON}
        return Form("CodeCarbon", meanings, {}, extra=_codecarbon_extra)
    if "run_id" in known and any(name.startswith(PREFIXES) for name in columns):
        return _by_headers("MLflow", columns, where, status="status", extra=_mlflow_extra)
    if {"Run ID", "Status"} <= known:
        return _by_headers("MLflow", columns, where, status="Status", extra=_mlflow_page_extra)
    if {"Name", "State"} <= known:
        return _by_headers("W&B", columns, where, status="State", extra=_wandb_extra)
    return _by_headers("", columns, where)


def _by_headers(
    tool: str,
    columns: Sequence[str],
    where: str,
    *,
    status: str | None = None,
    extra: Callable[[Row], dict[str, Any]] | None = None,
) -> Form:
    taken: dict[str, tuple[str, Meaning]] = {}
    left_out: dict[str, str] = {}
    for column in columns:
        if not column or column in (status, *ELSEWHERE.get(tool, ())):
            continue
        meaning = (
            Meaning(MLFLOW_NAMES[column])
            if tool == "MLflow" and column in MLFLOW_NAMES
            else meaning_of(_bare(column) if tool == "MLflow" else column)
        )
        if isinstance(meaning, str):
            left_out[column] = meaning
            continue
        other = taken.get(meaning.field)
        if other is None:
            taken[meaning.field] = (column, meaning)
        elif other[1].rank == meaning.rank:
            raise ReportError(
                f"{where} gives {meaning.field} twice, as {shown(other[0])} and {shown(column)}: "
                "keep one of them"
            )
        else:
            better, worse = sorted([other, (column, meaning)], key=lambda pair: pair[1].rank)
            taken[meaning.field] = better
            left_out[worse[0]] = f"{better[0]} is taken instead"
    if not FIGURES & set(taken):
        reasons = "; ".join(f"{shown(c)}: {r}" for c, r in list(left_out.items())[:3])
        raise ReportError(
            f"{where} has no column with a figure of a run ({reasons or 'no columns'}): name a "
            "column energy_kwh, time (h), accuracy, co2_kg or another with its unit"
        )
    if not {"name", "model", "uid"} & set(taken):
        raise ReportError(f"{where} has no column name: one column must name the runs")
    return Form(tool, dict(taken.values()), left_out, status, extra)


def _bare(column: str) -> str:
    return next((column.removeprefix(p) for p in PREFIXES if column.startswith(p)), column)


def _codecarbon_extra(row: Row) -> dict[str, Any]:
    model = re.sub(r"^\d+ x ", "", row.get("gpu_model", "")) or None
    count = row.get("gpu_count")
    gpus = int(parse_number(count)) if count else None
    found: dict[str, Any] = {
        "environment": environment_name(model, gpus, None),
        "signal": "Average",
        "intensity_source": "CodeCarbon",
        "boundary": ["cpu", "gpu", "ram"] if model else ["cpu", "ram"],
    }
    # CodeCarbon multiplies the energy by the factor before it writes either.
    if row.get("pue") and parse_number(row["pue"]) > 1:
        found["energy_includes_pue"] = True
        found["pue_kind"] = "Assumed"
    return found


def _mlflow_extra(row: Row) -> dict[str, Any]:
    start, end = row.get("start_time"), row.get("end_time")
    if not start or not end:
        return {}
    return {"duration_seconds": (parse_timestamp(end) - parse_timestamp(start)).total_seconds()}


def _mlflow_page_extra(row: Row) -> dict[str, Any]:
    length = LENGTH.fullmatch(row.get("Duration", ""))
    if length is None:
        return {}
    return {"duration_seconds": float(length[1]) * LENGTH_SECONDS[length[2]]}


def _wandb_extra(row: Row) -> dict[str, Any]:
    seconds = row.get("Runtime") or row.get("_runtime")
    return {"duration_seconds": parse_number(seconds)} if seconds else {}
