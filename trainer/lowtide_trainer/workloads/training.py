"""One training: network, optimiser, schedule and position, as a thing that can stop and go on.

The invariant: `state()` after any batch, given to `restore()` of a new `Training` with the same
settings, leads to the same weights, bit for bit, as going on without the pause (on a CPU, with
the same number of threads and version of torch). So everything that the next batch depends on is
in it: weights, running means, optimiser, schedule, place in the epoch and the order of images.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from lowtide_trainer.data import Images
from lowtide_trainer.errors import CheckpointMismatchError
from lowtide_trainer.workloads.models import Workload

VALIDATION_BATCH_SIZE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What decides the weights: a checkpoint goes on only with an equal plan.

    `samples` is the number of training images, `data` their fingerprint.
    """

    model: str
    data: str
    classes: int
    samples: int
    epochs: int
    batch_size: int
    image_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well the validation images are recognised, as fractions.

    `accuracy_top5` is `None` with five classes or fewer, where it says nothing.
    """

    accuracy: float
    accuracy_top5: float | None


class Training:
    """A network in training. `epoch` are finished ones, `batch` the batches done of the next."""

    def __init__(self, workload: Workload, plan: TrainingPlan, device: torch.device) -> None:
        self.plan = plan
        self.epoch = 0
        self.batch = 0
        self._device = device
        self._network = workload.build(plan.classes)
        for module in self._network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = workload.norm_momentum
        self._network.to(device)
        # Fused: one pass over the weights; for InceptionV3 on a CPU core 20 ms a step, not 80.
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=plan.learning_rate, fused=True
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            max_lr=plan.learning_rate,
            total_steps=max(plan.epochs * self.batches_per_epoch, 2),
        )
        self._order = self._new_order()
        self._loss_sum = torch.zeros((), device=device)
        self._samples_seen = 0

    @property
    def batches_per_epoch(self) -> int:
        """Return how many batches an epoch has; a last one of a single image is left out.

        Batch normalisation has no variance to divide by in a batch of one.
        """
        full, rest = divmod(self.plan.samples, self.plan.batch_size)
        return full + (1 if rest > 1 else 0)

    @property
    def samples_per_epoch(self) -> int:
        """Return how many images an epoch trains on."""
        return min(self.plan.samples, self.batches_per_epoch * self.plan.batch_size)

    @property
    def batches_done(self) -> int:
        """Return how many batches are in the weights."""
        return self.epoch * self.batches_per_epoch + self.batch

    @property
    def mean_loss(self) -> float | None:
        """Return the mean loss of the epoch so far, `None` before its first batch."""
        return self._loss_sum.item() / self._samples_seen if self._samples_seen else None

    @property
    def parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(part.numel() for part in self._network.parameters() if part.requires_grad)

    def next_indices(self) -> list[int]:
        """Return which images the next batch has."""
        start = self.batch * self.plan.batch_size
        return self._order[start : start + self.plan.batch_size]

    def train_batch(self, images: Tensor, labels: Tensor) -> int:
        """Train on the next batch and return its size."""
        self._network.train()
        guesses = self._network(images.to(self._device))
        loss = cross_entropy(guesses, labels.to(self._device))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        self._loss_sum += loss.detach() * len(labels)
        self._samples_seen += len(labels)
        self.batch += 1
        return len(labels)

    def end_epoch(self) -> None:
        """Begin the next epoch with a new order."""
        self.epoch += 1
        self.batch = 0
        self._order = self._new_order()
        self._loss_sum.zero_()
        self._samples_seen = 0

    @torch.no_grad()
    def count_correct(self, images: Tensor, labels: Tensor) -> tuple[int, int]:
        """Return how many images are recognised at the first and within five guesses."""
        self._network.eval()
        allowed = min(5, self.plan.classes)
        best = self._network(images.to(self._device)).topk(allowed, dim=1).indices.cpu()
        hits = best == labels.unsqueeze(1)
        return int(hits[:, 0].sum()), int(hits.any(dim=1).sum())

    def weights_digest(self) -> str:
        """Return a SHA-256 of all weights and running means: equal if and only if they are."""
        digest = hashlib.sha256()
        for name, tensor in self._network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def state(self) -> dict[str, Any]:
        """Return what `restore()` needs, as tensors and plain values."""
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
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`.

        Raises:
            CheckpointMismatchError: it is of a training with another plan.
        """
        mine = asdict(self.plan)
        for name, value in mine.items():
            if state["plan"].get(name) != value:
                raise CheckpointMismatchError(
                    f"the checkpoint is of a training with {name} {state['plan'].get(name)}, this "
                    f"one has {value}: give it a checkpoint directory of its own"
                )
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self.epoch, self.batch = state["epoch"], state["batch"]
        self._order = state["order"].tolist()
        self._loss_sum.copy_(state["loss_sum"])
        self._samples_seen = state["samples_seen"]

    def _new_order(self) -> list[int]:
        """Return the order of the images in the epoch at hand; it depends on its number only."""
        generator = torch.Generator().manual_seed(self.plan.seed + self.epoch)
        order: list[int] = torch.randperm(self.plan.samples, generator=generator).tolist()
        return order


def evaluate(
    training: Training, images: Images, is_stopped: Callable[[], bool]
) -> Evaluation | None:
    """Return how well `images` are recognised, `None` where a stop was asked for meanwhile."""
    first, within_five = 0, 0
    for start in range(0, len(images), VALIDATION_BATCH_SIZE):
        if is_stopped():
            return None
        stop = min(start + VALIDATION_BATCH_SIZE, len(images))
        hits = training.count_correct(*images.batch(range(start, stop)))
        first, within_five = first + hits[0], within_five + hits[1]
    top5 = within_five / len(images) if training.plan.classes > 5 else None
    return Evaluation(first / len(images), top5)


def flops_per_sample(workload: Workload, plan: TrainingPlan) -> int:
    """Return the floating-point operations of training on one image, forward and backward.

    Counted by torch on tensors without memory: matrix products and convolutions, a
    multiplication and its addition as two. What the optimiser does is not in it.
    """
    with torch.device("meta"):
        network = workload.build(plan.classes)
        images = torch.empty(2, 3, plan.image_size, plan.image_size)
        labels = torch.zeros(2, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops()) // 2
