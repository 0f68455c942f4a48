"""Trainings that are paused and killed at random moments, each attempt a process of its own.

Run as a program: `python pauses.py KIND FIRST_SEED SEEDS`. It imports torch once and forks every
attempt, so hundreds of attempts take a minute. A seed that breaks a promise is printed and the
program ends with 1.

The promises: after SIGTERM the process leaves with 75 and the next attempt starts at the batch
where this one stopped; after SIGKILL nothing before the last checkpoint is done again; and the
weights at the end are those of an undisturbed training, bit for bit.
"""

import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import lowtide_trainer

EPOCHS = 3
SAMPLES = 40
BATCH = 8
RANKS = 2


def make_training():
    """Return a network whose result depends on every kind of randomness, and its companions."""
    torch.manual_seed(7)
    inputs, targets = torch.randn(SAMPLES, 6), torch.randint(0, 3, (SAMPLES,))
    net = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.7)
    return TensorDataset(inputs, targets), net, optimizer, schedule


def train(folder, progress, *, checkpoint_seconds, ranks=1, rank=0):
    """Train with the run's own lines; write one byte to `progress` after every batch."""
    data, net, optimizer, schedule = make_training()
    sampler = DistributedSampler(data, ranks, rank, seed=3) if ranks > 1 else None
    loader = DataLoader(data, BATCH, shuffle=sampler is None, sampler=sampler)
    model = nn.parallel.DistributedDataParallel(net) if ranks > 1 else net
    with lowtide_trainer.run(
        model="small",
        epochs=EPOCHS,
        state=[model, optimizer, schedule],
        checkpoints=folder / "checkpoints",
        checkpoint_seconds=checkpoint_seconds,
    ) as run:
        for _ in run.epochs():
            for inputs, targets in run.batches(loader):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
                schedule.step()
                if rank == 0:
                    os.write(progress, b".")
            run.epoch(accuracy=float(torch.rand(())), loss=0.5)
    if rank == 0:
        keep_digest(folder, net)


def warm_up(kind):
    """Import what a first training imports, which would take each attempt seconds."""
    if kind in ("hugging-face", "lightning"):
        with tempfile.TemporaryDirectory() as folder:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.environ["LOWTIDE_REPORT_PATH"] = str(Path(folder, "report.json"))
            os.environ["LOWTIDE_METRICS_PORT"] = "0"
            LOOPS[kind](Path(folder), nothing, checkpoint_seconds=1e9)
    if kind == "hugging-face":
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
    importlib.import_module("lowtide_trainer.saving")
    data, net, optimizer, _ = make_training()
    for inputs, targets in DataLoader(data, BATCH):
        nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()


def train_as_rank(folder, progress, *, rank, store, **options):
    """Train as one of two ranks that sum their gradients through gloo."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS
    )
    train(folder, progress, ranks=RANKS, rank=rank, **options)
    torch.distributed.destroy_process_group()


def train_with_hugging_face(folder, progress, *, checkpoint_seconds):
    """Train by transformers' Trainer, which saves after every epoch and at a pause."""
    from transformers import Trainer, TrainingArguments

    from lowtide_trainer.callbacks.huggingface import HuggingFaceCallback, newest_checkpoint

    data, net, _, _ = make_training()

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, inputs=None, labels=None):
            if self.training:
                os.write(progress, b".")
            return {"loss": nn.functional.cross_entropy(self.net(inputs), labels)}

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return SAMPLES

        def __getitem__(self, place):
            return dict(zip(("inputs", "labels"), data[place], strict=True))

    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        save_strategy="epoch",
        report_to=[],
        disable_tqdm=True,
        log_level="error",
        use_cpu=True,
        seed=5,
        logging_strategy="no",
    )
    trainer = Trainer(Model(), arguments, train_dataset=Rows(), callbacks=[HuggingFaceCallback()])
    trainer.train(resume_from_checkpoint=newest_checkpoint(arguments.output_dir))
    keep_digest(folder, net)


def train_with_lightning(folder, progress, *, checkpoint_seconds):
    """Train by Lightning's Trainer, whose loader has a state."""
    import lightning

    from lowtide_trainer.callbacks.lightning import LightningCallback
    from lowtide_trainer.loader import ResumableLoader

    data, net, optimizer, schedule = make_training()

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net

        def training_step(self, batch, number):
            os.write(progress, b".")
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": schedule, "interval": "step"},
            }

    lowtide = LightningCallback(folder / "checkpoints", model="small")
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[lowtide],
    )
    loader = ResumableLoader(data, BATCH, shuffle=True)
    trainer.fit(Module(), loader, ckpt_path=lowtide.checkpoint)
    keep_digest(folder, net)


def keep_digest(folder, net):
    """Write a digest of the weights at the end of a training."""
    weights = b"".join(part.numpy().tobytes() for part in net.state_dict().values())
    (folder / "weights").write_text(hashlib.sha256(weights).hexdigest())


LOOPS = {
    "plain": train,
    "hugging-face": train_with_hugging_face,
    "lightning": train_with_lightning,
}


def fork(function, folder, progress, **options):
    """Return the process number of a child that runs a training and exits as a program would."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.dup2(os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.environ["LOWTIDE_REPORT_PATH"] = str(folder / "report.json")
        os.environ["LOWTIDE_METRICS_PORT"] = "0"
        function(folder, progress, **options)
        status = 0
    except SystemExit as leaving:
        status = leaving.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def attempt(kind, folder, *, interrupt, after, generator, checkpoint_seconds):
    """Run one attempt, interrupted after so many batches; return statuses and batches done."""
    reading, writing = os.pipe()
    if kind == "ddp":
        store = tempfile.mktemp(dir=folder)
        children = [
            fork(
                train_as_rank,
                folder,
                writing,
                rank=rank,
                store=store,
                checkpoint_seconds=checkpoint_seconds,
            )
            for rank in range(RANKS)
        ]
    else:
        children = [fork(LOOPS[kind], folder, writing, checkpoint_seconds=checkpoint_seconds)]
    os.close(writing)
    done = 0
    while done < after and os.read(reading, 1):
        done += 1
    if interrupt is not None:
        # The ranks may hear it in any order; SIGKILL takes the whole pod.
        hearing = generator.sample(children, len(children))
        if interrupt == signal.SIGTERM and kind == "ddp":
            hearing = hearing[: generator.randint(1, RANKS)]
        for child in hearing:
            os.kill(child, interrupt)
    while more := os.read(reading, 4096):
        done += len(more)
    os.close(reading)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], done


def saved_batches(folder):
    """Return the batches in the newest checkpoint on the disk, 0 without one."""
    names = [*(folder / "checkpoints").glob("*-*")]
    numbers = [int(name.stem.partition("-")[2]) for name in names if name.suffix != ".partial"]
    return max(numbers, default=0)


def trial(kind, seed, expected, folder):
    """Interrupt one training until it ends; return the promise that was broken, or `None`."""
    generator = random.Random(seed)
    per_epoch = -(-SAMPLES // (BATCH * (RANKS if kind == "ddp" else 1)))
    total = EPOCHS * per_epoch
    position = 0
    for number in range(40):
        interrupt = generator.choice([signal.SIGTERM, signal.SIGTERM, signal.SIGKILL])
        if number > 4:
            interrupt = None
        statuses, done = attempt(
            kind,
            folder,
            interrupt=interrupt,
            # A rank that is not listening yet dies and leaves the other waiting for it.
            after=generator.randint(int(kind == "ddp"), max(1, total - position)),
            generator=generator,
            checkpoint_seconds=generator.choice([0.0, 1e9]),
        )
        if position + done == 0:
            continue  # interrupted before there was anything to lose
        report = json.loads((folder / "report.json").read_text())
        outcome, samples = report["outcome"], report["samples"]
        if set(statuses) == {0}:
            if (folder / "weights").read_text() != expected:
                return f"the weights differ after {number} interruptions"
            if samples != EPOCHS * SAMPLES or report["epochs"] != EPOCHS:
                return f"{samples} samples and {report['epochs']} epochs are reported"
            return None
        if set(statuses) == {75}:
            # The batch under way when the signal came is finished too.
            if saved_batches(folder) != position + done:
                return f"{position + done} batches were done, {saved_batches(folder)} are saved"
            if outcome != "Paused":
                return f"a pause is reported as {outcome}"
        elif set(statuses) - {-9, -15} or (interrupt == signal.SIGTERM and done):
            return f"an interruption by {interrupt} ended with {statuses}"
        position = saved_batches(folder)
    return "it never finished"


def main(kind, first, number):
    """Run trials of consecutive seeds; return the number of those that broke a promise."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    warm_up(kind)
    broken = 0
    root = Path(tempfile.mkdtemp())
    try:
        whole = root / "whole"
        whole.mkdir()
        statuses, _ = attempt(
            kind, whole, interrupt=None, after=0, generator=random.Random(0), checkpoint_seconds=1e9
        )
        if set(statuses) != {0}:
            print((whole / "output").read_text())
            return 1
        expected = (whole / "weights").read_text()
        for seed in range(first, first + number):
            folder = root / str(seed)
            folder.mkdir()
            fault = trial(kind, seed, expected, folder)
            if fault:
                broken += 1
                print(f"seed {seed}: {fault}\n{(folder / 'output').read_text()[-2000:]}")
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(root)
    return broken


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), 1))
