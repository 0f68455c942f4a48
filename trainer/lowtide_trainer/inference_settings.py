"""Settings of the reference inference: flags, or environment variables with the same names."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lowtide_trainer.flags import Flags, one_of, whole
from lowtide_trainer.inference_run import DEFAULT_WARMUP

DEFAULT_REQUESTS: Final = 200
PRECISIONS: Final = ("float32", "bfloat16", "float16")
"""Below float32, matrix products and convolutions only: torch.autocast chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceSettings:
    """Settings of one inference. `None` leaves the choice to the model or the machine."""

    model: str
    """A name of `settings.MODELS`."""
    data: str
    """Data set whose validation part is answered, again and again."""
    requests: int
    """Requests after the warm-up."""
    warmup: int
    batch_size: int
    """Samples in a request."""
    image_size: int | None
    precision: str
    """`float32`, `bfloat16` or `float16`."""
    seed: int
    threads: int | None
    device: str
    checkpoint_dir: Path | None
    """The newest checkpoint in it gives the weights; `None`: they are random."""
    report_path: Path


def add_inference_flags(
    command: argparse.ArgumentParser, environment: Mapping[str, str], models: tuple[str, ...]
) -> None:
    """Add a flag for each field of `InferenceSettings` but the report's path."""
    flags = Flags(command, environment)
    flags.add("--model", one_of(models), None, ", ".join(models), is_required=True)
    flags.add("--data", str, "digits", "data set as in train; its validation part is answered")
    flags.add(
        "--requests",
        whole(1),
        DEFAULT_REQUESTS,
        f"requests after the warm-up (default {DEFAULT_REQUESTS})",
    )
    flags.add(
        "--warmup",
        whole(0),
        DEFAULT_WARMUP,
        f"requests that count nowhere (default {DEFAULT_WARMUP})",
    )
    flags.add("--batch-size", whole(1), 1, "samples in a request (default 1)")
    flags.add("--image-size", whole(1), None, "pixels of an image's side (default: the model's)")
    flags.add("--precision", one_of(PRECISIONS), "float32", f"{', '.join(PRECISIONS)}")
    flags.add("--seed", whole(0), 0, "seed of random weights and of the split (default 0)")
    flags.add("--threads", whole(1), None, "CPU threads (default: the cores that may be used)")
    flags.add("--device", str, "auto", "auto, cpu, cuda or cuda:1")
    flags.add("--checkpoint-dir", Path, None, "take the weights of the newest checkpoint here")
