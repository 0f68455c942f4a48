"""Pages of the trainer while the training runs: `/metrics` with figures, `/report` with the report.

Both are made from the reporter when they are asked for, so they always agree; the operator reads
the second one, which tells when each epoch ended. The series have no labels except those that the
scrape adds; an unknown figure has no series. Standard library only: user programs load this module,
and eight numbers without labels need no client library.
"""

import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lowtide.names import (
    METRIC_TRAINER_ACCURACY,
    METRIC_TRAINER_CHECKPOINT_FAILURES,
    METRIC_TRAINER_CHECKPOINTS,
    METRIC_TRAINER_EPOCH_DURATION,
    METRIC_TRAINER_EPOCHS,
    METRIC_TRAINER_EPOCHS_PLANNED,
    METRIC_TRAINER_LOSS,
    METRIC_TRAINER_SAMPLES,
    TRAINER_REPORT_PATH,
)
from lowtide.trainingjob.report import to_message
from lowtide_trainer.listener import listen
from lowtide_trainer.reporter import Reporter

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_SECONDS: Final = 5.0
_REQUEST_MAX_BYTES: Final = 8192


def exposition(reporter: Reporter) -> str:
    """Return the known figures in Prometheus' text format."""
    report = reporter.report()
    series = (
        (METRIC_TRAINER_EPOCHS, "counter", "Epochs finished.", report.epochs),
        (METRIC_TRAINER_SAMPLES, "counter", "Samples trained on.", report.samples),
        (
            METRIC_TRAINER_CHECKPOINTS,
            "counter",
            "Checkpoints written by this attempt.",
            reporter.checkpoints_saved,
        ),
        (
            METRIC_TRAINER_CHECKPOINT_FAILURES,
            "counter",
            "Checkpoints that could not be written by this attempt.",
            reporter.checkpoints_failed,
        ),
        (METRIC_TRAINER_EPOCHS_PLANNED, "gauge", "Epochs planned.", report.epochs_planned),
        (
            METRIC_TRAINER_ACCURACY,
            "gauge",
            "Accuracy on the validation data.",
            report.accuracy,
        ),
        (METRIC_TRAINER_LOSS, "gauge", "Mean training loss of the last epoch.", report.loss),
        (
            METRIC_TRAINER_EPOCH_DURATION,
            "gauge",
            "Duration of the last epoch, validation included.",
            reporter.epoch_seconds,
        ),
    )
    lines = []
    for name, kind, meaning, figure in series:
        if figure is not None:
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {figure}"]
    return "\n".join([*lines, ""])


@contextmanager
def serve_metrics(reporter: Reporter, port: int, address: str = "0.0.0.0") -> Iterator[int | None]:
    """Serve the pages while the block runs; yield the port, or `None` if it cannot be opened.

    Port 0 takes any free port.
    """
    listener = listen(reporter, port, address)
    try:
        yield None if listener is None else listener.port
    finally:
        if listener is not None:
            listener.close()


class PageServer(socketserver.ThreadingTCPServer):
    """A server of two pages on a socket that listens; a slow client keeps no other one waiting."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, descriptor: int, reporter: Reporter) -> None:
        self.reporter = reporter
        listening = socket.socket(fileno=descriptor)
        super().__init__(listening.getsockname(), _Request, bind_and_activate=False)
        self.socket.close()
        self.socket = listening

    def handle_error(self, request: object, client_address: object) -> None:
        """Drop a client that left or sent nothing; training output is no place for its trace."""


class _Request(socketserver.StreamRequestHandler):
    """One request, answered and closed."""

    timeout = _REQUEST_SECONDS

    def handle(self) -> None:
        """Answer a GET of a page; every other request is not found."""
        first_line = self.rfile.readline(_REQUEST_MAX_BYTES)
        seen = len(first_line)
        while seen < _REQUEST_MAX_BYTES and (line := self.rfile.readline(_REQUEST_MAX_BYTES)):
            seen += len(line)
            if line in (b"\r\n", b"\n"):
                break
        server = self.server
        assert isinstance(server, PageServer)
        status, kind, text = "200 OK", CONTENT_TYPE, ""
        if first_line.startswith((b"GET /metrics ", b"GET / ", b"GET /metrics?")):
            text = exposition(server.reporter)
        elif first_line.startswith(f"GET {TRAINER_REPORT_PATH} ".encode()):
            kind, text = "application/json", to_message(server.reporter.report())
        else:
            status, text = "404 Not Found", f"the pages are /metrics and {TRAINER_REPORT_PATH}\n"
        body = text.encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)
