"""Tables of runs: the finished runs of a table, and notes on what was taken and left out.

Lowtide's own columns are base units; the forms of other tools are in `run_table_forms`. A cell that
cannot be used is refused with its line, and a range has no single value and is named.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import PROPERTIES
from lowtide.records.columns import OWN, Meaning
from lowtide.records.conversion import NUMBERS, WHOLE, figures_from
from lowtide.records.errors import ReportError, shown
from lowtide.records.run_table_forms import Form, Row, form_of
from lowtide.records.tables import RunTable, parse_number

MOST_NAMED: Final = 12
"""Columns or rows that one note names."""


def runs_of_table(table: RunTable, where: str) -> tuple[tuple[JobFigures, ...], tuple[str, ...]]:
    """Return the runs of a table, and notes on the columns taken and the rows left out.

    Raises:
        ReportError: no column names a figure, a cell cannot be used, or no run is left.
    """
    form = form_of(table.columns, where)
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


def _taken(column: str, meaning: Meaning) -> str:
    """Return a column and what it became, with the unit of a property, which no header names."""
    unit = f" ({PROPERTIES[meaning.field].unit})" if meaning.field in PROPERTIES else ""
    return f"{column}{unit}" if column == meaning.field else f"{column} as {meaning.field}{unit}"


def _notes(
    form: Form,
    where: str,
    percent: str | None,
    dropped: Sequence[str],
    ranges: Sequence[str],
) -> list[str]:
    own = not form.tool and all(c in OWN for c in form.meanings)
    notes = []
    if not own or form.left_out:
        of = f" ({form.tool})" if form.tool else ""
        taken = ", ".join(_taken(c, m) for c, m in form.meanings.items())
        notes.append(f"{where}{of}: columns taken: {taken}")
    if form.left_out:
        named = [f"{column} ({reason})" for column, reason in form.left_out.items()]
        notes.append(f"{where}: columns left out: {_some(named)}")
    if percent:
        notes.append(f"{where}: {percent} is read as percent, because every value is above 1")
    if form.tool == "MLflow" and form.status == "Status":
        notes.append(f"{where}: the times are as MLflow's page rounds them")
    if dropped:
        rows = "1 row" if len(dropped) == 1 else f"{len(dropped)} rows"
        notes.append(f"{where}: {rows} left out: {_some(dropped)}")
    if ranges:
        have = "1 range has" if len(ranges) == 1 else f"{len(ranges)} ranges have"
        notes.append(f"{where}: {have} no single value: {_some(ranges)}")
    return notes


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return "; ".join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
