"""`lowtide label`: a job's energy label as PDF, PNG or SVG."""

from datetime import UTC, datetime
from pathlib import Path

import click

from lowtide.cli.jobs import KubectlTarget, load_jobs
from lowtide.cli.options import cluster_options, complete_jobs
from lowtide.metrics.compound import Compound
from lowtide.metrics.environment import rating_obstacle
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.rating import Missing, Rating, rate
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.result import MetricError, Mode
from lowtide.records.errors import ReportError
from lowtide.records.references import property_values, read_reference, reference_from_jobs
from lowtide.report.drawing import unshown, write_drawing
from lowtide.report.label import draw_label
from lowtide.report.label_content import content_of

SUFFIXES = (".pdf", ".png", ".svg")


@click.command("label")
@click.argument("job", shell_complete=complete_jobs)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="label.pdf, label.png or label.svg.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Reference set to rate against (JSON or YAML).",
)
@click.option(
    "--against",
    multiple=True,
    help="Rate against these jobs (names, files, directories) instead; at least five.",
)
@click.option(
    "--compound",
    type=click.Choice([str(how) for how in Compound]),
    default=str(Compound.OPTIMISTIC_MEDIAN),
    show_default=True,
)
@click.option(
    "--missing", type=click.Choice([str(how) for how in Missing]), default=str(Missing.UNDEFINED)
)
@click.option(
    "--mode",
    type=click.Choice([str(Mode.CORRECT), str(Mode.MLEE), str(Mode.STREP)]),
    default=str(Mode.CORRECT),
)
@click.option("--url", help="Where the QR code leads; without it the code holds the label as text.")
@click.option(
    "--date",
    "issued",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Issue date; today (UTC) by default.",
)
@cluster_options
def command(
    job: str,
    output: Path,
    reference: Path | None,
    against: tuple[str, ...],
    compound: str,
    missing: str,
    mode: str,
    url: str | None,
    issued: datetime | None,
    cluster: KubectlTarget,
) -> None:
    r"""Draw a job's energy label.

    \b
    Examples:
      lowtide label densenet121 -o label.pdf --against reports/
      lowtide label report.json -o label.svg --reference team.yaml --url https://example.org/r/7

    Without --reference and --against the letters of the job's status stand.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"{output} must end in one of {', '.join(SUFFIXES)}")
    if reference is not None and against:
        raise click.UsageError("give --reference or --against, not both")
    jobs = load_jobs([job], cluster)
    if len(jobs) != 1:
        raise click.UsageError(f"{job} holds {len(jobs)} jobs, but a label is for one")
    try:
        chosen = _reference(reference, against, cluster)
        rating = None
        if chosen is not None:
            rating = _rated(jobs[0], chosen, Compound(compound), Missing(missing), Mode(mode))
    except (MetricError, ReportError) as error:
        raise click.ClickException(str(error)) from error
    day = (issued or datetime.now(UTC)).date()
    content = content_of(jobs[0], rating, issued=day, url=url)
    try:
        drawing = draw_label(content)
        write_drawing(drawing, output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error}") from error
    if output.suffix.lower() != ".svg" and (lost := unshown(drawing)):
        click.echo(
            f"warning: no font here has {lost!r}, shown as '?': install one, or write .svg",
            err=True,
        )


def _reference(
    path: Path | None, against: tuple[str, ...], cluster: KubectlTarget
) -> ReferenceSet | None:
    if path is not None:
        return read_reference(path)
    if not against:
        return None
    return reference_from_jobs(load_jobs(against, cluster), name=", ".join(against))


def _rated(
    job: JobFigures, reference: ReferenceSet, compound: Compound, missing: Missing, mode: Mode
) -> Rating:
    obstacle = rating_obstacle(reference, dataset=job.dataset, environment=job.environment)
    if obstacle is not None:
        raise click.ClickException(f"{job.name} cannot be rated: {obstacle}")
    for words, value in (("data set", job.dataset), ("environment", job.environment)):
        if value is None:
            click.echo(
                f"warning: neither {job.name} nor {reference.name} states its {words}: the letters "
                "hold only if it is the same",
                err=True,
            )
    values = property_values(job)
    return rate(values, reference, compound=compound, missing=missing, mode=mode)
