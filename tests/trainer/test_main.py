import os
import signal

import pytest
import torch

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import TrainingOutcome, parse_report
from lowtide_trainer.main import main

pytestmark = pytest.mark.usefixtures("one_thread")


class Trainer:
    """The command, run in this process with small settings and its files in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.report_path = folder / "report.json"
        self.checkpoints = folder / "checkpoints"

    def run(self, *extra):
        return main(
            [
                *("train", "--model", "tiny", "--samples", "64", "--validation-samples", "64"),
                *("--epochs", "3", "--threads", "1", "--metrics-port", "0"),
                *("--report-path", str(self.report_path), *extra),
            ]
        )

    def run_with_checkpoints(self, *extra):
        return self.run("--checkpoint-dir", str(self.checkpoints), *extra)

    @property
    def report(self):
        return parse_report(self.report_path.read_text()).report


@pytest.fixture
def trainer(tmp_path):
    return Trainer(tmp_path)


def stop_at_line(monkeypatch, beginning):
    """Send this process a real SIGTERM as soon as a line that begins so is printed."""
    from lowtide_trainer import main as module

    say = module._say

    def say_and_stop(line):
        say(line)
        if line.startswith(beginning):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(module, "_say", say_and_stop)


@pytest.mark.slow
def test_a_training_reports_what_it_reached(trainer, capsys):
    """One line for each epoch, and a report that says it all."""
    assert trainer.run() == 0

    said = capsys.readouterr()
    assert "the report of this training is" in said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("tiny on digits  64 images of 16 px, 64 for validation")
    assert [line.split("  ")[0] for line in lines[1:]] == [
        *("epoch 1/3", "epoch 2/3", "epoch 3/3", "finished"),
    ]
    report = trainer.report
    assert report.outcome is TrainingOutcome.FINISHED
    assert (report.epochs, report.epochs_planned) == (3, 3)
    assert (report.samples, report.samples_planned) == (192, 192)
    assert (report.model, report.dataset, report.device) == ("tiny", "digits", "CPU, 1 thread")
    # Weights and biases: 8 x 27 + 8, normalised 2 x 8, 16 x 72 + 16, 2 x 16, 10 x 64 + 10.
    assert report.parameters == 224 + 16 + 1168 + 32 + 650
    assert report.flops == 192 * 169_728
    assert report.framework == f"torch {torch.__version__}"
    assert 0 <= report.accuracy <= report.accuracy_top5 <= 1
    assert report.history[2].accuracy == pytest.approx(report.accuracy, abs=1e-6)


@pytest.mark.slow
def test_a_pause_does_not_change_the_result(trainer, tmp_path, monkeypatch, capsys):
    """SIGTERM, exit code 75, a second start: weights and accuracies of the uninterrupted run."""
    uninterrupted = Trainer(tmp_path / "uninterrupted")
    uninterrupted.folder.mkdir()
    assert uninterrupted.run() == 0
    expected = capsys.readouterr().out.splitlines()

    with monkeypatch.context() as patch:
        stop_at_line(patch, "epoch 1/3")
        assert trainer.run_with_checkpoints() == EXIT_CODE_PAUSED
    paused = trainer.report
    assert trainer.run_with_checkpoints() == 0

    assert paused.outcome is TrainingOutcome.PAUSED
    assert (paused.epochs, paused.checkpoint.name) == (1, "checkpoint-0000000004.pt")
    lines = capsys.readouterr().out.splitlines()
    assert "resumed after 4 batches (1 epochs)" in lines
    assert lines[-1].rpartition("  ")[2] == expected[-1].rpartition("  ")[2]
    resumed, whole = trainer.report, uninterrupted.report
    assert resumed.resumed_samples == 64
    assert (resumed.samples, resumed.loss) == (whole.samples, whole.loss)
    assert [e.accuracy for e in resumed.history] == [e.accuracy for e in whole.history]


def test_a_stop_before_the_first_batch_loses_nothing(trainer, monkeypatch):
    """A wish that comes while the network is being built is honoured with a checkpoint."""
    stop_at_line(monkeypatch, "tiny on digits")

    assert trainer.run_with_checkpoints() == EXIT_CODE_PAUSED

    assert (trainer.report.outcome, trainer.report.samples) == (TrainingOutcome.PAUSED, 0)
    assert trainer.report.checkpoint.batches == 0


def test_a_finished_training_started_again_has_nothing_to_do(trainer, capsys):
    """A pod that is made again after the end reports the same result at once."""
    assert trainer.run_with_checkpoints() == 0
    first = trainer.report
    capsys.readouterr()

    assert trainer.run_with_checkpoints() == 0

    lines = capsys.readouterr().out.splitlines()
    assert not any(line.startswith("epoch ") for line in lines)
    assert trainer.report.history == first.history
    assert trainer.report.outcome is TrainingOutcome.FINISHED


def test_a_stop_without_a_checkpoint_directory_is_a_failure(trainer, monkeypatch, capsys):
    """The work is lost, and the exit code must not claim that it can go on."""
    stop_at_line(monkeypatch, "epoch 1/3")

    assert trainer.run() == 1

    assert trainer.report.outcome is TrainingOutcome.FAILED
    assert "has no checkpoint directory" in trainer.report.error
    assert "give --checkpoint-dir" in capsys.readouterr().err


def test_a_full_disk_does_not_end_a_training(trainer, monkeypatch, caplog):
    """Checkpoints that fail are warned about; the result is reported all the same."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    assert trainer.run_with_checkpoints() == 0

    assert trainer.report.outcome is TrainingOutcome.FINISHED
    assert trainer.report.checkpoint is None
    assert "No space left on device; training continues" in caplog.text


def test_a_full_disk_at_a_stop_is_a_failure(trainer, monkeypatch):
    """What was trained since the last checkpoint is lost, and the report says so."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    stop_at_line(monkeypatch, "epoch 1/3")
    monkeypatch.setattr(os, "fsync", full)

    assert trainer.run_with_checkpoints() == 1

    assert trainer.report.outcome is TrainingOutcome.FAILED
    assert "No space left on device" in trainer.report.error


def test_a_checkpoint_of_another_model_is_refused(trainer, capsys):
    """The sentence says what differs and what to do."""
    assert trainer.run_with_checkpoints() == 0

    assert trainer.run_with_checkpoints("--batch-size", "8") == 1

    sentence = "the checkpoint belongs to a training with batch_size 16, this training has 8"
    assert sentence in capsys.readouterr().err
    assert sentence in trainer.report.error


def test_checkpoints_are_also_saved_within_an_epoch(trainer, monkeypatch):
    """A killed process loses at most the given seconds, however long an epoch takes."""
    assert trainer.run_with_checkpoints("--checkpoint-seconds", "0.000001") == 0

    kept = sorted(path.name for path in trainer.checkpoints.iterdir())
    assert kept == ["checkpoint-0000000011.pt", "checkpoint-0000000012.pt"]


@pytest.mark.parametrize(
    ("extra", "exit_code", "sentence"),
    [
        pytest.param(["--data", "/nonexistent"], 1, "/nonexistent does not exist", id="no folder"),
        pytest.param(["--samples", "9999"], 1, "1797 images", id="too many samples"),
        pytest.param(["--image-size", "4"], 2, "4 is too small for tiny: give 8", id="too small"),
        pytest.param(["--device", "cuda:9"], 2, "'cuda:9' does not exist", id="no such GPU"),
        pytest.param(["--device", "abacus"], 2, "'abacus' is unknown", id="no such device"),
    ],
)
def test_what_cannot_be_done_is_said_and_reported(trainer, capsys, extra, exit_code, sentence):
    """One sentence on standard error, and the same in the report."""
    assert trainer.run(*extra) == exit_code

    assert sentence in capsys.readouterr().err
    assert trainer.report.outcome is TrainingOutcome.FAILED
    assert sentence in trainer.report.error


def test_wrong_flags_are_reported_where_the_environment_says(tmp_path, monkeypatch, capsys):
    """The status of the job shows the typing error, so the user need not look for logs."""
    path = tmp_path / "message"
    monkeypatch.setenv("LOWTIDE_REPORT_PATH", str(path))

    assert main(["train", "--model", "resnet"]) == 2

    assert "'resnet' is unknown" in parse_report(path.read_text()).report.error
    assert capsys.readouterr().err.startswith("error: ")
