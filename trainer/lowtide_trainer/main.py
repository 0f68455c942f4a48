"""Command `lowtide-trainer`: a reference training or inference, or any command under the wrapper.

Standard output has one line for each epoch, to be read in `kubectl logs`; warnings go to standard
error. Every ending, wrong use included, is written into the report.
"""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from lowtide.names import ENV_REPORT_PATH, EXIT_CODE_PAUSED
from lowtide.trainingjob.report import TrainingOutcome, TrainingReport
from lowtide_trainer.errors import TrainerError, UsageError
from lowtide_trainer.inference_run import InferenceRun
from lowtide_trainer.inference_settings import InferenceSettings
from lowtide_trainer.metrics import serve_metrics
from lowtide_trainer.notes import ProcessStage, leave_note, pause_exit_code
from lowtide_trainer.report import report_path, report_writer, say_where
from lowtide_trainer.reporter import Reporter
from lowtide_trainer.settings import EXEC_HELP, TrainerSettings, parse_settings
from lowtide_trainer.stop import StopRequest
from lowtide_trainer.wrapper import execute

EXIT_CODE_FAILED = 1
EXIT_CODE_WRONG_USE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["exec"]:
        return _execute(given[1:])
    with StopRequest() as stop:
        try:
            settings = parse_settings(given, os.environ)
        except UsageError as error:
            Reporter(write=report_writer(report_path(os.environ))).end(
                TrainingOutcome.FAILED, str(error)
            )
            return _complain(error, EXIT_CODE_WRONG_USE)
        if isinstance(settings, InferenceSettings):
            return _answer(settings)
        leave_note(ProcessStage.LISTENING)
        is_first = os.environ.get("RANK", "0") == "0"
        if is_first:
            say_where(settings.report_path)
        reporter = Reporter(
            write=report_writer(settings.report_path) if is_first else _write_nothing,
            model=settings.model,
            epochs_planned=settings.epochs,
            seed=settings.seed,
        )
        with ExitStack() as stack:
            if settings.metrics_port and is_first:
                stack.enter_context(serve_metrics(reporter, settings.metrics_port))
            try:
                return _train(settings, reporter, stop)
            except TrainerError as error:
                reporter.end(TrainingOutcome.FAILED, str(error))
                wrong_use = isinstance(error, UsageError)
                return _complain(error, EXIT_CODE_WRONG_USE if wrong_use else EXIT_CODE_FAILED)
            except Exception as error:
                reporter.end(TrainingOutcome.FAILED, f"{type(error).__name__}: {error}")
                raise


def _execute(arguments: Sequence[str]) -> int:
    """Run a command under the wrapper and return its exit code."""
    if arguments[:1] in (["--help"], ["-h"]):
        print(EXEC_HELP)
        return 0
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        return _complain(
            UsageError("exec needs a command: lowtide-trainer exec -- python train.py"),
            EXIT_CODE_WRONG_USE,
        )
    return execute(command)


def _train(settings: TrainerSettings, reporter: Reporter, stop: StopRequest) -> int:
    """Train with the settings and return the exit code."""
    # Imported here, after the signal handlers are installed: importing torch takes seconds.
    from lowtide_trainer.assembly import assemble
    from lowtide_trainer.workloads.processes import open_processes

    with open_processes(os.environ) as processes:
        ranks = processes.ranks
        say = _say if ranks.is_first else _say_nothing
        loop = assemble(
            settings, reporter, is_stopped=lambda: stop.requested, say=say, processes=processes
        )
        with reporter:
            if not loop.run():
                reporter.end(TrainingOutcome.PAUSED)
                done = loop.training.batches_done
                say(f"paused after {done} batches; the next start resumes there")
                leave_note(ProcessStage.PAUSED)
                # No rank leaves before all have left their note: a launcher kills the others.
                ranks.gather(None)
                return pause_exit_code(EXIT_CODE_PAUSED)
        say(_last_line(reporter, loop.training.weights_digest()))
        leave_note(ProcessStage.ENDED)
    return 0


def _answer(settings: InferenceSettings) -> int:
    """Answer requests with the settings and return the exit code."""
    environment = {**os.environ, ENV_REPORT_PATH: str(settings.report_path)}
    run = InferenceRun(
        facts={"model": settings.model, "seed": settings.seed},
        warmup=settings.warmup,
        environment=environment,
    )
    try:
        with run:
            from lowtide_trainer.workloads.answering import answer

            answer(settings, run, say=_say)
    except TrainerError as error:
        wrong_use = isinstance(error, UsageError)
        return _complain(error, EXIT_CODE_WRONG_USE if wrong_use else EXIT_CODE_FAILED)
    return 0


def _last_line(reporter: Reporter, weights_digest: str) -> str:
    report = reporter.report()
    return (
        f"finished  {report.epochs} epochs  {report.samples} images  "
        f"accuracy {report.accuracy or 0:.4f}  {report.training_seconds or 0:.1f} s  "
        f"weights sha256:{weights_digest[:16]}"
    )


def _say(line: str) -> None:
    print(line, flush=True)


def _say_nothing(line: str) -> None:
    """Take a line of a process that is not the first."""


def _write_nothing(report: TrainingReport) -> None:
    """Take the report of a process that is not the first."""


def _complain(error: TrainerError, exit_code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
