"""`lowtide dashboard`: the dashboards as one page, drawn from Prometheus without Grafana."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from lowtide.cli.durations import DURATION, MOMENT
from lowtide.cli.jobs import NAME_PATTERN
from lowtide.cli.options import (
    DEFAULT_PROMETHEUS,
    prometheus_access_options,
    prometheus_url_option,
)
from lowtide.cli.prometheus import PrometheusApi, PrometheusApiError
from lowtide.report.dashboard_page import MOCK, Curve, Findings, QueryAnswer, render_dashboards
from lowtide.report.dashboards import DASHBOARDS
from lowtide.report.dashboards.queries import Choice, Question, questions

MOST_POINTS: Final = 300
AT_ONCE: Final = 8
LONGEST: Final = timedelta(days=366)


class StartType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A time with an offset, or a length before the end."""

    name = "time or duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        """Return a time or a duration, or fail with what would be right."""
        if isinstance(value, datetime | timedelta):
            return value
        if "T" in str(value):
            return MOMENT.convert(value, param, ctx)
        return DURATION.convert(value, param, ctx)


@click.command("dashboard")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The page to write, for example page.html.",
)
@prometheus_url_option
@prometheus_access_options
@click.option(
    "--from",
    "start",
    type=StartType(),
    default="24h",
    show_default=True,
    help="Start: a time with an offset, or a length before the end.",
)
@click.option("--to", "end", type=MOMENT, help="End; default: now.")
@click.option("-n", "--namespace", help="Only this namespace.")
@click.option("--job", help="Only this TrainingJob, on the dashboard of jobs.")
@click.option(
    "--scrape-interval",
    type=DURATION,
    default="30s",
    show_default=True,
    help="How often Prometheus scrapes; rates are taken over four times this long.",
)
@click.option("--timeout", type=DURATION, default="30s", show_default=True, help="Of each query.")
def command(
    output: Path,
    prometheus: str,
    prometheus_token_file: Path | None,
    prometheus_ca_file: Path | None,
    prometheus_headers: dict[str, str],
    start: datetime | timedelta,
    end: datetime | None,
    namespace: str | None,
    job: str | None,
    scrape_interval: timedelta,
    timeout: timedelta,
) -> None:
    r"""Draw the dashboards as one page that works offline: no Grafana, no network.

    \b
    Examples:
      lowtide dashboard -o page.html --prometheus http://localhost:9090
      lowtide dashboard -o page.html --from 2026-12-01T00:00Z --to 2026-12-02T00:00Z
      lowtide dashboard -o page.html --from 6h --namespace team-a --job densenet121

    A panel without data says why. Exit code 1 means that Prometheus does not answer.
    """
    for option, name in (("--namespace", namespace), ("--job", job)):
        if name is not None and not NAME_PATTERN.match(name):
            raise click.UsageError(f"{option} {name!r} is not a valid object name")
    until = datetime.now(UTC) if end is None else end
    since = until - start if isinstance(start, timedelta) else start
    if not timedelta(0) < until - since <= LONGEST:
        raise click.UsageError(f"--from {since:%Y-%m-%dT%H:%MZ} is not within a year before --to")
    server = PrometheusApi(
        url=_plain(prometheus),
        timeout_seconds=timeout.total_seconds(),
        token_file=prometheus_token_file,
        ca_file=prometheus_ca_file,
        headers=prometheus_headers,
    )
    step = step_seconds(until - since, scrape_interval)
    choice = Choice(
        range_seconds=round((until - since).total_seconds()),
        rate_seconds=max(4 * math.ceil(scrape_interval.total_seconds()), step),
        namespace=namespace,
        trainingjob=job,
    )
    try:
        found = ask(server, choice, start=since, end=until, step=step)
    except PrometheusApiError as error:
        raise click.ClickException(str(error)) from error
    try:
        output.write_text(render_dashboards(DASHBOARDS, found), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error


def step_seconds(span: timedelta, scrape_interval: timedelta) -> int:
    """Return the distance of two values: no finer than the samples, and at most 300 values."""
    return max(
        1,
        math.ceil(scrape_interval.total_seconds()),
        math.ceil(span.total_seconds() / MOST_POINTS),
    )


def ask(
    server: PrometheusApi, choice: Choice, *, start: datetime, end: datetime, step: int
) -> Findings:
    """Return what Prometheus knows for every panel.

    Raises:
        PrometheusApiError: no query is answered; a single refused query shows in its panel.
    """
    first, last = start.timestamp(), end.timestamp()
    names = _names(server, first, last)

    def answer(question: Question) -> QueryAnswer:
        try:
            if question.over_time:
                return QueryAnswer(
                    tuple(
                        Curve(labels, tuple(points))
                        for labels, points in server.matrix(
                            question.expression, start=first, end=last, step_seconds=step
                        )
                    )
                )
            return QueryAnswer(
                tuple(
                    Curve(labels, ((last, value),))
                    for labels, value in server.vector(question.expression, at=last)
                )
            )
        except PrometheusApiError as error:
            return QueryAnswer(error=f"{error}.")

    asked = (MOCK, *questions(DASHBOARDS, choice))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(asked, pool.map(answer, asked), strict=True))
    return Findings(
        start=start,
        end=end,
        step_seconds=step,
        choice=choice,
        source=server.url,
        answers=answers,
        names=names,
    )


def _names(server: PrometheusApi, first: float, last: float) -> frozenset[str] | None:
    """Return the names of the metrics, `None` where the server answers only queries.

    Raises:
        PrometheusApiError: it does not answer queries either.
    """
    try:
        return server.metric_names(start=first, end=last)
    except PrometheusApiError:
        server.vector("vector(1)", at=last)
        return None


def _plain(url: str) -> str:
    """Return the address; it is written into the page, so it may carry no secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(
            f"--prometheus {url!r} is not an http or https address such as {DEFAULT_PROMETHEUS}"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise click.UsageError(
            "--prometheus must not contain credentials, a query or a fragment: "
            "give a token with --prometheus-token-file"
        )
    return url.rstrip("/")
