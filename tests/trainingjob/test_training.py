"""What the status says about the training, made from the termination message."""

import json

from lowtide.trainingjob.training import training_status


def message(**values: object) -> str:
    """Return a report as the trainer writes it."""
    return json.dumps({"schemaVersion": 1, **values}, separators=(",", ":"))


def test_the_sentence_of_a_failed_training_reaches_the_status() -> None:
    """It was read and dropped; the figures that were reported stay."""
    status = training_status(message(outcome="Failed", error="CUDA out of memory", epochs=2))

    assert status.message == "the training failed: CUDA out of memory"
    assert status.epochs == 2


def test_a_training_that_ended_well_has_no_message() -> None:
    """Nothing was wrong with it, nor with its report."""
    assert training_status(message(outcome="Finished", epochs=2)).message is None


def test_faults_of_the_report_stand_behind_the_failure() -> None:
    """The cause comes first."""
    status = training_status(message(outcome="Failed", error="no disk", accuracy=80))

    assert (status.message or "").startswith(
        "the training failed: no disk; accuracy is left out: 80"
    )
