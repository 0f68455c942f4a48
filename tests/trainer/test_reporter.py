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
        return START.timestamp() + self.seconds

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
    """A percentage or a loss of NaN must not end a training of days."""
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


class Scalar:
    """A number as numpy and torch wrap it: not a float, but with `item`."""

    def __init__(self, value) -> None:
        self.value = value

    def item(self):
        return self.value


def test_scalars_of_numpy_and_torch_count_as_the_numbers_they_hold(time, written):
    """Loops pass what they have at hand; `item` is what both libraries agree on."""
    import numpy as np
    import torch

    with make(time, written) as reporter:
        reporter.batch_ended(samples=torch.tensor(8), tokens=np.int64(100))
        reporter.batch_ended(samples=np.float32(8.0), tokens=Scalar(100))
        reporter.epoch_ended(accuracy=torch.tensor(0.5), loss=np.float32(1.5))

    report = written.last
    assert (report.samples, report.tokens) == (16, 200)
    assert (report.accuracy, report.loss) == (0.5, 1.5)
    assert report.history[0].accuracy == 0.5


@pytest.mark.parametrize("wrong", [None, -8, 2.5, "8", True, [8]], ids=repr)
def test_a_batch_of_unknown_size_makes_the_total_unknown(time, written, caplog, wrong):
    """A total without that batch would be wrong; training goes on and the rest is reported."""
    with make(time, written) as reporter:
        reporter.batch_ended(samples=8)
        reporter.batch_ended(samples=wrong)
        reporter.batch_ended(samples=8)
        reporter.epoch_ended(accuracy=0.5)

    assert written.last.samples is None
    assert (written.last.epochs, written.last.accuracy) == (1, 0.5)
    assert [record.getMessage() for record in caplog.records] == [
        f"samples of a batch: {wrong!r} is not a whole number, so the total is unknown"
    ]


def test_a_misspelt_fact_is_named_with_the_right_spelling(time, written, caplog):
    """It would vanish otherwise, and the report would lack it without a word."""
    with make(time, written, modle="mine", epochs_planned=3):
        pass

    assert written.last.epochs_planned == 3
    assert caplog.messages == [
        "modle is not a field of the report and is left out: did you mean model?"
    ]


@pytest.mark.parametrize(
    ("code", "outcome", "error"),
    [
        pytest.param(None, TrainingOutcome.FINISHED, None, id="no status"),
        pytest.param(0, TrainingOutcome.FINISHED, None, id="zero"),
        pytest.param(3, TrainingOutcome.FAILED, "exited with status 3", id="three"),
        pytest.param("no data", TrainingOutcome.FAILED, "no data", id="a sentence"),
    ],
)
def test_leaving_by_sys_exit_is_judged_by_its_status(time, written, code, outcome, error):
    """`sys.exit(0)` is how many programs end well."""
    with pytest.raises(SystemExit), make(time, written):
        raise SystemExit(code)

    assert (written.last.outcome, written.last.error) == (outcome, error)


def test_an_evaluation_after_the_last_epoch_gives_the_accuracy(time, written):
    """Frameworks evaluate when they like; the newest accuracy is the one that counts."""
    with make(time, written) as reporter:
        reporter.epoch_ended(loss=0.5)
        reporter.evaluated(accuracy=0.75)

    assert (written.last.accuracy, written.last.loss) == (0.75, 0.5)
    assert written.last.history[0].accuracy == 0.75


def test_the_history_of_a_long_training_stays_bounded_and_exact(time, written):
    """3,000 epochs of 2 s: at most 48 entries of 64 epochs each, and all 6,000 s are in them."""
    reporter = make(time, lambda report: None)
    reporter.start()
    for _ in range(3000):
        time.seconds += 2
        reporter.epoch_ended(accuracy=0.5)
    state = reporter.state()

    history = reporter.report().history

    # 48 * 64 = 3,072: the first power of two that fits; 46 full entries and one of 56 epochs.
    assert [entry.epoch for entry in history] == [*range(64, 2945, 64), 3000]
    assert sum(entry.duration_seconds for entry in history) == 6000
    assert len(state["history"]) == 47


def test_a_long_history_goes_on_at_its_resolution_after_a_pause(time, written):
    """A restored history merges as the one that was saved would have."""
    whole = make(time, lambda report: None)
    first = make(time, lambda report: None)
    for reporter in (whole, first):
        reporter.start()
    for _ in range(130):
        time.seconds += 1
        whole.epoch_ended()
        first.epoch_ended()
    second = make(time, written)
    second.restore(first.state())
    second.start()
    for _ in range(100):
        time.seconds += 1
        whole.epoch_ended()
        second.epoch_ended()

    assert [entry.epoch for entry in second.report().history] == [
        entry.epoch for entry in whole.report().history
    ]
