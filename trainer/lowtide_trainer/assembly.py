"""Assembly of a training: device, threads, images, network and checkpoints.

This is the one place where the settings, the model's defaults and the machine meet.
"""

from collections.abc import Callable

import torch

from lowtide_trainer.checkpoint import CheckpointStore
from lowtide_trainer.data import DataSet, load_data
from lowtide_trainer.errors import UsageError
from lowtide_trainer.loop import Loop
from lowtide_trainer.randomness import make_deterministic
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.settings import TrainerSettings
from lowtide_trainer.threads import usable_cores
from lowtide_trainer.workloads.models import WORKLOADS, Workload
from lowtide_trainer.workloads.processes import Processes
from lowtide_trainer.workloads.recipes import SGD_RATE_PER_SAMPLE
from lowtide_trainer.workloads.training import Training, TrainingPlan, flops_per_sample


def assemble(
    settings: TrainerSettings,
    reporter: Reporter,
    *,
    is_stopped: Callable[[], bool],
    say: Callable[[str], None],
    processes: Processes | None = None,
) -> Loop:
    """Return a loop that is ready to run, resumed from its newest checkpoint if there is one.

    Raises:
        TrainerError: the settings, the images or the checkpoint cannot be used.
    """
    workload = WORKLOADS[settings.model]
    processes = processes or Processes()
    device = torch_device(settings.device)
    if processes.count > 1 and settings.device == "auto" and device.type == "cuda":
        device = torch.device("cuda", processes.ranks.rank % torch.cuda.device_count())
    threads = settings.threads or usable_cores()
    torch.set_num_threads(threads)
    make_deterministic(settings.seed)
    plan, data = _plan(workload, settings, threads, processes.count)
    training = Training(workload, plan, device, processes)
    if processes.ranks.rank:
        # The weights are equal on all processes; what dropout leaves out is not.
        torch.manual_seed(settings.seed + processes.ranks.rank)
    framework, hardware = f"torch {torch.__version__}", hardware_name(device, threads)
    loop = Loop(
        training=training,
        data=data,
        reporter=reporter,
        saves=settings.checkpoint_dir is not None,
        store=CheckpointStore(settings.checkpoint_dir)
        if settings.checkpoint_dir and processes.ranks.is_first
        else None,
        checkpoint_seconds=settings.checkpoint_seconds,
        environment=f"{framework}, {hardware}",
        is_stopped=is_stopped,
        say=say,
    )
    reporter.describe(
        dataset=data.name,
        framework=framework,
        device=hardware,
        samples_planned=plan.epochs * training.samples_per_epoch,
        parameters=training.parameters,
        flops_per_sample=flops_per_sample(workload, plan),
    )
    what, unit = ("sequences", "tokens") if workload.reads_text else ("images", "px")
    say(
        f"{plan.model} on {data.name}  {plan.samples} {what} of {plan.image_size} {unit}, "
        f"{len(data.validation)} for validation, batches of {plan.batch_size}  {hardware}"
    )
    if loop.resume():
        say(f"resumed after {training.batches_done} batches ({training.epoch} epochs)")
    return loop


def _plan(
    workload: Workload, settings: TrainerSettings, threads: int, processes: int
) -> tuple[TrainingPlan, DataSet]:
    """Return the plan, with the model's defaults filled in, and the images."""
    image_size = image_size_of(workload, settings.image_size)
    if workload.reads_text and settings.augment != "none":
        raise UsageError(
            f"--augment {settings.augment} changes images, and {workload.name} reads text: leave "
            "it out"
        )
    data = load_data(
        settings.data,
        image_size=image_size,
        reads_text=workload.reads_text,
        samples=settings.samples,
        validation_samples=settings.validation_samples,
        seed=settings.seed,
        threads=threads,
    )
    batch_size = settings.batch_size or workload.batch_size
    if batch_size < 2 * processes:
        raise UsageError(
            f"--batch-size {batch_size} is too small for {processes} processes, which share each "
            f"batch: give {2 * processes} or more"
        )
    usual_rate = workload.learning_rate
    if settings.recipe == "sgd":
        usual_rate = SGD_RATE_PER_SAMPLE * batch_size
    plan = TrainingPlan(
        model=workload.name,
        data=data.fingerprint,
        classes=data.classes,
        samples=max(2, round(settings.data_share * len(data.train))),
        epochs=settings.epochs,
        batch_size=batch_size,
        image_size=image_size,
        learning_rate=settings.learning_rate or usual_rate,
        seed=settings.seed,
        recipe=settings.recipe,
        precision=settings.precision,
        accumulate=settings.accumulate,
        augment=settings.augment,
        processes=processes,
    )
    return plan, data


def image_size_of(workload: Workload, asked: int | None) -> int:
    """Return the side of the images: as asked, else the network's own.

    Raises:
        UsageError: the network takes no images of this size.
    """
    size = asked or workload.image_size
    least, step = workload.minimum_image_size, workload.size_step
    if size < least:
        raise UsageError(
            f"--image-size {size} is too small for {workload.name}: give {least} or more"
        )
    if size % step:
        raise UsageError(
            f"--image-size {size} does not fit {workload.name}: give a multiple of {step}"
        )
    return size


def torch_device(wanted: str) -> torch.device:
    """Return the requested device; `auto` is the first GPU if there is one, else the CPU."""
    has_gpu = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise UsageError(
            f"--device {wanted!r} is unknown: give auto, cpu, cuda or cuda:1"
        ) from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {wanted!r} is not supported: give auto, cpu, cuda or cuda:1")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {wanted!r} does not exist: torch sees {torch.cuda.device_count()} GPUs"
        )
    return device


def hardware_name(device: torch.device, threads: int) -> str:
    """Return the name of the hardware that computes, for reports."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {threads} thread" + ("s" if threads > 1 else "")
