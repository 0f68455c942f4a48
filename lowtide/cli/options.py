"""Options that several subcommands share, with the same wording everywhere."""

import contextlib
import functools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem
from pydantic import TypeAdapter, ValidationError

from lowtide.cli.durations import DURATION, MOMENT
from lowtide.cli.jobs import JobsNotFoundError, KubectlTarget, fetch_names
from lowtide.cli.prometheus import PrometheusApi, PrometheusApiError
from lowtide.grid.headers import PlainHeaders
from lowtide.grid.overhead import LARGEST_PUE
from lowtide.grid.series import Factor
from lowtide.local.store import RunStore

Command = TypeVar("Command", bound=Callable[..., Any])


def kubeconfig_options(command: Command) -> Command:
    """Add --context and --kubeconfig as kubectl has them."""
    command = click.option(
        "--kubeconfig",
        type=click.Path(dir_okay=False),
        help="Kubeconfig file, where it is not kubectl's own choice.",
    )(command)
    return click.option("--context", help="Context of the kubeconfig.")(command)


def cluster_options(command: Command) -> Command:
    """Add --namespace, --context and --kubeconfig as kubectl has them; pass them as `cluster`."""

    @click.option("-n", "--namespace", help="Namespace of jobs given by name.")
    @kubeconfig_options
    @functools.wraps(command)
    def with_cluster(
        *arguments: Any,
        namespace: str | None,
        context: str | None,
        kubeconfig: str | None,
        **options: Any,
    ) -> Any:
        return command(*arguments, cluster=KubectlTarget(namespace, context, kubeconfig), **options)

    return with_cluster  # type: ignore[return-value]  # click only looks at its options


def complete_jobs(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the runs of this machine and the jobs whose names start with the typed text."""
    cluster = KubectlTarget(
        *(context.params.get(name) for name in ("namespace", "context", "kubeconfig"))
    )
    names = RunStore.of().names() if cluster == KubectlTarget() else []
    with contextlib.suppress(JobsNotFoundError):
        names += fetch_names(cluster)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def trace_options(command: Command) -> Command:
    """Add what a CSV trace's columns do not always say: --utc and --factor."""
    command = click.option(
        "--factor",
        type=click.Choice([str(one) for one in Factor if one is not Factor.UNKNOWN]),
        help="Which column to take where a trace has both; life-cycle is taken otherwise.",
    )(command)
    return click.option(
        "--utc",
        "times_are_utc",
        is_flag=True,
        help="Times without an offset are UTC, in traces and price files.",
    )(command)


_FILE: Final = click.Path(dir_okay=False, path_type=Path)


def _headers(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Return headers that were given as NAME=VALUE; none may carry a secret."""
    pairs = dict(one.partition("=")[::2] for one in given)
    try:
        return TypeAdapter(PlainHeaders).validate_python(pairs)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise click.BadParameter(first.removeprefix("Value error, ")) from None


def prometheus_access_options(command: Command) -> Command:
    """Add the options for a protected Prometheus: a token, a certificate authority, headers."""
    command = click.option(
        "--prometheus-header",
        "prometheus_headers",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_headers,
        help="Header of every query, such as X-Scope-OrgID=team for Mimir; may be repeated.",
    )(command)
    command = click.option(
        "--prometheus-ca-file",
        type=_FILE,
        help="Certificates that Prometheus' https is checked against.",
    )(command)
    return click.option(
        "--prometheus-token-file", type=_FILE, help="File with a bearer token for Prometheus."
    )(command)


ENV_PROMETHEUS: Final = "LOWTIDE_PROMETHEUS"
DEFAULT_PROMETHEUS: Final = "http://localhost:9090"


def prometheus_options(command: Command) -> Command:
    """Add --prometheus with what a protected one needs; passed as one server, `prometheus`."""

    @prometheus_url_option
    @prometheus_access_options
    @click.option("--timeout", type=DURATION, default="30s", show_default=True, help="Per query.")
    @functools.wraps(command)
    def with_prometheus(
        *arguments: Any,
        prometheus: str,
        prometheus_token_file: Path | None,
        prometheus_ca_file: Path | None,
        prometheus_headers: dict[str, str],
        timeout: timedelta,
        **options: Any,
    ) -> Any:
        server = PrometheusApi(
            url=prometheus,
            timeout_seconds=timeout.total_seconds(),
            token_file=prometheus_token_file,
            ca_file=prometheus_ca_file,
            headers=prometheus_headers,
        )
        try:
            return command(*arguments, prometheus=server, **options)
        except PrometheusApiError as error:
            raise click.ClickException(str(error)) from error

    return with_prometheus  # type: ignore[return-value]  # click only looks at its options


def prometheus_url_option(command: Command) -> Command:
    """Add --prometheus, the address of the server to ask."""
    return click.option(
        "--prometheus",
        metavar="URL",
        envvar=ENV_PROMETHEUS,
        default=DEFAULT_PROMETHEUS,
        show_default=True,
        help=f"Prometheus to ask; also ${ENV_PROMETHEUS}.",
    )(command)


def past_options(command: Command) -> Command:
    """Add what a look at the past assumes: --since, --zone, --max-delay, --pue."""
    command = click.option(
        "--pue",
        type=click.FloatRange(1, LARGEST_PUE),
        help="Overhead of the data centre that all grams carry; default: none is assumed.",
    )(command)
    command = click.option(
        "--max-delay",
        type=DURATION,
        default="24h",
        show_default=True,
        help="Longest wait that is assumed of every run.",
    )(command)
    command = click.option(
        "--zone", help="Zone of the intensity; default: that of jobs that name none."
    )(command)
    return click.option(
        "--since", type=DURATION, default="7d", show_default=True, help="Length of the time."
    )(click.option("--to", "end", type=MOMENT, help="End of the time; default: now.")(command))
