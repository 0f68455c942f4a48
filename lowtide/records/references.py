"""Reference sets from files and from jobs, and the rated properties of a job.

A job is rated only against a set of its own task, data set and environment, and the label names
that set.
"""

from collections.abc import Sequence
from pathlib import Path

from lowtide.metrics.environment import NOT_STATED
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.likeness import plain_dataset
from lowtide.metrics.properties import Task, training_values
from lowtide.metrics.reference import ReferenceSet, build_reference, parse_reference
from lowtide.metrics.result import MetricError, Refusal
from lowtide.records.documents import parse_document
from lowtide.records.errors import ReportError
from lowtide.units import joules_to_kwh

SECONDS_PER_HOUR = 3600


def property_values(job: JobFigures) -> dict[str, float | None]:
    """Return the rated properties of a training job, in the properties' units.

    Energy is in kWh, time in hours; per epoch where the number of finished epochs is known. What
    the report itself gives under `properties` stands.
    """
    kwh = None if job.energy_joules is None else joules_to_kwh(job.energy_joules)
    hours = None if job.duration_seconds is None else job.duration_seconds / SECONDS_PER_HOUR
    return training_values(
        energy_kwh=kwh,
        hours=hours,
        epochs=job.epochs,
        accuracy=job.accuracy,
        known=job.properties,
    )


def reference_from_jobs(
    jobs: Sequence[JobFigures], *, name: str, named: JobFigures | None = None
) -> ReferenceSet:
    """Return a reference set made of a team's own jobs.

    The values of the job `named` have index 1, else the best value of each property.

    Raises:
        MetricError: the jobs are of several data sets or environments, or a stand-in's.
    """
    for what, values in (
        ("data sets", {job.dataset and plain_dataset(job.dataset): job.dataset for job in jobs}),
        ("environments", {job.environment: job.environment for job in jobs}),
    ):
        if len(values) > 1:
            shown = "; ".join(sorted(str(value or NOT_STATED) for value in values.values()))
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "jobs",
                f"the jobs are of {len(values)} {what} ({shown}): make one set for each",
            )
    if any(job.mock for job in jobs):
        raise MetricError(
            Refusal.OUT_OF_DOMAIN, "jobs", "a stand-in replaced a GPU, so the numbers are not real"
        )
    dataset = next((job.dataset for job in jobs), None)
    environment = next((job.environment for job in jobs), None)
    return build_reference(
        [property_values(job) for job in jobs],
        name=name,
        task=Task.TRAINING,
        dataset=dataset or NOT_STATED,
        environment=environment or NOT_STATED,
        source=f"{len(jobs)} jobs of {name}",
        reference="best of the group" if named is None else named.model or named.name,
        values=None if named is None else property_values(named),
    )


def read_reference(path: Path) -> ReferenceSet:
    """Return the reference set of a JSON or YAML file.

    Raises:
        ReportError: the file cannot be read or holds no object.
        MetricError: a field is missing or impossible.
    """
    data = parse_document(path)
    if not isinstance(data, dict):
        raise ReportError(f"{path} holds no reference set")
    return parse_reference(data)
