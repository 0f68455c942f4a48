"""Settings of the reference training: flags, or environment variables with the same names.

A variable is `LOWTIDE_` and the flag's name in capitals, so that a TrainingJob can set it in `env`
and leave `args` alone; a flag wins. Every setting except the model has a default.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lowtide import __version__
from lowtide_trainer.errors import UsageError
from lowtide_trainer.flags import FlagParser, Flags, one_of, positive, share, whole
from lowtide_trainer.inference_settings import (
    PRECISIONS,
    InferenceSettings,
    add_inference_flags,
)
from lowtide_trainer.report import metrics_port, report_path

MODELS: Final = (
    "inceptionv3",
    "densenet121",
    "densenet169",
    "vgg19",
    "resnet50",
    "mobilenetv2",
    "mobilenetv3",
    "efficientnetb0",
    "vit_b_16",
    "transformer",
    "tiny",
)
"""Listed here so that an unknown model is refused before torch is imported, which takes seconds."""
_EXAMPLE: Final = """\
examples:
  lowtide-trainer train --model densenet121 --epochs 4 --samples 512
  LOWTIDE_MODEL=inceptionv3 LOWTIDE_EPOCHS=4 lowtide-trainer train
  lowtide-trainer train --model tiny --data ./images --checkpoint-dir ./checkpoints
  lowtide-trainer infer --model densenet121 --requests 500 --batch-size 32
  lowtide-trainer exec -- torchrun --nproc-per-node 4 train.py

exit codes: 0 finished, 1 failed, 2 wrong use, 75 paused by SIGTERM after saving a checkpoint
"""
EXEC_HELP: Final = """\
usage: lowtide-trainer exec -- COMMAND [ARGUMENT ...]

Run any training as the first process of a container: pass signals on through shells and launchers,
exit with 75 once all its processes saved their state and stopped, pass every other status on, and
write a report of time and ending for a program that writes none.

examples:
  lowtide-trainer exec -- python train.py
  lowtide-trainer exec -- torchrun --nproc-per-node 4 train.py
  lowtide-trainer exec -- accelerate launch train.py
  lowtide-trainer exec -- sh -c "python prepare.py && python train.py"

exit codes: that of the command (128 and the signal's number if one ended it), 75 paused after all
processes saved, 126 the command cannot be started, 127 it was not found
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerSettings:
    """Settings of one training. `None` leaves the choice to the model or the machine."""

    model: str
    """One of `MODELS`."""
    data: str
    """`digits`, `synthetic`, a folder of images or of CIFAR files, or a text file."""
    epochs: int
    samples: int | None
    """Upper bound of the images to train on."""
    validation_samples: int | None
    """Upper bound of the images to validate with."""
    batch_size: int | None
    image_size: int | None
    """Side of an image in pixels."""
    learning_rate: float | None
    """Highest rate of the one-cycle schedule."""
    data_share: float
    """Share of the training samples that is used, above 0 and up to 1."""
    recipe: str
    """`adamw` with a one-cycle schedule, or `sgd` with momentum and a cosine."""
    precision: str
    """`float32`, `bfloat16` or `float16`, the last with scaled gradients."""
    accumulate: int
    """Parts of a batch whose gradients are added up before a step."""
    augment: str
    """`none`, or `crop-mirror` for images."""
    seed: int
    """Seed of the weights, the split, the order of images and their augmentation."""
    threads: int | None
    """CPU threads."""
    device: str
    """`auto`, or a device as torch names it."""
    checkpoint_dir: Path | None
    """`None`: no checkpoints are saved, so the training cannot be paused."""
    checkpoint_seconds: float
    """Longest time between two checkpoints within an epoch."""
    report_path: Path
    metrics_port: int
    """0: metrics are not served."""


def parse_settings(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> TrainerSettings | InferenceSettings:
    """Return the settings of `train` or `infer` from a command line and the environment.

    Raises:
        UsageError: a flag or a variable is wrong or missing.
        SystemExit: help or the version was requested.
    """
    try:
        port = metrics_port(environment)
    except ValueError as error:
        raise UsageError(str(error)) from error
    parser = FlagParser(
        prog="lowtide-trainer",
        description="Train a network, report the result, and pause and resume on request.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    texts = {"train": "train a network", "infer": "answer requests with a network"}
    both = {
        name: commands.add_parser(
            name,
            help=text,
            description=f"{text.capitalize()}. Each flag can also be an environment variable: "
            "--batch-size is LOWTIDE_BATCH_SIZE.",
            epilog=_EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for name, text in texts.items()
    }
    commands.add_parser("exec", help="run any training command and pass signals on to it")
    _add_flags(both["train"], environment)
    add_inference_flags(both["infer"], environment, MODELS)
    for command in both.values():
        command.add_argument(
            "--report-path", type=Path, metavar="PATH", help="write the report to this file "
            "(default: /dev/termination-log where it exists, else lowtide-report.json)",
            default=Path(report_path(environment)),
        )  # fmt: skip
    both["train"].set_defaults(metrics_port=port)
    found = vars(parser.parse_args(arguments))
    if found.pop("command") == "infer":
        return InferenceSettings(**found)
    return TrainerSettings(**found)


def _add_flags(train: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add a flag for each field of `TrainerSettings`."""
    add = Flags(train, environment).add
    add("--model", one_of(MODELS), None, ", ".join(MODELS), is_required=True)
    add(
        "--data",
        str,
        "digits",
        "digits (default), synthetic, a folder with one sub-folder for each class, Tiny ImageNet "
        "or CIFAR files as downloaded, or a text file for transformer",
    )
    add("--epochs", whole(1), 4, "passes over the training images (default 4)")
    add("--samples", whole(2), None, "images to train on (default: all)")
    add("--validation-samples", whole(1), None, "images to validate with (default: 256 digits, "
        "all of DIR/val, or a fifth)")  # fmt: skip
    add("--batch-size", whole(2), None, "images in a batch (default: the model's)")
    add("--image-size", whole(1), None, "pixels of an image's side (default: the model's)")
    add(
        "--learning-rate",
        positive,
        None,
        "highest learning rate of the schedule (default: the model's)",
    )
    add("--data-share", share, 1.0, "share of the training samples, above 0 to 1 (default 1)")
    add("--recipe", one_of(("adamw", "sgd")), "adamw", "adamw with one cycle (default), or "
        "sgd with momentum 0.9, weight decay 1e-4 and a cosine")  # fmt: skip
    add("--precision", one_of(PRECISIONS), "float32", "float32 (default), bfloat16, or float16 "
        "with scaled gradients")  # fmt: skip
    add("--augment", one_of(("none", "crop-mirror")), "none", "none (default), or crop-mirror: "
        "images shifted by up to an eighth and mirrored by chance")  # fmt: skip
    add("--accumulate", whole(1), 1, "parts of a batch before a step (default 1)")
    add("--seed", whole(0), 0, "seed of weights, split and order of images (default 0)")
    add("--threads", whole(1), None, "CPU threads (default: the cores that the container may use)")
    add("--device", str, "auto", "auto (default: the first GPU, else the CPU), cpu, cuda, cuda:1")
    add("--checkpoint-dir", Path, None, "save checkpoints here and resume from the newest")
    add("--checkpoint-seconds", positive, 300.0, "save at least this often within an "
        "epoch, and after every epoch (default 300)")  # fmt: skip
    train.add_argument(
        "--metrics-port", type=whole(0, 65535), metavar="PORT", help="serve /metrics on this "
        "port, 0 to disable (default 9401)"
    )  # fmt: skip
