"""Errors of torch and of the operating system: each is raised for real and told in one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from lowtide_trainer.errors import CheckpointMismatchError
from lowtide_trainer.explaining import explanation

GO_ON = "start the training again; it goes on from its last complete checkpoint"


def raised(action):
    """Return the error that an action ends with."""
    with pytest.raises(Exception) as caught:
        action()
    return caught.value


def write_to_a_full_disk():
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"weights")


def load(there, here):
    return lambda: here.load_state_dict(there.state_dict())


def optimizer_of(*sizes):
    return torch.optim.Adam(nn.Sequential(*(nn.Linear(2, size) for size in sizes)).parameters())


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        pytest.param(
            write_to_a_full_disk,
            f"a file could not be written, the disk is full: free space there and {GO_ON}",
            id="a write to a full disk",
        ),
        pytest.param(
            lambda: torch.save(torch.ones(3), "/dev/full"),
            "a file could not be written to its end, as on a full disk: free space where the "
            "training saves and start it again; it goes on from its last complete checkpoint",
            id="torch's own writer",
        ),
        pytest.param(
            load(nn.Linear(3, 2), nn.Linear(3, 4)),
            "the checkpoint is of another model than this Linear: weight has the shape [2, 3] in "
            "it and [4, 3] here (1 more differ); give each training its own checkpoint directory",
            id="other shapes",
        ),
        pytest.param(
            load(nn.Linear(2, 2, bias=False), nn.Linear(2, 2)),
            "the checkpoint is of another model than this Linear: bias is not in it; give each "
            "training its own checkpoint directory",
            id="a parameter more",
        ),
        pytest.param(
            load(nn.Linear(2, 2), nn.Linear(2, 2, bias=False)),
            "the checkpoint is of another model than this Linear: bias is in it and not here; "
            "give each training its own checkpoint directory",
            id="a parameter less",
        ),
        pytest.param(
            # Made in the test: the first optimiser of a process imports for a second.
            lambda: load(optimizer_of(2), optimizer_of(2, 3))(),
            "the checkpoint is of another training: its optimiser has other groups of parameters "
            "than this one; give each training its own checkpoint directory",
            id="an optimiser of other parameters",
        ),
        pytest.param(
            lambda: torch.utils.data.DataLoader([], 8, shuffle=True),
            "no batch was trained on: the data set is empty, or smaller than a batch that must be "
            "full (drop_last); give at least one batch of samples",
            id="an empty data set",
        ),
    ],
)
def test_an_error_of_torch_or_the_system_is_told_in_one_sentence(action, sentence):
    assert explanation(raised(action)) == sentence


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        # As safetensors and h5py say it: the number of the error is in their text alone.
        ("Error while serializing: I/O error: No space left on device (os error 28)",
         "the disk is full: free space there"),
        ("file write failed: errno = 122, error message = 'Disk quota exceeded'",
         "the quota of the disk is used up: free space there or raise the quota"),
        ("file write failed: errno = 27, error message = 'File too large'",
         "a file is larger than it may be: raise the limit (ulimit -f)"),
    ],
)  # fmt: skip
def test_a_full_disk_is_known_by_the_words_of_other_libraries(words, cause):
    assert explanation(RuntimeError(words)).startswith(f"a file could not be written, {cause} and")


def test_an_error_that_came_of_a_full_disk_is_told_by_it():
    def save():
        try:
            write_to_a_full_disk()
        except OSError as error:
            raise RuntimeError("cannot save") from error

    assert "the disk is full" in explanation(raised(save))


def test_errors_of_ones_own_and_of_the_trainer_keep_their_words():
    def mismatch():
        try:
            load(nn.Linear(3, 2), nn.Linear(3, 4))()
        except RuntimeError as error:
            raise CheckpointMismatchError("a sentence of ours") from error

    assert explanation(ValueError("num_samples is wrong")) is None
    assert explanation(FileNotFoundError(2, "No such file or directory")) is None
    assert explanation(raised(mismatch)) is None


PROGRAM = """
from lowtide_trainer.callbacks.framework import FrameworkRun

FrameworkRun(facts={"model": "small"}).watch()
raise ValueError("num_samples should be a positive integer value, but got num_samples=0")
"""


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_framework_that_fails_before_it_tells_of_a_start_is_reported(tmp_path, rank):
    """The error is shown as ever, the sentence follows it, and the first rank alone reports."""
    report = tmp_path / "report"
    environment = {"LOWTIDE_REPORT_PATH": str(report), "LOWTIDE_METRICS_PORT": "0", "RANK": rank}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert "Traceback (most recent call last):" in lines
    assert any(line.startswith("lowtide: no batch was trained on: the data") for line in lines)
    assert report.exists() == (rank == "0")
    if rank == "0":
        found = json.loads(report.read_text())
        assert found["outcome"] == "Failed"
        assert found["error"].startswith("no batch was trained on: the data set is empty")
