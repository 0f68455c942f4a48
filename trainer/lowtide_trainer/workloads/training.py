"""Training of one reference network that can stop after any batch and resume.

Invariant: `state()` after any batch, given to `restore()` of a new `Training` with the same plan,
leads to the same weights, bit for bit, as no pause at all (on a CPU, with the same number of
threads and the same version of torch). So the state holds everything that the next batch depends
on: weights, running means, optimiser, schedule, place in the epoch and order of images.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from lowtide_trainer.data import Images
from lowtide_trainer.errors import CheckpointMismatchError
from lowtide_trainer.workloads.augmentation import crop_and_mirror
from lowtide_trainer.workloads.models import Workload
from lowtide_trainer.workloads.processes import Processes
from lowtide_trainer.workloads.recipes import RECIPES

VALIDATION_BATCH_SIZE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """Everything that decides the weights: a checkpoint resumes only with an equal plan."""

    model: str
    data: str
    """Fingerprint of the images and their split."""
    classes: int
    samples: int
    """Number of training images."""
    epochs: int
    batch_size: int
    image_size: int
    """Side of an image in pixels."""
    learning_rate: float
    """Highest rate of the one-cycle schedule."""
    seed: int
    recipe: str = "adamw"
    """A name of `RECIPES`."""
    precision: str = "float32"
    """`float32`, or `bfloat16` or `float16` for matrix products and convolutions."""
    accumulate: int = 1
    """Parts of a batch whose gradients are added up before a step."""
    augment: str = "none"
    """`none`, or `crop-mirror`: images are shifted and mirrored by chance."""
    processes: int = 1
    """Each trains on its part of every batch."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracies on the validation images, as fractions.

    `accuracy_top5` is `None` with five classes or fewer, where it is always 1.
    """

    accuracy: float
    accuracy_top5: float | None


class Training:
    """A network in training; `epoch` epochs and `batch` batches of the next one are done."""

    def __init__(
        self,
        workload: Workload,
        plan: TrainingPlan,
        device: torch.device,
        processes: Processes | None = None,
    ) -> None:
        self.plan = plan
        self.processes = processes or Processes()
        self.epoch = 0
        self.batch = 0
        self._device = device
        self._network = workload.build(plan.classes, plan.image_size)
        self.tokens_per_sample = plan.image_size if workload.reads_text else None
        """Tokens that a sample trains on; `None` for images."""
        for module in self._network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = workload.norm_momentum
        self._network.to(device)
        self._averaging = self.processes.averaging(self._network)
        self._optimizer, self._schedule = RECIPES[plan.recipe](
            self._network, plan.learning_rate, max(plan.epochs * self.batches_per_epoch, 2)
        )
        # Gradients below the range of float16 would be zero: they are scaled by a power of two.
        self._scaler = torch.amp.GradScaler(device.type, enabled=plan.precision == "float16")
        self._order = self._new_order()
        self._loss_sum = torch.zeros((), device=device)
        self._samples_seen = 0

    @property
    def batches_per_epoch(self) -> int:
        """Return the number of batches in an epoch; a last one of one image a process is left out.

        Batch normalisation cannot divide by the variance of a single image.
        """
        full, rest = divmod(self.plan.samples, self.plan.batch_size)
        return full + (1 if rest >= 2 * self.plan.processes else 0)

    @property
    def samples_per_epoch(self) -> int:
        """Return the number of images that an epoch trains on."""
        return min(self.plan.samples, self.batches_per_epoch * self.plan.batch_size)

    @property
    def batches_done(self) -> int:
        """Return the number of batches whose gradients are in the weights."""
        return self.epoch * self.batches_per_epoch + self.batch

    @property
    def mean_loss(self) -> float | None:
        """Return the mean loss of the epoch so far, or `None` before its first batch."""
        return self._loss_sum.item() / self._samples_seen if self._samples_seen else None

    @property
    def parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(part.numel() for part in self._network.parameters() if part.requires_grad)

    def next_indices(self) -> list[int]:
        """Return the indices of this process's images in the next batch."""
        return self.processes.part(self._next_batch())

    def _next_batch(self) -> list[int]:
        start = self.batch * self.plan.batch_size
        return self._order[start : start + self.plan.batch_size]

    def train_batch(self, images: Tensor, labels: Tensor) -> int:
        """Train on this process's part of the next batch and return the size of the whole."""
        size = len(self._next_batch())
        self._network.train()
        self._optimizer.zero_grad(set_to_none=True)
        if self.plan.augment != "none":
            images = crop_and_mirror(images, seed=self.plan.seed, batch=self.batches_done)
        losses = torch.zeros((), device=self._device)
        for part, answers in zip(*self._parts(images, labels), strict=True):
            loss = self._loss(part.to(self._device), answers.to(self._device))
            # The mean over the batch: each part by its share, averaged over the processes.
            share = len(answers) / size * self.processes.count
            self._scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
            losses += loss.detach() * len(answers)
        self._step()
        self._loss_sum += self.processes.added(losses)
        self._samples_seen += size
        self.batch += 1
        return size

    def _step(self) -> None:
        """Step the optimiser; a step whose scaled gradients overflow is left out, scale halved."""
        scale = self._scaler.get_scale()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._scaler.get_scale() >= scale:
            self._schedule.step()

    def _parts(self, images: Tensor, labels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return a batch in parts of at least two samples, as batch normalisation needs them.

        All processes make as many: one may have a sample more than another.
        """
        least = len(self._next_batch()) // self.processes.count
        count = max(1, min(self.plan.accumulate, least // 2))
        return list(images.tensor_split(count)), list(labels.tensor_split(count))

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with precision_of(self.plan.precision, self._device):
            guesses = self._averaging(images)
            return cross_entropy(guesses.flatten(0, -2), labels.flatten())

    def end_epoch(self) -> None:
        """Start the next epoch with a new order of images."""
        self.epoch += 1
        self.batch = 0
        self._order = self._new_order()
        self._loss_sum.zero_()
        self._samples_seen = 0

    def share_buffers(self) -> None:
        """Give all processes the running means of the first."""
        self.processes.share_buffers(self._network)

    @torch.no_grad()
    def count_correct(self, images: Tensor, labels: Tensor) -> tuple[int, int]:
        """Return how many images are recognised by the first guess and within five guesses."""
        self._network.eval()
        allowed = min(5, self.plan.classes)
        best = self._network(images.to(self._device)).topk(allowed, dim=-1).indices.cpu()
        hits = best == labels.unsqueeze(-1)
        return int(hits[..., 0].sum()), int(hits.any(dim=-1).sum())

    def weights_digest(self) -> str:
        """Return a SHA-256 of all weights and running means."""
        digest = hashlib.sha256()
        for name, tensor in self._network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def state(self) -> dict[str, Any]:
        """Return the state for `restore()`, as tensors and plain values."""
        return {
            "plan": asdict(self.plan),
            "epoch": self.epoch,
            "batch": self.batch,
            "order": torch.tensor(self._order, dtype=torch.int64),
            "loss_sum": self._loss_sum,
            "samples_seen": self._samples_seen,
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Resume from `state()`.

        Raises:
            CheckpointMismatchError: the state belongs to a training with another plan.
        """
        mine = asdict(self.plan)
        # Checkpoints from before there was a choice were made with its default.
        theirs = {part.name: part.default for part in fields(self.plan)} | state["plan"]
        for name, value in mine.items():
            if theirs[name] != value:
                raise CheckpointMismatchError(
                    f"the checkpoint belongs to a training with {name} {theirs[name]}, "
                    f"this training has {value}: give each training its own checkpoint directory"
                )
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state["scaler"])
        self.epoch, self.batch = state["epoch"], state["batch"]
        self._order = state["order"].tolist()
        self._loss_sum.copy_(state["loss_sum"])
        self._samples_seen = state["samples_seen"]

    def _new_order(self) -> list[int]:
        """Return the order of the images in the current epoch, from the seed and its number."""
        generator = torch.Generator().manual_seed(self.plan.seed + self.epoch)
        order: list[int] = torch.randperm(self.plan.samples, generator=generator).tolist()
        return order


def evaluate(
    training: Training, images: Images, is_stopped: Callable[[], bool]
) -> Evaluation | None:
    """Return the accuracies on `images`, or `None` if a stop was requested meanwhile."""
    processes, counts = training.processes, torch.zeros(3, dtype=torch.int64)
    training.share_buffers()
    step = VALIDATION_BATCH_SIZE * processes.count
    for start in range(0, len(images), step):
        if is_stopped():
            return None
        mine = processes.part(range(start, min(start + step, len(images))))
        if mine:
            samples, labels = images.batch(mine)
            counts += torch.tensor([*training.count_correct(samples, labels), labels.numel()])
    first, within_five, answered = processes.added(counts).tolist()
    top5 = within_five / answered if training.plan.classes > 5 else None
    return Evaluation(first / answered, top5)


def precision_of(precision: str, device: torch.device) -> torch.autocast | nullcontext[None]:
    """Return the context in which a network computes with a precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


def flops_per_sample(workload: Workload, plan: TrainingPlan) -> int:
    """Return the floating-point operations of training on one image, forward and backward.

    torch counts them on tensors without memory: matrix products and convolutions, where a
    multiplication and its addition are two operations. The optimiser is not included.
    """
    with torch.device("meta"):
        network = workload.build(plan.classes, plan.image_size)
        images = torch.empty(2, 3, plan.image_size, plan.image_size)
        labels = torch.zeros(2, dtype=torch.int64)
        if workload.reads_text:
            images = labels = torch.zeros(2, plan.image_size, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        guesses = network(images).flatten(0, -2)
        cross_entropy(guesses, labels.flatten()).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops()) // 2
