"""Reference inference: a network answers the validation samples of a data set, batch by batch."""

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from lowtide_trainer.assembly import hardware_name, image_size_of, torch_device
from lowtide_trainer.checkpoint import CheckpointStore
from lowtide_trainer.data import Images, load_data
from lowtide_trainer.errors import CheckpointMismatchError, UsageError
from lowtide_trainer.inference_run import InferenceRun
from lowtide_trainer.inference_settings import InferenceSettings
from lowtide_trainer.randomness import make_deterministic
from lowtide_trainer.threads import usable_cores
from lowtide_trainer.workloads.models import WORKLOADS
from lowtide_trainer.workloads.training import precision_of


def answer(settings: InferenceSettings, run: InferenceRun, *, say: Callable[[str], None]) -> None:
    """Answer the requests, and report accuracy where the weights were trained.

    Raises:
        TrainerError: the settings, the data or the checkpoint cannot be used.
    """
    workload = WORKLOADS[settings.model]
    device = torch_device(settings.device)
    threads = settings.threads or usable_cores()
    torch.set_num_threads(threads)
    make_deterministic(settings.seed)
    size = image_size_of(workload, settings.image_size)
    data = load_data(
        settings.data,
        image_size=size,
        reads_text=workload.reads_text,
        samples=None,
        validation_samples=None,
        seed=settings.seed,
        threads=threads,
    )
    network = workload.build(data.classes, size).to(device).eval()
    is_trained = _load_weights(settings, network)
    hardware = hardware_name(device, threads)
    run.describe(
        dataset=data.name,
        framework=f"torch {torch.__version__}",
        device=hardware,
        parameters=sum(part.numel() for part in network.parameters()),
    )
    say(f"{settings.model} on {data.name}  requests of {settings.batch_size}  {hardware}")
    right = answered = 0
    batches = islice(_batches(data.validation, settings.batch_size), _count(settings))
    with torch.inference_mode(), precision_of(settings.precision, device):
        for images, labels in run.batches(batches):
            guesses = network(images.to(device)).argmax(dim=-1).cpu()
            right += int((guesses == labels).sum())
            answered += labels.numel()
    if is_trained and answered:
        run.evaluated(accuracy=right / answered)
    record = run.report().inference
    if record is not None and record.latency_p50_seconds is not None:
        say(
            f"answered {record.requests} requests after {record.warmup_requests} of warm-up  "
            f"median {1000 * record.latency_p50_seconds:.3g} ms"
        )


def _count(settings: InferenceSettings) -> int:
    return settings.warmup + settings.requests


def _batches(samples: Images, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of one size without end; the samples come again and again."""
    place, count = 0, len(samples)
    while True:
        yield samples.batch([(place + index) % count for index in range(size)])
        place = (place + size) % count


def _load_weights(settings: InferenceSettings, network: torch.nn.Module) -> bool:
    """Load the weights of the newest checkpoint, if one is asked for; return whether it was."""
    if settings.checkpoint_dir is None:
        return False
    found = CheckpointStore(settings.checkpoint_dir).load_newest()
    if found is None:
        raise UsageError(f"--checkpoint-dir {settings.checkpoint_dir} has no checkpoint")
    try:
        network.load_state_dict(found.content["training"]["network"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointMismatchError(
            f"the checkpoint in {settings.checkpoint_dir} does not hold the weights of "
            f"{settings.model} for this data: {error}".splitlines()[0]
        ) from error
    return True
