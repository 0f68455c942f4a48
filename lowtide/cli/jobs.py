"""Jobs that a command was given: files, directories, or names in the cluster.

The cluster is asked through `kubectl`, whose credentials, contexts and plugins people already
have; the command line needs no Kubernetes client for it. A name never reaches kubectl unless it
is a valid object name, so it cannot become an option.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from lowtide import names
from lowtide.cli.local_runs import run_called
from lowtide.lenient_fields import mapping
from lowtide.local.samples_file import RunFileError
from lowtide.metrics.job_figures import JobFigures
from lowtide.records.documents import parse_json
from lowtide.records.errors import ReportError
from lowtide.records.fields import text
from lowtide.records.jobs import read_object, read_records

RESOURCE: Final = f"{names.PLURAL}.{names.GROUP}"
NAME_PATTERN: Final = re.compile(r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
REQUEST_TIMEOUT_SECONDS: Final = 15
PROCESS_TIMEOUT_SECONDS: Final = 30


class JobsNotFoundError(click.ClickException):
    """A job cannot be found or read; exit code 1."""


@dataclass(frozen=True, slots=True)
class KubectlTarget:
    """Cluster and namespace of jobs given by name; `None` means kubectl's own default."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    def within(self, namespace: str) -> "KubectlTarget":
        """Return the same cluster with this namespace, or with its own where none is given."""
        return replace(self, namespace=namespace or self.namespace)


def load_jobs(references: Sequence[str], cluster: KubectlTarget) -> tuple[JobFigures, ...]:
    """Return the jobs behind paths and names, in order.

    Raises:
        JobsNotFoundError: a reference leads to no readable job.
    """
    jobs: list[JobFigures] = []
    for reference in references:
        try:
            if exists(reference):
                found = read_records(Path(reference))
                for note in found.notes:
                    click.echo(f"note: {note}", err=True)
                jobs.extend(found.jobs)
            else:
                jobs.extend(read_object(fetch_trainingjob(reference, cluster), where=reference))
        except ReportError as error:
            raise JobsNotFoundError(str(error)) from error
    return tuple(jobs)


def exists(reference: str) -> bool:
    """Return whether a file or directory of this name is here, however odd the name."""
    try:
        return Path(reference).exists()
    except (OSError, ValueError):
        return False


def fetch_trainingjob(reference: str, cluster: KubectlTarget) -> dict[str, Any]:
    """Return a run of this machine, or a TrainingJob from the cluster.

    `reference` is `name` or `namespace/name`; only a bare name without options that name the
    cluster can be that of a run.

    Raises:
        JobsNotFoundError: kubectl is missing, answers with an error or not in time, or the run
            cannot be read.
    """
    namespace, name = split_reference(reference)
    if not namespace and cluster == KubectlTarget():
        try:
            run = run_called(name)
        except RunFileError as error:
            raise JobsNotFoundError(str(error)) from error
        if run is not None:
            return run
    try:
        return kubectl_json(["get", RESOURCE, name], cluster.within(namespace))
    except JobsNotFoundError as error:
        if Path(name).suffix:
            raise JobsNotFoundError(f"no file {reference} is here; as a job: {error}") from error
        raise


def fetch_all(cluster: KubectlTarget, *, all_namespaces: bool = False) -> list[dict[str, Any]]:
    """Return all TrainingJobs of the namespace, or of the cluster.

    Raises:
        JobsNotFoundError: kubectl is missing, answers with an error or not in time.
    """
    command = ["get", RESOURCE, *(["--all-namespaces"] if all_namespaces else [])]
    answer = kubectl_json(command, replace(cluster, namespace=None) if all_namespaces else cluster)
    items = answer.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def patch_trainingjob(
    reference: str, cluster: KubectlTarget, change: dict[str, Any]
) -> dict[str, Any]:
    """Merge `change` into a TrainingJob and return the new object.

    Raises:
        JobsNotFoundError: kubectl is missing, refuses, or gives no answer in time.
    """
    namespace, name = split_reference(reference)
    command = ["patch", RESOURCE, name, "--type=merge", f"--patch={json.dumps(change)}"]
    return kubectl_json(command, cluster.within(namespace))


def split_reference(reference: str) -> tuple[str, str]:
    """Return namespace (empty when not given) and name of `name` or `namespace/name`.

    Raises:
        JobsNotFoundError: it is not a valid name.
    """
    namespace, _, name = reference.rpartition("/")
    for part in (namespace, name):
        if part and not NAME_PATTERN.match(part):
            raise JobsNotFoundError(
                f"{reference!r} is neither a file or directory here nor a valid job name"
            )
    return namespace, name


def fetch_names(cluster: KubectlTarget) -> list[str]:
    """Return the names of all TrainingJobs of the namespace.

    Raises:
        JobsNotFoundError: kubectl is missing, answers with an error or not in time.
    """
    return [text(mapping(item.get("metadata")).get("name")) for item in fetch_all(cluster)]


def kubectl_json(arguments: list[str], cluster: KubectlTarget) -> dict[str, Any]:
    """Return what kubectl answers to a command that prints JSON.

    Raises:
        JobsNotFoundError: kubectl is missing, refuses, or gives no answer in time.
    """
    program = shutil.which("kubectl")
    if program is None:
        raise JobsNotFoundError(
            "kubectl is not installed, and no file, directory or run of that name is here: install "
            "kubectl to ask a cluster"
        )
    command = [program, *arguments, "-o", "json", f"--request-timeout={REQUEST_TIMEOUT_SECONDS}s"]
    for option, value in (
        ("--namespace", cluster.namespace),
        ("--context", cluster.context),
        ("--kubeconfig", cluster.kubeconfig),
    ):
        if value:
            command.append(f"{option}={value}")
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROCESS_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise JobsNotFoundError(f"kubectl cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise JobsNotFoundError(
            f"kubectl gave no answer within {PROCESS_TIMEOUT_SECONDS} s: is the cluster reachable?"
        ) from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise JobsNotFoundError(said[-1] if said else f"kubectl ended with {done.returncode}")
    try:
        answer = parse_json(done.stdout, "the answer of kubectl")
    except ReportError as error:
        raise JobsNotFoundError(f"kubectl did not answer with JSON: {error}") from error
    if not isinstance(answer, dict):
        raise JobsNotFoundError("kubectl did not answer with a JSON object")
    return answer
