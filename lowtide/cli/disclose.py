"""`lowtide disclose`: a job's SCI report in the published form, or as a document."""

import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import click
import yaml

from lowtide.cli.jobs import KubectlTarget, load_jobs
from lowtide.cli.options import cluster_options, complete_jobs
from lowtide.cli.output import deliver
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.result import plain
from lowtide.records.jobs import to_report
from lowtide.report.disclosure import DisclosureError, Publisher, completeness, document, sci_report
from lowtide.report.manifest import impact_manifest, manifest_csv

FORMS = {
    "yaml": "sci.yaml",
    "json": "sci.json",
    "markdown": "disclosure.md",
    "impact-framework": "manifest.yml",
    "impact-framework-csv": "observations.csv",
    "report": "report.json",
}
"""Forms, and their file names inside an archive."""


@click.command("disclose")
@click.argument("job", shell_complete=complete_jobs)
@click.option(
    "-o",
    "--output",
    type=click.Choice([*FORMS, "archive"]),
    default="yaml",
    show_default=True,
    help="The published form as YAML or JSON, a document for readers, a manifest for the GSF "
    "Impact Framework or its observations as a table, the report file that the other commands "
    "read, or an archive (zip) of all that the job's figures allow.",
)
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead.")
@click.option("--check", is_flag=True, help="Only say what is missing; exit code 1 if anything is.")
@click.option("--contact-name", envvar="LOWTIDE_CONTACT_NAME")
@click.option("--contact-email", envvar="LOWTIDE_CONTACT_EMAIL")
@click.option("--organization", envvar="LOWTIDE_ORGANIZATION")
@click.option("--entity-version", help="Version of what was trained.")
@click.option("--report-url", help="Where more information is.")
@click.option(
    "--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Calculation date; today by default."
)
@cluster_options
def command(
    job: str,
    output: str,
    file: Path | None,
    check: bool,
    contact_name: str | None,
    contact_email: str | None,
    organization: str | None,
    entity_version: str | None,
    report_url: str | None,
    day: datetime | None,
    cluster: KubectlTarget,
) -> None:
    r"""Write a job's SCI disclosure.

    \b
    Examples:
      lowtide disclose densenet121 --contact-name "ML platform" --contact-email ml@example.org \
                                   --entity-version 1.4
      lowtide disclose densenet121 --output markdown --file report.md
      lowtide disclose densenet121 --output impact-framework --file manifest.yml
      lowtide disclose densenet121 --output archive --file densenet121.zip
      lowtide disclose report.json --check

    The YAML and JSON forms fail if a mandatory field is missing; the document names it.
    """
    jobs = load_jobs([job], cluster)
    if len(jobs) != 1:
        raise click.UsageError(f"{job} holds {len(jobs)} jobs, but a disclosure is for one")
    publisher = Publisher(
        contact_name=contact_name,
        contact_email=contact_email,
        organization=organization,
        entity_version=entity_version,
        report_url=report_url,
    )
    if check:
        missing = completeness(jobs[0], publisher)
        for text in missing:
            click.echo(text)
        raise SystemExit(1 if missing else 0)
    calculated = (day or datetime.now(UTC)).date()
    if output == "archive":
        if file is None:
            raise click.UsageError("an archive is written to --file")
        _write_archive(file, jobs[0], publisher, calculated)
        return
    try:
        text = _text(jobs[0], publisher, output, calculated)
    except DisclosureError as error:
        raise click.ClickException(str(error)) from error
    deliver(text, file)


def _text(job: JobFigures, publisher: Publisher, output: str, calculated: date) -> str:
    if output == "markdown":
        return document(job, publisher, calculated=calculated)
    if output == "report":
        return json.dumps(plain(to_report(job)), indent=2, allow_nan=False) + "\n"
    if output == "impact-framework-csv":
        return manifest_csv(job)
    if output == "impact-framework":
        return yaml.safe_dump(impact_manifest(job), sort_keys=False, allow_unicode=True)
    report = sci_report(job, publisher, calculated=calculated)
    if output == "json":
        return json.dumps(report, indent=2, allow_nan=False) + "\n"
    return yaml.safe_dump(report, sort_keys=False, allow_unicode=True)


def _write_archive(file: Path, job: JobFigures, publisher: Publisher, calculated: date) -> None:
    """Write every form that the job's figures allow, and why the others are missing."""
    stamp = (calculated.year, calculated.month, calculated.day, 0, 0, 0)
    lacking = []
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for form, name in FORMS.items():
                try:
                    text = _text(job, publisher, form, calculated)
                except DisclosureError as error:
                    lacking.append(f"{name}: {error}\n")
                    continue
                archive.writestr(zipfile.ZipInfo(name, stamp), text)
            if lacking:
                archive.writestr(zipfile.ZipInfo("missing.txt", stamp), "".join(lacking))
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error}") from error
