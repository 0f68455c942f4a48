"""Finished runs read from what people have: API objects, report files and tables.

A TrainingJob (or a list of them, as `kubectl get -o json` prints it), Lowtide's own report
(`{"kind": "JobFigures", ...}`), tables and logs of other tools are understood. What is taken from
a foreign file, and what is left out, is said in notes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.result import MetricError
from lowtide.records.carbontracker import is_carbontracker_log, read_carbontracker_log
from lowtide.records.conversion import figures_from
from lowtide.records.documents import parse_json, parse_yaml, read_text
from lowtide.records.errors import ReportError, shown
from lowtide.records.model_cards import figures_of_card, front_matter
from lowtide.records.run_tables import runs_of_table
from lowtide.records.tables import parse_table
from lowtide.records.trainer_reports import figures_of_report, is_trainer_report, joined
from lowtide.records.trainingjobs import from_trainingjob

__all__ = ["Records", "ReportError", "from_trainingjob", "read_path", "read_records", "to_report"]

REPORT_KIND: Final = "JobFigures"
TABLES: Final = (".csv", ".tsv")
SUFFIXES: Final = (*TABLES, ".json", ".log", ".md", ".yaml", ".yml")
KINDS: Final = (
    f"expected a TrainingJob, a {REPORT_KIND} report, a trainer's report, a table of runs (.csv; "
    "also of CodeCarbon, MLflow and W&B), a carbontracker log or a model card"
)
MOST_LISTS: Final = 3
"""Lists inside each other; `kubectl get -o json` makes one."""


@dataclass(frozen=True, slots=True)
class Records:
    """Runs in the order of their files, and one sentence for each thing a reader must know."""

    jobs: tuple[JobFigures, ...]
    notes: tuple[str, ...] = ()


def read_path(path: Path) -> tuple[JobFigures, ...]:
    """Return the jobs that `read_records` finds.

    Raises:
        ReportError: nothing is there, or a file cannot be used.
    """
    return read_records(path).jobs


def read_records(path: Path) -> Records:
    """Return the runs of a file, or of all files of a directory in name order, with notes.

    In a directory, a trainer's report without energy is joined with the one energy record beside
    it. An empty cell of a table is unknown.

    Raises:
        ReportError: nothing is there, or a file cannot be used.
    """
    if not path.is_dir():
        return _of_file(path)
    try:
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}") from error
    if not files:
        raise ReportError(f"{path} holds no report: expected {', '.join(SUFFIXES)} files")
    return _joined([(file.name, _of_file(file)) for file in files])


def _joined(found: list[tuple[str, Records]]) -> Records:
    jobs = [job for _, records in found for job in records.jobs]
    notes = [note for _, records in found for note in records.notes]
    pair = joined(jobs)
    if pair is None:
        return Records(tuple(jobs), tuple(notes))
    return Records(
        (pair,), (*notes, f"{pair.name}: the trainer's report and the energy are joined")
    )


def _of_file(path: Path) -> Records:
    where, suffix = str(path), path.suffix.lower()
    text = read_text(path)
    if suffix in TABLES:
        return Records(*runs_of_table(parse_table(text, where), where))
    if suffix == ".log" or (suffix == ".txt" and is_carbontracker_log(text)):
        return Records((read_carbontracker_log(text, path.stem, where),))
    if suffix == ".md":
        return Records((figures_of_card(parse_yaml(front_matter(text, where), where), where),))
    data = parse_json(text, where) if suffix == ".json" else parse_yaml(text, where)
    if is_trainer_report(data):
        return Records((figures_of_report(data, path.stem, where),))
    return Records(read_object(data, where=where))


def read_object(data: Any, *, where: str) -> tuple[JobFigures, ...]:
    """Return the jobs in a parsed document.

    Raises:
        ReportError: the document is not a report, or a field of it cannot be used.
    """
    return tuple(_of_item(item, where) for item in _items(data, where, MOST_LISTS))


def _items(data: Any, where: str, levels: int) -> Iterator[Any]:
    items: Iterable[Any] | None = None
    if isinstance(data, list):
        items = data
    elif isinstance(data, dict) and str(data.get("kind", ""))[-4:] == "List":
        items = data["items"] if isinstance(data.get("items"), list) else None
    if items is None:
        yield data
        return
    if levels == 0:
        raise ReportError(f"{where} holds lists inside lists: give a list of reports")
    for item in items:
        yield from _items(item, where, levels - 1)


def _of_item(data: Any, where: str) -> JobFigures:
    if not isinstance(data, dict):
        raise ReportError(f"{where} holds {shown(data)}, not a report: {KINDS}")
    if data.get("kind") == "TrainingJob":
        job = from_trainingjob(data)
        try:
            job.require_consistent()
        except MetricError as error:
            raise ReportError(f"TrainingJob {job.name}: {error}") from error
        return job
    if data.get("kind") == REPORT_KIND:
        return figures_from({k: v for k, v in data.items() if k != "kind"}, where)
    if "kind" in data:
        raise ReportError(f"{where} is of kind {shown(data['kind'])}: {KINDS}")
    raise ReportError(f"{where} is not a report: {KINDS}")


def to_report(job: JobFigures) -> dict[str, Any]:
    """Return the report file of a job: base units, nothing that is unknown."""
    known = {
        key: value
        for key, value in asdict(job).items()
        if value not in (None, (), {}) and (key, value) != ("energy_includes_pue", False)
    }
    return {"kind": REPORT_KIND, **known}
