"""The small trainings that are interrupted, by Lowtide's own lines and by other frameworks.

Their weights depend on every kind of randomness: the order of the batches, dropout and the state of
optimiser and schedule. Each writes one byte to `progress` for every batch and a digest of its
weights at its end. The loops "alone" are those of a framework without Lowtide, which saves and
resumes as its own documentation says.
"""

import hashlib
import importlib
import os
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, DistributedSampler, TensorDataset

import lowtide_trainer

EPOCHS = 3
SAMPLES = 40
BATCH = 8
RANKS = 2


SAMPLES_OF = {"hugging-face-ddp": 48}
"""Where a kind differs: accelerate fills the last batches of ranks that have fewer than others."""


def make_training(samples=SAMPLES):
    """Return a network whose result depends on every kind of randomness, and its companions."""
    torch.manual_seed(7)
    inputs, targets = torch.randn(samples, 6), torch.randint(0, 3, (samples,))
    net = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.7)
    return TensorDataset(inputs, targets), net, optimizer, schedule


def train(folder, progress, *, checkpoint_seconds, ranks=1, rank=0):
    """Train with the run's own lines."""
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


def train_as_rank(folder, progress, *, rank, address, **options):
    """Train as one of two ranks that sum their gradients through gloo."""
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=RANKS)
    train(folder, progress, ranks=RANKS, rank=rank, **options)
    torch.distributed.destroy_process_group()


def train_with_hugging_face(
    folder, progress, *, checkpoint_seconds, is_alone=False, rank=0, samples=SAMPLES
):
    """Train by transformers' Trainer, which saves after every epoch and at a pause."""
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_utils import get_last_checkpoint

    from lowtide_trainer.callbacks.huggingface import HuggingFaceCallback, newest_checkpoint

    data, net, _, _ = make_training(samples)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, inputs=None, labels=None):
            if self.training and rank == 0:
                os.write(progress, b".")
            return {"loss": nn.functional.cross_entropy(self.net(inputs), labels)}

    class Rows(Dataset):
        def __len__(self):
            return samples

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
    callbacks = [] if is_alone else [HuggingFaceCallback()]
    trainer = Trainer(Model(), arguments, train_dataset=Rows(), callbacks=callbacks)
    find = get_last_checkpoint if is_alone else newest_checkpoint
    found = find(arguments.output_dir) if Path(arguments.output_dir).is_dir() else None
    trainer.train(resume_from_checkpoint=found)
    if rank == 0:
        keep_digest(folder, net)


def train_with_hugging_face_as_rank(folder, progress, *, rank, address, **options):
    """Train by transformers' Trainer as one of two ranks, which a launcher would start so."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(RANKS),
                   "MASTER_ADDR": host, "MASTER_PORT": port}  # fmt: skip
    samples = SAMPLES_OF["hugging-face-ddp"]
    train_with_hugging_face(folder, progress, rank=rank, samples=samples, **options)


def train_with_hugging_face_alone(folder, progress, **options):
    """Train by transformers' Trainer without Lowtide, from the last checkpoint it finds."""
    train_with_hugging_face(folder, progress, is_alone=True, **options)


def train_with_lightning(folder, progress, *, checkpoint_seconds, is_alone=False):
    """Train by Lightning's Trainer; with Lowtide by a loader that has a state."""
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint

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

    checkpoints = folder / "checkpoints"
    if is_alone:
        callback = ModelCheckpoint(checkpoints, save_last=True, save_top_k=-1)
        newest = "last" if (checkpoints / "last.ckpt").exists() else None
        loader = DataLoader(data, BATCH, shuffle=True)
    else:
        callback = LightningCallback(checkpoints, model="small")
        newest = callback.checkpoint
        loader = ResumableLoader(data, BATCH, shuffle=True)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=is_alone,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    trainer.fit(Module(), loader, ckpt_path=newest)
    keep_digest(folder, net)


def train_with_lightning_alone(folder, progress, **options):
    """Train by Lightning's Trainer without Lowtide, from its own last checkpoint."""
    train_with_lightning(folder, progress, is_alone=True, **options)


def keep_digest(folder, net):
    """Write a digest of the weights at the end of a training."""
    weights = b"".join(part.numpy().tobytes() for part in net.state_dict().values())
    (folder / "weights").write_text(hashlib.sha256(weights).hexdigest())


LOOPS = {
    "plain": train,
    "ddp": train_as_rank,
    "pods": train_as_rank,
    "hugging-face": train_with_hugging_face,
    "hugging-face-ddp": train_with_hugging_face_as_rank,
    "hugging-face-alone": train_with_hugging_face_alone,
    "lightning": train_with_lightning,
    "lightning-alone": train_with_lightning_alone,
}


def warm_up(kind):
    """Import what a first training imports, which would take each attempt seconds."""
    framework = kind.removesuffix("-alone").removesuffix("-ddp")
    if framework in ("hugging-face", "lightning"):
        with tempfile.TemporaryDirectory() as folder:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.environ["LOWTIDE_REPORT_PATH"] = str(Path(folder, "report.json"))
            os.environ["LOWTIDE_METRICS_PORT"] = "0"
            LOOPS[framework](Path(folder), nothing, checkpoint_seconds=1e9)
    if framework == "hugging-face":
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
    importlib.import_module("lowtide_trainer.saving")
    data, net, optimizer, _ = make_training()
    for inputs, targets in DataLoader(data, BATCH):
        nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
