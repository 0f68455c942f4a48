"""Tables of runs: which tool wrote one, which columns are taken, which rows are left out.

Lowtide's own columns are base units. CodeCarbon's emissions.csv, MLflow's two exports and W&B's
are known by their columns; any other table is read by its headers. A column without a unit is left
out with its reason, never guessed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lowtide.metrics.environment import environment_name
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import PROPERTIES
from lowtide.records.columns import OWN, Meaning, meaning_of
from lowtide.records.conversion import NUMBERS, WHOLE, figures_from
from lowtide.records.errors import ReportError, shown
from lowtide.records.tables import RunTable, parse_number
from lowtide.units import JOULES_PER_KWH, parse_timestamp

MOST_NAMED: Final = 12
"""Columns or rows that one note names."""
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


def runs_of_table(table: RunTable, where: str) -> tuple[tuple[JobFigures, ...], tuple[str, ...]]:
    """Return the runs of a table, and notes on the columns taken and the rows left out.

    Raises:
        ReportError: no column names a figure, a cell cannot be used, or no run is left.
    """
    form = _form(table.columns, where)
    percent = _accuracy_in_percent(table, form)
    rows, dropped = _kept(table.rows, form)
    ranges: list[str] = []
    jobs = tuple(
        _run(row, form, table.decimal_comma, percent, ranges, f"{where} line {line}")
        for line, row in rows
    )
    if not jobs:
        raise ReportError(
            f"{where} is {_article(form.tool)} without a finished run"
            if dropped
            else f"{where} has columns but no rows"
        )
    return jobs, tuple(_notes(form, where, percent, dropped, ranges))


def _article(tool: str) -> str:
    return f"a table of {tool}" if tool else "a table"


def _form(columns: Sequence[str], where: str) -> Form:
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


def _kept(rows: Sequence[tuple[int, Row]], form: Form) -> tuple[list[tuple[int, Row]], list[str]]:
    """Return the rows of finished runs, the last of each run, and why others are left out."""
    kept: dict[Any, tuple[int, Row]] = {}
    dropped = []
    repeated = form.tool == "CodeCarbon"
    for line, row in rows:
        status = row.get(form.status, "finished") if form.status else "finished"
        if status.casefold() != "finished":
            dropped.append(f"{_title(row, form) or f'line {line}'} is {status}")
            continue
        key: Any = row.get("run_id", line) if repeated else line
        if key in kept:
            dropped.append(f"line {kept[key][0]} is an earlier state of run {shown(key, 20)}")
        kept[key] = (line, row)
    return list(kept.values()), dropped


def _title(row: Row, form: Form) -> str | None:
    by_field = {m.field: c for c, m in form.meanings.items()}
    return next(
        (row[c] for f in ("name", "model", "uid") if (c := by_field.get(f)) and c in row), None
    )


def _accuracy_in_percent(table: RunTable, form: Form) -> str | None:
    """Return the accuracy column if it can only be percent: two values or more, all above 1."""
    column = next((c for c, m in form.meanings.items() if m.field == "accuracy"), None)
    if column is None or form.meanings[column].factor != 1:
        return None
    values = []
    for _, row in table.rows:
        if column in row:
            try:
                values.append(parse_number(row[column], decimal_comma=table.decimal_comma))
            except ValueError:
                return None
    return column if len(values) > 1 and all(1 < value <= 100 for value in values) else None


def _run(
    row: Row,
    form: Form,
    decimal_comma: bool,
    percent: str | None,
    ranges: list[str],
    where: str,
) -> JobFigures:
    given: dict[str, Any] = {}
    properties: dict[str, float] = {}
    for column, meaning in form.meanings.items():
        cell = row.get(column)
        if cell is None:
            continue
        field = meaning.field
        if field not in NUMBERS and field not in WHOLE and field not in PROPERTIES:
            given[field] = cell
            continue
        try:
            value = parse_number(cell, decimal_comma=decimal_comma)
        except ValueError as error:
            if _is_range(cell):
                ranges.append(f"{column} {cell}")
                continue
            raise ReportError(f"{where}: {column}: {error}") from error
        value *= 0.01 if column == percent else meaning.factor
        if field in PROPERTIES:
            properties[field] = value
        else:
            given[field] = value
            if meaning.currency:
                given["cost_currency"] = meaning.currency
            if meaning.includes_pue:
                given["energy_includes_pue"] = True
    if properties:
        given["properties"] = properties
    try:
        extra = {} if form.extra is None else form.extra(row)
    except (ValueError, OverflowError) as error:
        raise ReportError(f"{where}: {error}") from error
    given = {**extra, **given}
    # Models repeat among runs; an identity of a tracking tool does not.
    order = ("name", "uid", "model") if form.tool else ("name", "model", "uid")
    name = next((given[key] for key in order if given.get(key)), None)
    return figures_from({**given, "name": name}, where)


def _is_range(cell: str) -> bool:
    return re.fullmatch(r"\D{0,3}[\d.,]+\s*[–-]\s*\D{0,3}[\d.,]+", cell) is not None


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


def _notes(
    form: Form,
    where: str,
    percent: str | None,
    dropped: Sequence[str],
    ranges: Sequence[str],
) -> list[str]:
    own = not form.tool and all(c in OWN or c in PROPERTIES for c in form.meanings)
    notes = []
    if not own or form.left_out:
        of = f" ({form.tool})" if form.tool else ""
        taken = ", ".join(
            c if c == m.field else f"{c} as {m.field}" for c, m in form.meanings.items()
        )
        notes.append(f"{where}{of}: columns taken: {taken}")
    if form.left_out:
        named = [f"{column} ({reason})" for column, reason in form.left_out.items()]
        notes.append(f"{where}: columns left out: {_some(named)}")
    if percent:
        notes.append(f"{where}: {percent} is read as percent, because every value is above 1")
    if form.tool == "MLflow" and form.status == "Status":
        notes.append(f"{where}: the times are as MLflow's page rounds them")
    if dropped:
        notes.append(f"{where}: {len(dropped)} rows left out: {_some(dropped)}")
    if ranges:
        notes.append(f"{where}: {len(ranges)} ranges have no single value: {_some(ranges)}")
    return notes


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return "; ".join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
