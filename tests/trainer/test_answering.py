"""`lowtide-trainer infer`: a reference network answers requests."""

import pytest

from lowtide.trainingjob.report import TrainingOutcome, parse_report
from lowtide_trainer.main import main

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


@pytest.fixture
def infer(tmp_path):
    """Run the command with small settings; return its status and its report."""
    path = tmp_path / "answers.json"

    def run(*extra):
        status = main(
            [
                *("infer", "--model", "tiny", "--requests", "5", "--warmup", "2", "--threads", "1"),
                *("--batch-size", "8", "--report-path", str(path), *extra),
            ]
        )
        return status, parse_report(path.read_text()).report

    return run


def test_untrained_weights_are_measured_and_have_no_accuracy(infer, capsys):
    """Energy and latency are those of the network; its answers mean nothing."""
    status, report = infer("--precision", "bfloat16")

    assert status == 0
    assert report.outcome is TrainingOutcome.FINISHED
    assert (report.model, report.dataset, report.parameters) == ("tiny", "digits", 2_090)
    found = report.inference
    assert (found.warmup_requests, found.requests, found.samples) == (2, 5, 40)
    assert 0 < found.latency_p50_seconds <= found.latency_p99_seconds
    assert report.accuracy is None
    assert "answered 5 requests after 2 of warm-up" in capsys.readouterr().out


def test_weights_of_a_training_answer_as_it_did(infer, tmp_path):
    """All 256 validation images in 32 requests: the accuracy that the training ended with."""
    checkpoints, report = str(tmp_path / "checkpoints"), str(tmp_path / "trained.json")
    trained = main(
        [
            *("train", "--model", "tiny", "--samples", "256", "--epochs", "2", "--threads", "1"),
            *("--metrics-port", "0", "--checkpoint-dir", checkpoints, "--report-path", report),
        ]
    )
    assert trained == 0
    expected = parse_report((tmp_path / "trained.json").read_text()).report.accuracy

    status, found = infer("--checkpoint-dir", checkpoints, "--requests", "32", "--warmup", "0")

    assert status == 0
    assert found.accuracy == expected


def test_weights_of_another_network_are_refused(infer, tmp_path, capsys):
    """One sentence, in the report too."""
    import torch

    from lowtide_trainer.checkpoint import CheckpointStore

    CheckpointStore(tmp_path / "other").save(
        {"training": {"network": {"bias": torch.zeros(3)}}}, batches=1
    )

    status, report = infer("--checkpoint-dir", str(tmp_path / "other"))

    assert status == 1
    assert report.outcome is TrainingOutcome.FAILED
    assert "does not hold the weights of tiny" in report.error
    assert "does not hold the weights of tiny" in capsys.readouterr().err


def test_an_empty_directory_of_checkpoints_is_wrong_use(infer, tmp_path):
    """Random weights never pass for trained ones."""
    status, report = infer("--checkpoint-dir", str(tmp_path / "empty"))

    assert status == 2
    assert "has no checkpoint" in report.error
