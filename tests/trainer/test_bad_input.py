"""Whatever a loop passes to a run: what decides the training is refused at once, the rest is said.

No figure ends a training, and a refusal is one sentence, in a program of one's own too.
"""

import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import lowtide_trainer
from lowtide.trainingjob.report import TrainingOutcome, parse_report
from lowtide_trainer.errors import UsageError

pytestmark = pytest.mark.usefixtures("one_thread")


class Awkward:
    """An object of a user's program that fails whatever it is asked."""

    def __repr__(self):
        raise RuntimeError("no text")

    @property
    def item(self):
        raise RuntimeError("no item")

    @property
    def shape(self):
        raise RuntimeError("no shape")


ANYTHING = (
    None,
    True,
    -1,
    0,
    2,
    10**40,
    2.5,
    float("nan"),
    float("inf"),
    "",
    "net",
    "\ud800",
    "two\nlines",
    b"bytes",
    [],
    [1],
    {"a": 1},
    {1, 2},
    object(),
    Awkward(),
    len,
    np.float32(0.5),
    np.array([1, 2]),
    torch.tensor(3),
    torch.tensor([1.0, 2.0]),
    torch.tensor(float("nan")),
)
FACTS = ("model", "dataset", "seed", "device", "parameters", "flops_per_sample", "samples_planned",
         "outcome", "history", "checkpoint", "error", "started_at")  # fmt: skip


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Return a function that reads the report of a training in this folder."""
    monkeypatch.setenv("LOWTIDE_REPORT_PATH", str(tmp_path / "report"))
    monkeypatch.setenv("LOWTIDE_METRICS_PORT", "0")
    monkeypatch.chdir(tmp_path)
    return lambda: parse_report((tmp_path / "report").read_text(encoding="utf-8")).report


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"epochs": 2.5}, "epochs=2.5: give the number of epochs, 0 or more"),
        ({"epochs": "3"}, "epochs='3': give the number of epochs, 0 or more"),
        ({"epochs": True}, "epochs=True: give the number of epochs, 0 or more"),
        ({"state": 5}, "state=5: give a list such as"),
        ({"state": "net"}, "state='net': give a list such as"),
        ({"checkpoints": 5}, "checkpoints=5: give the path of a directory"),
        ({"checkpoints": ""}, "checkpoints='': give the path of a directory"),
        ({"checkpoint_seconds": "soon"}, "checkpoint_seconds='soon': give a number of seconds"),
        ({"checkpoint_seconds": float("nan")}, "checkpoint_seconds=nan: give a number of seconds"),
    ],
    ids=str,
)
def test_an_argument_that_decides_the_training_is_refused_at_once(arguments, sentence):
    with pytest.raises(UsageError) as caught:
        lowtide_trainer.run(**arguments)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("epochs", [2, 2.0, np.int64(2), torch.tensor(2)], ids=repr)
def test_a_whole_number_of_any_kind_is_a_number_of_epochs(report, epochs):
    with lowtide_trainer.run(epochs=epochs) as run:
        for _ in run.epochs():
            run.epoch()
    assert (report().epochs, report().epochs_planned) == (2, 2)


def test_one_object_needs_no_list(report, tmp_path):
    with lowtide_trainer.run(epochs=1, state=nn.Linear(2, 3), checkpoints=tmp_path / "c") as run:
        for _ in run.epochs():
            run.epoch()
    assert report().parameters == 9


@pytest.mark.parametrize("accumulate", [0, 1.5, None, "2"], ids=repr)
def test_accumulation_of_a_part_of_a_batch_is_refused(report, accumulate):
    def train():
        with lowtide_trainer.run(epochs=1) as run:
            for _ in run.epochs():
                next(run.batches([[1, 2]], accumulate=accumulate))

    with pytest.raises(UsageError, match=r"^accumulate=.*: give the number of batches, 1 or more"):
        train()
    assert report().outcome is TrainingOutcome.FAILED


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("seed", range(60))
def test_no_figure_of_any_kind_ends_a_training(report, seed):
    """Every argument that is only reported is drawn from everything that a program can hold."""
    choice = random.Random(seed)
    facts = {name: choice.choice(ANYTHING) for name in choice.sample(FACTS, 4)}
    with lowtide_trainer.run(epochs=2, **facts) as run:
        for _ in run.epochs():
            for _ in run.batches(
                [choice.choice(ANYTHING) for _ in range(3)],
                samples=choice.choice((lowtide_trainer.session.data.batch_size, lambda b: b, 1)),
                tokens=choice.choice((None, lambda b: b, lambda b: 1 / 0)),
            ):
                pass
            names = ("accuracy", "accuracy_top5", "loss")
            run.epoch(**{name: choice.choice(ANYTHING) for name in names})

    assert (report().outcome, report().epochs) == (TrainingOutcome.FINISHED, 2)


@pytest.mark.parametrize("seed", range(30))
def test_no_figure_of_any_kind_ends_an_inference(report, seed):
    choice = random.Random(seed)
    facts = {name: choice.choice(ANYTHING) for name in choice.sample(FACTS, 4)}
    with lowtide_trainer.inference(warmup=1, **facts) as run:
        for _ in run.batches(
            [choice.choice(ANYTHING) for _ in range(4)],
            samples=choice.choice((lambda b: b, 1)),
            tokens=choice.choice((None, lambda b: b, lambda b: 1 / 0)),
        ):
            pass
        run.evaluated(accuracy=choice.choice(ANYTHING))

    assert (report().outcome, report().inference.requests) == (TrainingOutcome.FINISHED, 3)


@pytest.mark.parametrize("bad", [None, "8", 2.5], ids=repr)
def test_tokens_stay_unknown_once_a_batch_could_not_be_counted(report, bad):
    """A total of the other batches would be wrong without a word."""
    counts = iter([4, bad, 4])
    with lowtide_trainer.run(epochs=1) as run:
        for _ in run.epochs():
            for _ in run.batches([[1, 2]] * 3, tokens=lambda _: next(counts)):
                pass
    assert (report().samples, report().tokens) == (6, None)


PROGRAM = """
import sys
import torch
import lowtide_trainer

net = torch.nn.Linear(int(sys.argv[1]), 2)
with lowtide_trainer.run(epochs=1, state=[net], checkpoints=sys.argv[2]) as run:
    for _ in run.epochs():
        run.epoch()
    if len(sys.argv) > 3:
        raise ValueError("of one's own")
"""


@pytest.mark.slow  # four starts of torch
@pytest.mark.beside_cluster
def test_a_checkpoint_of_another_model_ends_a_program_by_its_sentence_alone(report, tmp_path):
    """A trace of Lowtide's own code explains nothing; an error of one's own has its trace."""

    def start(*arguments):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    folder = str(tmp_path / "checkpoints")
    assert start("3", folder).returncode == 0
    other = start("4", folder)
    own = start("3", str(tmp_path / "others"), "fail")

    assert other.returncode == 1
    assert [line for line in other.stderr.splitlines() if not line.startswith("lowtide: ")] == [
        "error: the checkpoint belongs to another training: its state 0 is Linear with 8 "
        "parameters, here it is Linear with 10 parameters; give each training its own checkpoint "
        "directory"
    ]
    assert json.loads((tmp_path / "report").read_text())["outcome"] == "Failed"
    assert own.returncode == 1
    assert own.stderr.splitlines()[-1] == "ValueError: of one's own"
    assert "Traceback" in own.stderr
