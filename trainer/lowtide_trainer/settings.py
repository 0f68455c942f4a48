"""Settings of the reference training: flags, or environment variables with the same names.

A variable is `LOWTIDE_` and the flag's name in capitals, so that a TrainingJob can set it in `env`
and leave `args` alone; a flag wins. Every setting except the model has a default.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from lowtide import __version__
from lowtide_trainer.errors import UsageError
from lowtide_trainer.report import metrics_port, report_path

MODELS: Final = ("inceptionv3", "densenet121", "tiny")
"""Listed here so that an unknown model is refused before torch is imported, which takes seconds."""
_EXAMPLE: Final = """\
examples:
  lowtide-trainer train --model densenet121 --epochs 4 --samples 512
  LOWTIDE_MODEL=inceptionv3 LOWTIDE_EPOCHS=4 lowtide-trainer train
  lowtide-trainer train --model tiny --data ./images --checkpoint-dir ./checkpoints
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
    """`digits`, or a folder with one sub-folder for each class."""
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
    seed: int
    """Seed of the weights, the split and the order of images."""
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


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> TrainerSettings:
    """Return the settings from a command line and the environment.

    Raises:
        UsageError: a flag or a variable is wrong or missing.
        SystemExit: help or the version was requested.
    """
    try:
        port = metrics_port(environment)
    except ValueError as error:
        raise UsageError(str(error)) from error
    parser = _Parser(
        prog="lowtide-trainer",
        description="Train a network, report the result, and pause and resume on request.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network. Each flag can also be an environment variable: "
        "--batch-size is LOWTIDE_BATCH_SIZE.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands.add_parser("exec", help="run any training command and pass signals on to it")
    _add_flags(train, environment)
    train.set_defaults(report_path=report_path(environment), metrics_port=port)
    return TrainerSettings(**vars(parser.parse_args(arguments)))


def _add_flags(train: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add a flag for each field of `TrainerSettings`."""

    def add(flag: str, kind: Callable[[str], Any], default: Any, meaning: str) -> None:
        """Add a flag whose default is the value of its environment variable, if that is set."""
        variable = "LOWTIDE_" + flag.removeprefix("--").upper().replace("-", "_")
        given = environment.get(variable) or None
        if given is not None:
            try:
                default = kind(given)
            except argparse.ArgumentTypeError as error:
                raise UsageError(f"{variable}: {error}") from error
        metavar = flag.rpartition("-")[2].upper()
        train.add_argument(
            flag,
            type=kind,
            default=default,
            required=flag == "--model" and default is None,
            metavar=metavar,
            help=meaning,
        )

    add("--model", _model, None, "inceptionv3, densenet121 or tiny (for trials)")
    add("--data", str, "digits", "digits (default), or a folder with one sub-folder for each class")
    add("--epochs", _whole(1), 4, "passes over the training images (default 4)")
    add("--samples", _whole(2), None, "images to train on (default: all)")
    add("--validation-samples", _whole(1), None, "images to validate with (default: 256 digits, "
        "all of DIR/val, or a fifth)")  # fmt: skip
    add("--batch-size", _whole(2), None, "images in a batch (default: the model's)")
    add("--image-size", _whole(1), None, "pixels of an image's side (default: the model's)")
    add(
        "--learning-rate",
        _positive,
        None,
        "highest learning rate of the schedule (default: the model's)",
    )
    add("--seed", _whole(0), 0, "seed of weights, split and order of images (default 0)")
    add("--threads", _whole(1), None, "CPU threads (default: the cores that the container may use)")
    add("--device", str, "auto", "auto (default: the first GPU, else the CPU), cpu, cuda, cuda:1")
    add("--checkpoint-dir", Path, None, "save checkpoints here and resume from the newest")
    add("--checkpoint-seconds", _positive, 300.0, "save at least this often within an "
        "epoch, and after every epoch (default 300)")  # fmt: skip
    train.add_argument(
        "--report-path", type=Path, metavar="PATH", help="write the report to this file (default: "
        "/dev/termination-log where it exists, else lowtide-report.json)"
    )  # fmt: skip
    train.add_argument(
        "--metrics-port", type=_whole(0, 65535), metavar="PORT", help="serve /metrics on this "
        "port, 0 to disable (default 9401)"
    )  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of exiting, so that the report can name the mistake."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range."""
    span = f"{least} or more" if most is None else f"{least} to {most}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number: give {span}")
        return value

    return parse


def _model(text: str) -> str:
    if text not in MODELS:
        raise argparse.ArgumentTypeError(f"{text!r} is unknown: choose one of {', '.join(MODELS)}")
    return text


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
