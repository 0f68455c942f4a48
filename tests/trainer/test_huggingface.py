import sys
from types import SimpleNamespace

import pytest

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import TrainingOutcome, parse_report
from lowtide_trainer.callbacks.framework import FrameworkRun
from lowtide_trainer.callbacks.huggingface import HuggingFaceCallback
from lowtide_trainer.reporter import Reporter


class StandInTrainer:
    """Calls events in the order of transformers' Trainer: 50 samples, 7 steps of 8 an epoch."""

    def __init__(self, callback, *, epochs=2, evaluates=True, step=0):
        self.callback = callback
        self.evaluates = evaluates
        self.saved_at = None
        self.args = SimpleNamespace(
            seed=42, train_batch_size=8, gradient_accumulation_steps=1, world_size=1
        )
        self.state = SimpleNamespace(
            global_step=step,
            max_steps=7 * epochs,
            num_train_epochs=epochs,
            epoch=step / 7,
            num_input_tokens_seen=0,
        )
        self.control = SimpleNamespace(should_save=False, should_training_stop=False)

    def call(self, event, **values):
        loader = SimpleNamespace(dataset=range(50))
        getattr(self.callback, event)(
            self.args, self.state, self.control, train_dataloader=loader, **values
        )

    def train(self, before_step=lambda step: None):
        self.call("on_train_begin")
        while self.state.global_step < self.state.max_steps:
            self.call("on_epoch_begin")
            for _ in range(7 - self.state.global_step % 7):
                before_step(self.state.global_step)
                self.call("on_step_begin")
                self.state.global_step += 1
                self.state.num_input_tokens_seen += 100
                self.call("on_step_end")
                self.call("on_log", logs={"loss": 1 / self.state.global_step})
                if self.control.should_save:
                    self.saved_at = self.state.global_step
                if self.control.should_training_stop:
                    break
            self.call("on_epoch_end")
            if self.evaluates:
                self.call("on_evaluate", metrics={"eval_accuracy": 0.5})
            if self.control.should_training_stop:
                break
        self.call("on_train_end")


class Recorder:
    """Keeps the last report."""

    def __call__(self, report):
        self.report = report


@pytest.fixture
def recorder():
    return Recorder()


def test_a_training_is_reported_by_its_events(recorder):
    """Epochs with their accuracy, samples without the padding of the last batch, tokens."""
    with Reporter(write=recorder) as reporter:
        StandInTrainer(HuggingFaceCallback(reporter)).train()

    report = recorder.report
    assert report.outcome is TrainingOutcome.FINISHED
    assert (report.epochs, report.epochs_planned, report.seed) == (2, 2, 42)
    assert (report.samples, report.tokens) == (100, 1400)
    assert (report.accuracy, report.loss) == (0.5, 1 / 14)
    assert [entry.epoch for entry in report.history] == [1, 2]


def test_epochs_are_counted_without_an_evaluation(recorder):
    """The accuracy is then not known."""
    with Reporter(write=recorder) as reporter:
        StandInTrainer(HuggingFaceCallback(reporter), evaluates=False).train()

    assert recorder.report.epochs == 2
    assert recorder.report.accuracy is None


@pytest.mark.parametrize(
    ("last_step", "epochs", "samples"),
    [
        pytest.param(10, 1, 50 + 3 * 8, id="within an epoch"),
        pytest.param(7, 1, 50, id="at the end of an epoch"),
    ],
)
def test_a_stop_lets_the_framework_save_and_leaves_as_paused(recorder, last_step, epochs, samples):
    """The step is finished and saved, then the process leaves with the code of a pause."""
    stop = SimpleNamespace(requested=False)
    reporter = Reporter(write=recorder)
    trainer = StandInTrainer(HuggingFaceCallback(reporter, stop))

    def ask_before_the_last_step(step):
        stop.requested = step == last_step - 1

    with pytest.raises(SystemExit) as raised, reporter:
        trainer.train(ask_before_the_last_step)

    assert raised.value.code == EXIT_CODE_PAUSED
    assert trainer.saved_at == last_step
    assert recorder.report.outcome is TrainingOutcome.PAUSED
    assert (recorder.report.epochs, recorder.report.samples) == (epochs, samples)


def test_a_resumed_training_counts_on(recorder):
    """Ten steps are 74 samples; at the end it is as many as without the pause."""
    with Reporter(write=recorder) as reporter:
        StandInTrainer(HuggingFaceCallback(reporter), step=10).train()

    assert recorder.report.resumed_samples == 74
    assert (recorder.report.epochs, recorder.report.samples) == (2, 100)


def test_events_of_later_versions_are_ignored():
    """The framework calls every event on every callback; other names are errors as ever."""
    callback = HuggingFaceCallback(Reporter(write=lambda report: None))

    assert callback.on_something_new(1, 2, 3, model=None) is None
    with pytest.raises(AttributeError):
        callback.state_dict()


@pytest.mark.parametrize(("can_resume", "outcome"), [(True, "Paused"), (False, "Running")])
def test_a_rank_that_lost_another_leaves_as_paused_where_it_can_resume(
    monkeypatch, tmp_path, can_resume, outcome
):
    """The framework tells a callback of no exception, so the error that ends the program is judged.

    Without a complete checkpoint the program ends by its error, as before.
    """
    shown = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: shown.append(error))
    environment = {"LOWTIDE_REPORT_PATH": str(tmp_path / "report"), "LOWTIDE_METRICS_PORT": "0"}
    run = FrameworkRun(facts={}, environment=environment)
    run.open_until_exit(can_resume=lambda: can_resume)
    run.reporter.start()
    lost = RuntimeError("gloo/transport/tcp/pair.cc: Connection closed by peer")
    monkeypatch.setattr(run.ranks, "has_lost_another", lambda error: error is lost)
    try:
        other = ValueError("not about ranks")
        sys.excepthook(ValueError, other, None)
        if can_resume:
            with pytest.raises(SystemExit) as raised:
                sys.excepthook(RuntimeError, lost, None)
            assert raised.value.code == EXIT_CODE_PAUSED
        else:
            sys.excepthook(RuntimeError, lost, None)
    finally:
        run.close()

    assert shown == ([other] if can_resume else [other, lost])
    found = parse_report((tmp_path / "report").read_text()).report
    assert found.outcome == outcome
