"""Destination of the report, and the environment of a training pod.

In a pod the report is the termination message. The kubelet bind-mounts its file into the
container, so it is written in place: it can be neither replaced nor removed. Elsewhere the report
is a file in the working directory, and one line on standard error says which.
"""

from __future__ import annotations

import os
import sys

from lowtide.names import (
    DEFAULT_REPORT_PATH,
    ENV_METRICS_PORT,
    ENV_REPORT_PATH,
    TRAINER_METRICS_PORT,
)
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.warnings_log import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, Final

    from lowtide.trainingjob.report import TrainingReport

REPORT_FILE_NAME: Final = "lowtide-report.json"


def report_path(environment: Mapping[str, str]) -> str:
    """Return the path of the report: the variable's, else the termination message, else a file.

    The termination message is used only where it exists, so that a training started by hand
    leaves no file in `/dev`; its report is `lowtide-report.json` in the working directory.
    """
    if given := environment.get(ENV_REPORT_PATH):
        return given
    if os.path.exists(DEFAULT_REPORT_PATH):
        return DEFAULT_REPORT_PATH
    return os.path.join(os.getcwd(), REPORT_FILE_NAME)


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
        warn(__name__, "%s; metrics are disabled", error)
        return 0


def report_writer(path: str | os.PathLike[str]) -> Callable[[TrainingReport], None]:
    """Return a function that writes a report into the file at `path`.

    The function raises `OSError` if the file cannot be written.
    """

    def write(report: TrainingReport) -> None:
        from lowtide.trainingjob.report import to_message

        write_message(path, to_message(report))

    return write


def write_message(path: str | os.PathLike[str], message: str) -> None:
    """Write the text of a report into a file.

    Raises:
        OSError: it cannot be written.
    """
    # In place and in one piece: a reader between two writes sees one whole report.
    with open(path, "r+b" if os.path.exists(path) else "wb") as file:
        file.write(message.encode())
        file.truncate()


def say_where(path: str | os.PathLike[str]) -> None:
    """Say on standard error where the report is, if that is not the pod's termination message."""
    if str(path) != DEFAULT_REPORT_PATH:
        print(f"lowtide: the report of this training is {path}", file=sys.stderr, flush=True)


def open_reporter(
    environment: Mapping[str, str],
    at_end: Callable[[Callable[[], None]], object],
    **facts: object,
) -> Reporter:
    """Return a reporter as the environment of a training asks for it, and say where it writes.

    Its metrics are served until the function that `at_end` is given is called; its clock is not
    started yet.
    """
    path = report_path(environment)
    say_where(path)
    write_file = report_writer(path)
    followed: Callable[[TrainingReport], None] | None = None

    def write(report: TrainingReport) -> None:
        """Write a report and tell trackers, which are looked for once there is one to tell."""
        nonlocal followed
        if followed is None:
            from lowtide_trainer.trackers import followed as follow

            followed = follow(write_file, environment)
        followed(report)

    reporter = Reporter(
        write=write,
        write_first=lambda message: write_message(path, message),
        **facts,  # type: ignore[arg-type]
    )
    if port := metrics_port_or_none(environment):
        # The socket is loaded only where there is a port to serve.
        from lowtide_trainer.listener import listen

        if (listener := listen(reporter, port)) is not None:
            at_end(listener.close)
    return reporter


def report_training(**facts: object) -> AbstractContextManager[Reporter]:
    """Report a user's own loop, with the environment of a TrainingJob's pod.

    `facts` are the fields of `TrainingReport` that are known beforehand. `Reporter` has an example.
    """
    from contextlib import ExitStack, contextmanager

    @contextmanager
    def reported() -> Any:
        with ExitStack() as stack:
            yield stack.enter_context(open_reporter(os.environ, stack.callback, **facts))

    return reported()
