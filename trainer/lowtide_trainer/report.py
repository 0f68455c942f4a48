"""Destination of the report, and the environment of a training pod.

In a pod the report is the termination message. The kubelet bind-mounts its file into the
container, so it is written in place: it can be neither replaced nor removed. Elsewhere the report
is a file in the working directory, and one line on standard error says which.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from lowtide.names import (
    DEFAULT_REPORT_PATH,
    ENV_METRICS_PORT,
    ENV_REPORT_PATH,
    TRAINER_METRICS_PORT,
)
from lowtide.trainingjob.report import TrainingReport, to_message
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.trackers import followed

log = logging.getLogger(__name__)

REPORT_FILE_NAME: Final = "lowtide-report.json"


def report_path(environment: Mapping[str, str]) -> Path:
    """Return the path of the report: the variable's, else the termination message, else a file.

    The termination message is used only where it exists, so that a training started by hand
    leaves no file in `/dev`; its report is `lowtide-report.json` in the working directory.
    """
    if given := environment.get(ENV_REPORT_PATH):
        return Path(given)
    default = Path(DEFAULT_REPORT_PATH)
    return default if default.exists() else Path.cwd() / REPORT_FILE_NAME


def metrics_port(environment: Mapping[str, str]) -> int:
    """Return the port for metrics; 0 disables them.

    A Service called `lowtide-metrics` makes the kubelet set the same variable to an address such
    as `tcp://10.96.0.7:9401`, which is not meant for the trainer and is ignored.

    Raises:
        ValueError: the variable is neither a port nor such an address.
    """
    given = environment.get(ENV_METRICS_PORT, "")
    if not given or given.startswith("tcp://"):
        return TRAINER_METRICS_PORT
    if not given.isascii() or not given.isdigit() or int(given) > 65535:
        raise ValueError(
            f"{ENV_METRICS_PORT}={given!r} is not a port: give 1 to 65535, or 0 to disable metrics"
        )
    return int(given)


def metrics_port_or_none(environment: Mapping[str, str]) -> int:
    """Return the port for metrics; a wrong variable is a warning and disables them."""
    try:
        return metrics_port(environment)
    except ValueError as error:
        log.warning("%s; metrics are disabled", error)
        return 0


def report_writer(path: Path) -> Callable[[TrainingReport], None]:
    """Return a function that writes a report into the file at `path`.

    The function raises `OSError` if the file cannot be written.
    """

    def write(report: TrainingReport) -> None:
        message = to_message(report)
        # In place and in one piece: a reader between two writes sees one whole report.
        with path.open("r+b" if path.exists() else "wb") as file:
            file.write(message.encode())
            file.truncate()

    return write


def say_where(path: Path) -> None:
    """Say on standard error where the report is, if that is not the pod's termination message."""
    if str(path) != DEFAULT_REPORT_PATH:
        print(f"lowtide: the report of this training is {path}", file=sys.stderr, flush=True)


def open_reporter(environment: Mapping[str, str], stack: ExitStack, **facts: object) -> Reporter:
    """Return a reporter as the environment of a training asks for it, and say where it writes.

    Its metrics are served until `stack` is closed; its clock is not started yet.
    """
    path = report_path(environment)
    say_where(path)
    write = followed(report_writer(path), environment)
    reporter = Reporter(write=write, **facts)  # type: ignore[arg-type]
    if port := metrics_port_or_none(environment):
        # The server's modules are loaded only where there is a port to serve.
        from lowtide_trainer.metrics import serve_metrics

        stack.enter_context(serve_metrics(reporter, port))
    return reporter


@contextmanager
def report_training(**facts: object) -> Iterator[Reporter]:
    """Report a user's own loop, with the environment of a TrainingJob's pod.

    `facts` are the fields of `TrainingReport` that are known beforehand. `Reporter` has an example.
    """
    with ExitStack() as stack:
        yield stack.enter_context(open_reporter(os.environ, stack, **facts))
