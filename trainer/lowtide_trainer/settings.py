"""The settings of a training: flags, or environment variables of the same names.

A variable is `LOWTIDE_` and the flag's name in capitals, so that a TrainingJob may set them in
`env` and leave `args` alone; a flag wins. Everything has a default but the model.
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
"""Named here so that a wrong one is refused before torch is imported, which takes seconds."""
_EXAMPLE: Final = """\
examples:
  lowtide-trainer train --model densenet121 --epochs 4 --samples 512
  LOWTIDE_MODEL=inceptionv3 LOWTIDE_EPOCHS=4 lowtide-trainer train
  lowtide-trainer train --model tiny --data ./images --checkpoint-dir ./checkpoints

exit codes: 0 finished, 1 failed, 2 wrong use, 75 stopped by SIGTERM after saving a checkpoint
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a training was asked to do. `None` leaves the choice to the model or the machine."""

    model: str
    data: str
    epochs: int
    samples: int | None
    validation_samples: int | None
    batch_size: int | None
    image_size: int | None
    learning_rate: float | None
    seed: int
    threads: int | None
    device: str
    checkpoint_dir: Path | None
    checkpoint_seconds: float
    report_path: Path | None
    metrics_port: int


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings in a command line and the environment.

    Raises:
        UsageError: a flag or a variable is wrong or missing.
        SystemExit: help or the version was asked for.
    """
    try:
        port = metrics_port(environment)
    except ValueError as error:
        raise UsageError(str(error)) from error
    parser = _Parser(
        prog="lowtide-trainer",
        description="Train a network, report what was reached, and stop and go on when asked to.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network. Each flag may be given as an environment variable: "
        "--batch-size as LOWTIDE_BATCH_SIZE.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_flags(train, environment)
    train.set_defaults(report_path=report_path(environment), metrics_port=port)
    return Settings(**vars(parser.parse_args(arguments)))


def _add_flags(train: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add a flag for each field of `Settings`."""

    def add(flag: str, kind: Callable[[str], Any], default: Any, meaning: str) -> None:
        """Add a flag whose default is its environment variable's value, where it is set."""
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

    add("--model", _model, None, "inceptionv3, densenet121 or tiny (for trying things out)")
    add("--data", str, "digits", "digits (default), or a folder with one folder for each class")
    add("--epochs", _whole(1), 4, "times through the images (default 4)")
    add("--samples", _whole(2), None, "images to train on (default: all)")
    add("--validation-samples", _whole(1), None, "images to validate with (default: 256 digits, "
        "all of DIR/val, or a fifth)")  # fmt: skip
    add("--batch-size", _whole(2), None, "images in a batch (default: the model's)")
    add("--image-size", _whole(1), None, "pixels of an image's side (default: the model's)")
    add("--learning-rate", _positive, None, "highest rate of the schedule (default: the model's)")
    add("--seed", _whole(0), 0, "of weights, split and order (default 0)")
    add("--threads", _whole(1), None, "CPU threads (default: cores that the container may use)")
    add("--device", str, "auto", "auto (default: the first GPU, else the CPU), cpu, cuda, cuda:1")
    add("--checkpoint-dir", Path, None, "save checkpoints here and go on from the newest")
    add("--checkpoint-seconds", _positive, 300.0, "save at least this often, and after every "
        "epoch (default 300)")  # fmt: skip
    train.add_argument(
        "--report-path", type=Path, metavar="PATH", help="write the report to this file (default: "
        "/dev/termination-log where it exists)"
    )  # fmt: skip
    train.add_argument(
        "--metrics-port", type=_whole(0, 65535), metavar="PORT", help="serve /metrics on this "
        "port, 0 for not at all (default 9401)"
    )  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving, so that the report can say what was wrong."""

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
