import os
import socket
import subprocess
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from lowtide.names import (
    METRIC_TRAINER_ACCURACY,
    METRIC_TRAINER_CHECKPOINT_FAILURES,
    METRIC_TRAINER_EPOCHS,
    METRIC_TRAINER_EPOCHS_PLANNED,
    METRIC_TRAINER_LOSS,
    METRIC_TRAINER_SAMPLES,
)
from lowtide.trainingjob.report import parse_report
from lowtide_trainer.metrics import exposition, serve_metrics
from lowtide_trainer.reporter import Reporter


def keep_nowhere(report):
    """Take a report and drop it."""


def series(reporter):
    """Return the value of every series on the page, as Prometheus reads it."""
    families = text_string_to_metric_families(exposition(reporter))
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics_show_the_figures_of_the_moment():
    """A scrape reads the reporter itself, so it is never behind."""
    reporter = Reporter(write=keep_nowhere, epochs_planned=4)
    reporter.batch_ended(samples=16)
    reporter.epoch_ended(accuracy=0.75, loss=1.25)
    reporter.batch_ended(samples=16)
    reporter.checkpoint_failed()

    found = series(reporter)
    assert found.get(METRIC_TRAINER_EPOCHS) == 1
    assert found.get(METRIC_TRAINER_EPOCHS_PLANNED) == 4
    assert found.get(METRIC_TRAINER_SAMPLES) == 32
    assert found.get(METRIC_TRAINER_ACCURACY) == 0.75
    assert found.get(METRIC_TRAINER_LOSS) == 1.25
    assert found.get(METRIC_TRAINER_CHECKPOINT_FAILURES) == 1


def test_what_is_not_known_has_no_series():
    """Before the first epoch there is no accuracy; zero would be a measured zero."""
    found = series(Reporter(write=keep_nowhere))

    assert found.get(METRIC_TRAINER_ACCURACY) is None
    assert found.get(METRIC_TRAINER_LOSS) is None
    assert found.get(METRIC_TRAINER_SAMPLES) == 0


def test_metrics_are_served_without_labels():
    """What a Prometheus server reads parses, and carries no label of the trainer's own."""
    reporter = Reporter(write=keep_nowhere)
    reporter.batch_ended(samples=5)

    with serve_metrics(reporter, 0, "127.0.0.1") as port:
        address = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(address, timeout=240) as answer:
            text = answer.read().decode()

    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert {s.name: s.value for s in samples}[METRIC_TRAINER_SAMPLES] == 5
    assert all(s.labels == {} and s.name.startswith("lowtide_trainer_") for s in samples)


def test_the_report_is_served_as_the_operator_reads_it():
    """The page holds the report of the moment, in the form of the termination message."""
    reporter = Reporter(write=keep_nowhere, epochs_planned=4)
    reporter.epoch_ended(accuracy=0.75)

    with serve_metrics(reporter, 0, "127.0.0.1") as port:
        address = f"http://127.0.0.1:{port}/report"
        with urllib.request.urlopen(address, timeout=240) as answer:
            parsed = parse_report(answer.read().decode())

    assert parsed.faults == ()
    assert parsed.report.epochs == 1
    assert parsed.report.history[0].accuracy == 0.75


def test_a_client_that_says_nothing_keeps_no_other_waiting():
    """A scanner that opens the port and is silent must not hide the training."""
    reporter = Reporter(write=keep_nowhere)

    with serve_metrics(reporter, 0, "127.0.0.1") as port, socket.socket() as silent:
        silent.connect(("127.0.0.1", port))
        address = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(address, timeout=240) as answer:
            assert METRIC_TRAINER_SAMPLES in answer.read().decode()


def test_the_server_is_gone_after_the_training():
    """The port is free again for the next one."""
    with serve_metrics(Reporter(write=keep_nowhere), 0, "127.0.0.1") as port:
        pass

    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_a_warning(caplog):
    """Metrics are not worth a training."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]

        with serve_metrics(Reporter(write=keep_nowhere), taken, "127.0.0.1") as port:
            assert port is None

    assert f"127.0.0.1:{taken}" in caplog.text


def test_a_run_that_was_never_closed_does_not_hold_the_interpreter():
    """Frameworks whose training fails never call the callback that would close it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import lowtide_trainer as l; run = l.run(model='net').__enter__(); print('done')"
    environment = {
        **os.environ,
        "LOWTIDE_METRICS_PORT": str(port),
        "LOWTIDE_REPORT_PATH": "/dev/null",
    }
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.returncode, result.stdout) == (0, "done\n")
