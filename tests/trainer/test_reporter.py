from datetime import UTC, datetime, timedelta

import pytest

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import CheckpointInfo, TrainingOutcome
from lowtide_trainer.reporter import Reporter

START = datetime(2026, 12, 1, 2, 15, tzinfo=UTC)


class FakeTime:
    """A clock and a stopwatch that only move when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self):
        return START + timedelta(seconds=self.seconds)

    def monotonic(self):
        return 1000 + self.seconds


class Recorder:
    """Keeps every report that is written."""

    def __init__(self) -> None:
        self.reports = []

    def __call__(self, report):
        self.reports.append(report)

    @property
    def last(self):
        return self.reports[-1]


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def written():
    return Recorder()


def make(time, written, **facts):
    return Reporter(write=written, clock=time.clock, monotonic=time.monotonic, **facts)


def test_a_loop_of_ones_own_needs_three_lines(time, written):
    """A context manager, one line for each batch and one for each epoch make a whole report."""
    with make(time, written, model="mine", epochs_planned=2) as reporter:
        for accuracy in (0.25, 0.75):
            for _ in range(3):
                time.seconds += 2
                reporter.batch_ended(samples=8, tokens=100)
            reporter.epoch_ended(accuracy=accuracy, loss=0.5)

    report = written.last
    assert report.outcome is TrainingOutcome.FINISHED
    assert (report.epochs, report.epochs_planned) == (2, 2)
    assert (report.samples, report.tokens) == (48, 600)
    assert (report.accuracy, report.loss) == (0.75, 0.5)
    assert report.training_seconds == 12
    assert [(entry.epoch, entry.duration_seconds) for entry in report.history] == [(1, 6), (2, 6)]
    assert report.history[1].ended_at == START + timedelta(seconds=12)
    assert report.resumed_samples == 0


def test_a_report_is_written_after_every_epoch(time, written):
    """A process that is killed without warning leaves its last epoch behind."""
    reporter = make(time, written)
    reporter.start()
    reporter.epoch_ended(accuracy=0.5)

    assert [(report.outcome, report.epochs) for report in written.reports] == [
        (TrainingOutcome.RUNNING, 0),
        (TrainingOutcome.RUNNING, 1),
    ]


def test_an_exception_is_reported_as_failure_and_passed_on(time, written):
    """The reason stands in the report, in one line."""
    with pytest.raises(RuntimeError), make(time, written):
        raise RuntimeError("out of memory\non device 0")

    assert written.last.outcome is TrainingOutcome.FAILED
    assert written.last.error == "RuntimeError: out of memory on device 0"


def test_leaving_with_the_exit_code_of_a_pause_is_reported_as_paused(time, written):
    """A loop that saved its own checkpoint says so by its exit code."""
    with pytest.raises(SystemExit), make(time, written):
        raise SystemExit(EXIT_CODE_PAUSED)

    assert written.last.outcome is TrainingOutcome.PAUSED


def test_a_later_attempt_counts_on_where_the_first_stopped(time, written):
    """Counts, times and history continue; the pause itself is in none of them."""
    first = make(time, written, epochs_planned=2)
    first.start()
    time.seconds = 10
    first.batch_ended(samples=8)
    first.epoch_ended(accuracy=0.5, loss=1.5)
    time.seconds = 13
    first.batch_ended(samples=4)
    state = first.state()
    time.seconds = 5000
    checkpoint = CheckpointInfo(name="c", batches=2, saved_at=START, size_bytes=9)

    second = make(time, written, epochs_planned=2)
    second.restore(state, checkpoint)
    second.start()
    time.seconds = 5004
    second.batch_ended(samples=4)
    second.epoch_ended(accuracy=0.75, loss=0.5)
    second.end(TrainingOutcome.FINISHED)

    report = written.last
    assert (report.epochs, report.samples, report.resumed_samples) == (2, 16, 12)
    assert report.training_seconds == 17
    assert [entry.duration_seconds for entry in report.history] == [10, 7]
    assert [entry.accuracy for entry in report.history] == [0.5, 0.75]
    assert report.started_at == START
    assert report.checkpoint == checkpoint


def test_a_figure_that_makes_no_sense_is_left_out_and_warned_about_once(time, written, caplog):
    """A percentage or a loss that is no number must not end a training of days."""
    reporter = make(time, written, model="m" * 200)
    reporter.start()
    for _ in range(2):
        reporter.epoch_ended(accuracy=80.0, loss=float("nan"))

    assert (written.last.model, written.last.accuracy, written.last.loss) == (None, None, None)
    assert [entry.accuracy for entry in written.last.history] == [None, None]
    assert [record.getMessage().partition(" is left out")[0] for record in caplog.records] == [
        "model",
        "accuracy",
        "loss",
    ]


def test_a_report_that_cannot_be_written_is_a_warning(time, caplog):
    """The termination message may be missing; training goes on."""

    def refuse(report):
        raise OSError(30, "Read-only file system")

    with make(time, refuse) as reporter:
        reporter.epoch_ended(accuracy=0.5)

    assert len(caplog.records) == 1
    assert "Read-only file system" in caplog.text


def test_floating_point_operations_follow_the_samples(time, written):
    """Known operations of one sample are multiplied by the samples trained on."""
    reporter = make(time, written)
    reporter.describe(flops_per_sample=1_000)
    reporter.batch_ended(samples=7)
    reporter.publish()

    assert written.last.flops == 7_000
