"""The callbacks with the frameworks themselves, on networks of a few weights."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import TrainingOutcome, parse_report
from lowtide_trainer.explaining import explanation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.beside_cluster,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("default"),  # theirs, not ours
]
SAMPLES = 26
"""Three batches of 8 and one of 2."""


@pytest.fixture
def report(tmp_path, monkeypatch):
    """The report that a training in this process leaves."""
    monkeypatch.setenv("LOWTIDE_REPORT_PATH", str(tmp_path / "report"))
    monkeypatch.setenv("LOWTIDE_METRICS_PORT", "0")
    return lambda: parse_report((tmp_path / "report").read_text()).report


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return SAMPLES

    def __getitem__(self, place):
        return {"inputs": torch.ones(3) * place, "labels": torch.tensor(place % 2)}


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return (Rows()[place] for place in range(SAMPLES))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 2)

    def forward(self, inputs=None, labels=None):
        logits = self.net(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def hugging_face(folder, data, *callbacks, **options):
    """Return a Trainer with the callback, on batches of 8."""
    transformers = pytest.importorskip("transformers")
    from lowtide_trainer.callbacks.huggingface import HuggingFaceCallback

    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=8,
        per_device_eval_batch_size=8,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        **options,
    )
    return transformers.Trainer(
        Model(),
        arguments,
        train_dataset=data,
        eval_dataset=Rows(),
        compute_metrics=lambda found: {"accuracy": 0.75},
        callbacks=[HuggingFaceCallback(model="small"), *callbacks],
    )


@pytest.mark.parametrize(
    ("data", "options", "epochs", "planned", "samples"),
    [
        pytest.param(Rows(), {"num_train_epochs": 2}, 2, 2, 52, id="two epochs"),
        # 4 batches, an epoch and a half: 6 steps, the last two of 8 samples each.
        pytest.param(Rows(), {"num_train_epochs": 1.5}, 1, None, 42, id="an epoch and a half"),
        pytest.param(Rows(), {"max_steps": 5}, 1, None, 34, id="steps, not epochs"),
        pytest.param(Rows(), {"max_steps": 8}, 2, 2, 52, id="steps that are whole epochs"),
        # Two batches make a step: 16 and 10 samples.
        pytest.param(Rows(), {"num_train_epochs": 1, "gradient_accumulation_steps": 2}, 1, 1, 26,
                     id="accumulated"),
        # The stream ends after 4 batches and begins again; the Trainer breaks off in the second.
        pytest.param(Stream(), {"max_steps": 6}, 1, None, 42, id="a stream"),
    ],
)  # fmt: skip
def test_hugging_face_counts_what_was_trained_on(
    report, tmp_path, data, options, epochs, planned, samples
):
    """Epochs are whole ones, samples those that the model saw."""
    hugging_face(tmp_path, data, save_strategy="no", **options).train()

    found = report()
    assert found.outcome is TrainingOutcome.FINISHED
    assert (found.epochs, found.epochs_planned, found.samples) == (epochs, planned, samples)
    assert found.parameters == 8


@pytest.mark.parametrize("strategy", ["epoch", "steps", "no"])
def test_hugging_face_reports_the_newest_accuracy_whenever_it_evaluates(report, tmp_path, strategy):
    """After each epoch, every few steps, or by `evaluate()` after the training."""
    trainer = hugging_face(
        tmp_path, Rows(), num_train_epochs=2, eval_strategy=strategy, eval_steps=3,
        save_strategy="no",
    )  # fmt: skip
    trainer.train()
    if strategy == "no":
        trainer.evaluate()

    assert report().accuracy == 0.75
    assert report().epochs == 2


def test_hugging_face_stops_without_an_evaluation_and_resumes_its_counts(report, tmp_path):
    """Times and history of the first attempt are in the report of the second."""
    transformers = pytest.importorskip("transformers")
    from lowtide_trainer.callbacks.huggingface import newest_checkpoint

    evaluations = []

    class Interrupt(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **values):
            if state.global_step == 5:
                os.kill(os.getpid(), signal.SIGTERM)

        def on_evaluate(self, args, state, control, **values):
            evaluations.append(state.global_step)

    options = {"num_train_epochs": 3, "eval_strategy": "epoch", "save_strategy": "no"}
    trainer = hugging_face(tmp_path, Rows(), Interrupt(), **options)
    with pytest.raises(SystemExit) as raised:
        trainer.train()
    paused, evaluated = report(), list(evaluations)
    again = hugging_face(tmp_path, Rows(), **options)
    again.train(resume_from_checkpoint=newest_checkpoint(again.args.output_dir))

    assert raised.value.code == EXIT_CODE_PAUSED
    assert (paused.outcome, paused.epochs, paused.samples) == (TrainingOutcome.PAUSED, 1, 42)
    assert evaluated == [4]
    finished = report()
    assert (finished.epochs, finished.samples) == (3, 78)
    assert finished.resumed_samples == 42
    assert finished.history[0] == paused.history[0]
    assert finished.training_seconds > paused.training_seconds


def test_an_incomplete_checkpoint_of_hugging_face_is_passed_over(report, tmp_path, caplog):
    """A process that is killed while it saves leaves one, and the Trainer could not start."""
    from lowtide_trainer.callbacks.huggingface import newest_checkpoint

    trainer = hugging_face(tmp_path, Rows(), max_steps=2, save_steps=1, save_strategy="steps")
    trainer.train()
    complete, newest = tmp_path / "out" / "checkpoint-1", tmp_path / "out" / "checkpoint-2"

    assert newest_checkpoint(tmp_path / "out") == str(newest)
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert newest_checkpoint(tmp_path / "out") == str(complete)
    optimizer = complete / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:100])
    caplog.clear()
    assert newest_checkpoint(tmp_path / "out") is None
    assert [message.replace(str(tmp_path), "") for message in caplog.messages] == [
        "checkpoint /out/checkpoint-2 is incomplete or damaged and passed over",
        "checkpoint /out/checkpoint-1 is incomplete or damaged and passed over",
        "no checkpoint in /out can be read: training starts anew",
    ]


class WithoutNumbers(Rows):
    def __getitem__(self, place):
        return {**super().__getitem__(place), "inputs": torch.full((3,), torch.nan)}


def test_a_loss_that_is_not_finite_is_left_out_with_hugging_face(report, tmp_path, caplog):
    """The Trainer logs 0 in its place, which would be reported as the best of all losses."""
    hugging_face(
        tmp_path, WithoutNumbers(), num_train_epochs=1, logging_steps=1, save_strategy="no"
    ).train()

    assert (report().outcome, report().loss) == (TrainingOutcome.FINISHED, None)
    assert sum("not a finite number (nan or inf)" in message for message in caplog.messages) == 1


def test_a_checkpoint_of_another_model_is_told_with_hugging_face(report, tmp_path):
    """The Trainer loads it before it tells a callback of a start."""
    options = {"max_steps": 1, "save_steps": 1, "save_strategy": "steps"}
    hugging_face(tmp_path, Rows(), **options).train()
    other = hugging_face(tmp_path, Rows(), **options)
    other.model.net = nn.Linear(3, 4)

    with pytest.raises(RuntimeError) as raised:
        other.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-1"))

    assert explanation(raised.value).startswith(
        "the checkpoint is of another model than this Model: net.weight has the shape [2, 3] in "
        "it and [4, 3] here"
    )


@pytest.mark.parametrize("samples", [0, 5], ids=["no sample", "less than a full batch"])
def test_a_training_of_lightning_without_a_batch_is_told(report, tmp_path, samples):
    """Lightning ends such a training without an error, and calls it ended for want of batches."""
    data = torch.utils.data.TensorDataset(torch.ones(samples, 3), torch.zeros(samples).long())

    def loader(*arguments, **options):
        return torch.utils.data.DataLoader(data, 8, drop_last=True)

    lightning_weights(tmp_path, loader)

    assert report().outcome is TrainingOutcome.FAILED
    assert report().error.startswith("no batch was trained on: the data set is empty, or smaller")


def test_a_checkpoint_of_another_model_is_told_with_lightning(report, tmp_path):
    lightning_weights(tmp_path, torch.utils.data.DataLoader)

    with pytest.raises(RuntimeError, match="size mismatch"):
        lightning_weights(tmp_path, torch.utils.data.DataLoader, width=9)

    assert report().outcome is TrainingOutcome.FAILED
    assert report().error == (
        "the checkpoint is of another model than this Module: net.0.weight has the shape [8, 3] "
        "in it and [9, 3] here (2 more differ); give each training its own checkpoint directory"
    )


def test_checkpoints_of_lightning_that_are_all_damaged_are_named(tmp_path, caplog):
    """Starting anew without a word would lose a day's work unnoticed."""
    pytest.importorskip("lightning")
    from lowtide_trainer.callbacks.lightning import LightningCallback

    for name in ("lowtide-0000000004.ckpt", "lowtide-0000000008.ckpt"):
        (tmp_path / name).write_bytes(b"half")

    assert LightningCallback(tmp_path, model="small").checkpoint is None
    assert [message.replace(str(tmp_path), "") for message in caplog.messages] == [
        "checkpoint /lowtide-0000000008.ckpt is incomplete or damaged and passed over",
        "checkpoint /lowtide-0000000004.ckpt is incomplete or damaged and passed over",
        "no checkpoint in  can be read: training starts anew",
    ]


def test_a_directory_that_lightning_cannot_save_into_is_refused_in_one_sentence(report, tmp_path):
    """The report says it too; the callback's own state was missing and hid the sentence."""
    pytest.importorskip("lightning")
    from lowtide_trainer.errors import CheckpointError

    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(CheckpointError, match="checkpoints cannot be created: File exists"):
        lightning_weights(tmp_path, torch.utils.data.DataLoader)

    assert report().outcome is TrainingOutcome.FAILED
    assert "cannot be created: File exists" in report().error


def lightning_weights(folder, loader_class, *, stop_at=None, signal_number=None, width=8):
    """Train 3 epochs of 5 batches by Lightning and return the weights, or `None` if it stopped.

    Dropout and the order of the batches make them depend on every random number.
    """
    lightning = pytest.importorskip("lightning")
    from lowtide_trainer.callbacks.lightning import LightningCallback

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(7)
            self.net = nn.Sequential(nn.Linear(3, width), nn.Dropout(0.3), nn.Linear(width, 2))
            self.steps = 0

        def training_step(self, batch, number):
            self.steps += 1
            if self.steps == stop_at:
                if signal_number is None:
                    raise MemoryError
                os.kill(os.getpid(), signal_number)
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    callback = LightningCallback(folder / "checkpoints", model="small")
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[callback],
    )  # fmt: skip
    module = Module()
    labels = torch.arange(40) % 2
    data = torch.utils.data.TensorDataset(torch.arange(120.0).reshape(40, 3) / 120, labels)
    try:
        trainer.fit(module, loader_class(data, 8, shuffle=True), ckpt_path=callback.checkpoint)
    except (SystemExit, MemoryError):
        return None
    return torch.cat([part.detach().flatten() for part in module.parameters()])


@pytest.mark.parametrize(
    ("stops", "has_state"),
    [
        pytest.param([(10, signal.SIGTERM)], False, id="paused in the last batch of an epoch"),
        pytest.param([(7, None)], False, id="crashed, so that it resumes from the end of an epoch"),
        pytest.param([(7, signal.SIGTERM)], True, id="paused within an epoch"),
        pytest.param([(5, signal.SIGTERM), (3, signal.SIGTERM)], True, id="paused at both"),
    ],
)
def test_lightning_resumes_to_the_weights_of_an_undisturbed_training(
    report, tmp_path, stops, has_state
):
    """Within an epoch with a loader that has a state, at its end with any."""
    from lowtide_trainer.loader import ResumableLoader

    loader_class = ResumableLoader if has_state else torch.utils.data.DataLoader
    expected = lightning_weights(tmp_path / "undisturbed", loader_class)

    disturbed = tmp_path / "disturbed"
    stopped = [
        lightning_weights(disturbed, loader_class, stop_at=place, signal_number=number)
        for place, number in stops
    ]
    resumed = lightning_weights(disturbed, loader_class)

    assert stopped == [None] * len(stops)
    assert torch.equal(resumed, expected)
    assert (report().samples, report().epochs) == (3 * 40, 3)


KERAS = textwrap.dedent(
    """
    import os, resource, signal, sys
    os.environ["KERAS_BACKEND"] = "torch"
    import numpy, keras
    from lowtide_trainer.callbacks.keras import KerasCallback

    class Interrupt(keras.callbacks.Callback):
        seen = 0
        def on_train_batch_begin(self, batch, logs=None):
            self.seen += 1
            if str(self.seen) in sys.argv[2:]:
                os.kill(os.getpid(), signal.SIGTERM)

    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = numpy.ones((24, 3)), numpy.zeros(24)
    if "full" in sys.argv[2:]:
        # No file may be larger: the system refuses it as it does on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    net.fit(x, y, epochs=3, batch_size=8, validation_data=(x, y), verbose=0,
            callbacks=[Interrupt(), KerasCallback(sys.argv[1], batch_size=8, model="small")])
    """
)


def keras_attempt(folder, *stop_at):
    """Train by Keras in a process, told to stop in the batch of this number, if there is one."""
    if find_spec("keras") is None:  # importing it here would choose its default backend
        pytest.skip("keras is not installed")
    program = folder / "train.py"
    program.write_text(KERAS)
    command = [sys.executable, str(program), str(folder / "backup"), *stop_at]
    return subprocess.run(command, timeout=240, check=False, capture_output=True, text=True)


def test_keras_pauses_with_its_own_backup_and_repeats_the_epoch(report, tmp_path):
    """Three batches an epoch: pauses after the fourth, and after two more of the second epoch.

    Each repeats what was done of that epoch, and it counts; the first epoch is not repeated.
    """
    paused_with = keras_attempt(tmp_path, "4").returncode
    paused = report()
    again = keras_attempt(tmp_path, "2").returncode
    finished_with = keras_attempt(tmp_path).returncode

    assert (paused_with, again, finished_with) == (EXIT_CODE_PAUSED, EXIT_CODE_PAUSED, 0)
    assert (paused.outcome, paused.epochs, paused.samples) == (TrainingOutcome.PAUSED, 1, 32)
    assert (report().outcome, report().epochs) == (TrainingOutcome.FINISHED, 3)
    # 9 batches of 8 are the training; those of the paused epoch, one and then two, came again.
    assert report().samples == 96
    assert report().accuracy is not None
    assert list((tmp_path / "backup").iterdir()) == []


@pytest.mark.parametrize(
    ("damaged", "resumed", "sentences"),
    [
        (["latest.weights.h5"], 24, ["taking the one before"]),
        (["latest.weights.h5", "latest.weights.h5.before"], 0,
         ["taking the one before", "can be read"]),
    ],
    ids=["the last one", "both"],
)  # fmt: skip
def test_a_damaged_backup_of_keras_is_named_and_passed_over(
    report, tmp_path, damaged, resumed, sentences
):
    """The one before is of the end of the first epoch; without it the training starts anew."""
    keras_attempt(tmp_path, "4")
    for name in damaged:
        weights = tmp_path / "backup" / name
        weights.write_bytes(weights.read_bytes()[:1000])

    done = keras_attempt(tmp_path)

    assert done.returncode == 0
    said = [line for line in done.stderr.splitlines() if str(tmp_path / "backup") in line]
    assert len(said) == len(sentences)
    assert all(sentence in line for sentence, line in zip(sentences, said, strict=True))
    assert (report().outcome, report().epochs) == (TrainingOutcome.FINISHED, 3)
    assert (report().samples, report().resumed_samples) == (72, resumed)


def test_a_training_of_keras_goes_on_where_no_backup_can_be_written(report, tmp_path):
    """HDF5 ended the process by a signal, for a file that it could not write to its end."""
    done = keras_attempt(tmp_path, "full")

    assert done.returncode == 0
    assert done.stderr.count("a backup cannot be saved: [Errno 27] File too large") == 3
    assert (report().outcome, report().epochs) == (TrainingOutcome.FINISHED, 3)


def test_accelerate_reports_what_a_loop_logs(report):
    """The tracker's own convention: init, log, end."""
    accelerate = pytest.importorskip("accelerate")
    from lowtide_trainer.callbacks.accelerate import AccelerateTracker

    accelerator = accelerate.Accelerator(cpu=True, log_with=AccelerateTracker(model="small"))
    accelerator.init_trackers("project", config={"num_epochs": 2, "seed": 4})
    for epoch in (1, 2):
        accelerator.log({"samples": 26, "lr": 0.1})
        accelerator.log({"epoch": epoch, "accuracy": 0.25 * epoch, "loss": 0.5})
    accelerator.end_training()

    found = report()
    assert found.outcome is TrainingOutcome.FINISHED
    assert (found.epochs, found.epochs_planned, found.samples) == (2, 2, 52)
    assert (found.accuracy, found.loss, found.seed) == (0.5, 0.5, 4)


LAUNCHED = textwrap.dedent(
    """
    import os, sys, time
    import torch
    import lowtide_trainer

    torch.set_num_threads(1)
    if "WORLD_SIZE" in os.environ:
        torch.distributed.init_process_group("gloo")
    net = torch.nn.Linear(1, 1)
    data = torch.utils.data.TensorDataset(torch.ones(64))
    loader = torch.utils.data.DataLoader(data, 8, num_workers=1)
    with lowtide_trainer.run(epochs=10**6, state=[net], checkpoints=sys.argv[1]) as run:
        for epoch in run.epochs():
            for batch in run.batches(loader):
                if epoch == 0 and os.environ.get("RANK", "0") == "0":
                    print("training", flush=True)
                time.sleep(0.01)
    """
)


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(["torch.distributed.run", "--nproc-per-node", "2", "--standalone",
                      "--max-restarts", "2"], id="torchrun"),
        pytest.param(["accelerate.commands.launch", "--cpu", "--num_processes", "1",
                      "--num_machines", "1", "--mixed_precision", "no",
                      "--dynamo_backend", "no"], id="accelerate launch"),
    ],
)  # fmt: skip
def test_a_launcher_under_exec_pauses_with_75_once_all_ranks_saved(report, tmp_path, launcher):
    """On its own each of them exits with 1, and torchrun would start the ranks again.

    The loader has a worker process, which must outlive the signal.
    """
    pytest.importorskip(launcher[0].partition(".")[0])
    program = tmp_path / "train.py"
    program.write_text(LAUNCHED)
    command = [sys.executable, "-m", "lowtide_trainer.main", "exec", "--", sys.executable, "-m",
               *launcher, str(program), str(tmp_path / "checkpoints")]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "training" in line:
                break
        process.terminate()
        process.communicate(timeout=240)

    assert process.returncode == EXIT_CODE_PAUSED
    assert report().outcome is TrainingOutcome.PAUSED
    ranks = 2 if "torch.distributed.run" in launcher else 1
    assert report().samples == 8 * ranks * report().checkpoint.batches


def test_torchrun_on_two_nodes_pauses_with_75_on_both(report, tmp_path):
    """Each node has a wrapper and a launcher of its own; only one of them is told to stop."""
    program = tmp_path / "train.py"
    program.write_text(LAUNCHED)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nodes = [
        subprocess.Popen(
            [sys.executable, "-m", "lowtide_trainer.main", "exec", "--", sys.executable, "-m",
             "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--node-rank",
             str(rank), "--master-addr", "127.0.0.1", "--master-port", str(port), str(program),
             str(tmp_path / f"checkpoints-{rank}")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LOWTIDE_REPORT_PATH": str(tmp_path / f"report-{rank}"),
                 "GLOO_SOCKET_IFNAME": "lo"},
        )
        for rank in range(2)
    ]  # fmt: skip
    for line in nodes[0].stdout:
        if "training" in line:
            break
    nodes[1].terminate()
    for node in nodes:
        node.communicate(timeout=240)

    assert [node.returncode for node in nodes] == [EXIT_CODE_PAUSED] * 2
    found = parse_report((tmp_path / "report-0").read_text()).report
    assert found.outcome is TrainingOutcome.PAUSED
    assert found.samples == 8 * 2 * found.checkpoint.batches
    assert not (tmp_path / "checkpoints-1").exists()
