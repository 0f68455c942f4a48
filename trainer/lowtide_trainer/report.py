"""Destination of the report: the pod's termination message.

The kubelet bind-mounts the message file into the container, so it is written in place: it can be
neither replaced nor removed. The default path is used only where it exists, so that a training
started by hand leaves no file in `/dev`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lowtide.names import (
    DEFAULT_REPORT_PATH,
    ENV_METRICS_PORT,
    ENV_REPORT_PATH,
    TRAINER_METRICS_PORT,
)
from lowtide.trainingjob.report import TrainingReport, to_message
from lowtide_trainer.metrics import serve_metrics
from lowtide_trainer.reporter import Reporter


def report_path(environment: Mapping[str, str]) -> Path | None:
    """Return the path of the report: the variable's, else the default one if it exists."""
    if given := environment.get(ENV_REPORT_PATH):
        return Path(given)
    default = Path(DEFAULT_REPORT_PATH)
    return default if default.exists() else None


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


def report_writer(path: Path | None) -> Callable[[TrainingReport], None]:
    """Return a function that writes a report into the file at `path`, if that is not `None`.

    The function raises `OSError` if the file cannot be written.
    """

    def write(report: TrainingReport) -> None:
        if path is not None:
            path.write_text(to_message(report), encoding="utf-8")

    return write


@contextmanager
def report_training(**facts: Any) -> Iterator[Reporter]:
    """Report a user's own loop, with the environment of a TrainingJob's pod.

    `facts` are the fields of `TrainingReport` that are known beforehand. `Reporter` has an example.

    Raises:
        ValueError: the environment variable with the metrics port is wrong.
    """
    reporter = Reporter(write=report_writer(report_path(os.environ)), **facts)
    port = metrics_port(os.environ)
    with ExitStack() as stack:
        if port:
            stack.enter_context(serve_metrics(reporter, port))
        yield stack.enter_context(reporter)
