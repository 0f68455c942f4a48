"""`lowtide run`: a command that waits for the cleanest hours, is measured and accounted for.

The same planner, meters and figures as for a TrainingJob of a cluster; the run's document is one.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from lowtide import names
from lowtide.cli.durations import DURATION, DURATION_OR_ZERO, MOMENT, PERCENT
from lowtide.cli.held_signals import signals_held
from lowtide.cli.measure import kept_run
from lowtide.cli.run_accounts import RunAccounts, account_options
from lowtide.cli.run_budget import BudgetType, Limit, budget_of
from lowtide.cli.run_grid import GridChoice, chosen_grid, grid_options
from lowtide.cli.run_view import RunView
from lowtide.local.clock import utc_now
from lowtide.local.command import CommandError, reap_orphans
from lowtide.local.resuming import enter_folder, is_complete
from lowtide.local.run_decision import RunState, decide_run, run_fault
from lowtide.local.run_summary import summary_document, summary_lines
from lowtide.local.runner import Runner, RunOptions
from lowtide.local.samples_file import RunFileError
from lowtide.local.series import experience_of
from lowtide.local.settling import ANNOTATION_STOPPED
from lowtide.local.store import (
    ANNOTATION_RUN,
    Document,
    RunStore,
    command_of,
    new_document,
)
from lowtide.trainingjob.models import TrainingJob
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.units import format_timestamp

_START_LATENCY_SECONDS: Final = 2.0
_ENDS_A_WAIT: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
CONTEXT = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command("run", context_settings=CONTEXT)
@click.option("--max-delay", type=DURATION_OR_ZERO, help="Longest wait before the start [24h].")
@click.option("--deadline", type=MOMENT, help="The run must have ended by then.")
@click.option("--expected-duration", type=DURATION, help="Running time [learnt from --series].")
@click.option(
    "--interruptible",
    is_flag=True,
    help="Pause at dirty hours: SIGTERM, exit status 75 (saved and stopped), and a new start.",
)
@click.option(
    "--freeze",
    "freezes",
    is_flag=True,
    help="Pause by SIGSTOP instead: nothing is saved, memory stays held, idle power is drawn.",
)
@click.option(
    "--restart-cost",
    type=DURATION_OR_ZERO,
    default="5m",
    show_default=True,
    help="Running time lost by one resume; none with --freeze.",
)
@click.option(
    "--minimum-saving",
    type=PERCENT,
    default="2%",
    show_default=True,
    help="Run at once where waiting saves less.",
)
@click.option(
    "--budget",
    "limits",
    type=BudgetType(),
    multiple=True,
    metavar="QUANTITY=LIMIT[:ACTION]",
    help="Limit of energy, grams, money or finish, and warn [default], pause or stop where it is "
    "or surely will be exceeded, as energy=2kWh:stop; may be repeated. With --resume: new limits.",
)
@grid_options
@account_options
@click.option("--name", help="Name of the run [made from the command and the time].")
@click.option("--series", help="Series whose finished runs teach how long this one takes.")
@click.option("--interval", type=click.FloatRange(min=0.1, max=60), default=1.0, hidden=True)
@click.option("--model", "is_modelled", is_flag=True, help="As in `lowtide measure`.")
@click.option("--dry-run", is_flag=True, help="Only plan: say when it would run, and why.")
@click.option("--resume", is_flag=True, help="Go on with the run NAME, or with the latest one.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "none"]),
    default="table",
    show_default=True,
    help="Summary, as in `lowtide measure`.",
)
@click.argument("command_line", nargs=-1, metavar="-- COMMAND...")
def command(
    max_delay: timedelta | None,
    deadline: datetime | None,
    expected_duration: timedelta | None,
    interruptible: bool,
    freezes: bool,
    restart_cost: timedelta,
    minimum_saving: float,
    limits: tuple[Limit, ...],
    zone: str | None,
    trace: Path | None,
    trace_start: datetime | None,
    speed: float,
    settings: Path | None,
    accounts: RunAccounts,
    name: str | None,
    series: str | None,
    interval: float,
    is_modelled: bool,
    dry_run: bool,
    resume: bool,
    output: str,
    command_line: tuple[str, ...],
) -> None:
    r"""Run a command when the grid is clean, without a cluster.

    \b
    Examples:
      lowtide run --zone DE --max-delay 12h --expected-duration 2h -- python train.py
      lowtide run --zone DE --deadline 2030-12-02T08:00Z --interruptible -- python train.py
      lowtide run --zone DE --expected-duration 2h --dry-run -- python train.py
      lowtide run --resume

    The command starts in the planned window, at its latest start whatever the forecast says. It is
    measured as by `lowtide measure`, and ends with the figures of a TrainingJob; its exit status
    comes through. Killed, suspended or rebooted, `lowtide run --resume` goes on: what was measured
    is kept in ~/.local/share/lowtide/runs.
    """
    store = RunStore.of()
    try:
        if resume:
            raise SystemExit(_resume(store, command_line, output, limits))
        if not command_line:
            raise click.UsageError(
                "give the command after `--`, as in: lowtide run -- python train.py"
            )
        if deadline is not None and max_delay is not None:
            raise click.UsageError("give --deadline or --max-delay, not both")
        grid = chosen_grid(zone, trace, trace_start, speed, settings)
        if grid.zone is None:
            raise click.UsageError("give --zone (or LOWTIDE_ZONE), or a --trace to plan with")
        now = utc_now()
        if deadline is not None and deadline <= now:
            raise click.UsageError(
                f"--deadline {format_timestamp(deadline)} has passed (it is "
                f"{format_timestamp(now)}): give a later one"
            )
        schedule: dict[str, Any] = {"minimumSavingPercent": round(100 * minimum_saving)}
        if deadline is not None:
            schedule["deadline"] = deadline.astimezone(UTC).isoformat()
        if max_delay is not None:
            schedule["maxDelaySeconds"] = round(max_delay.total_seconds())
        if expected_duration is not None:
            schedule["expectedDurationSeconds"] = max(1, round(expected_duration.total_seconds()))
        if interruptible or freezes:
            cost = 0 if freezes else round(restart_cost.total_seconds())
            schedule["interruption"] = {"allowed": True, "restartCostSeconds": cost}
        spec: dict[str, Any] = {"schedule": schedule, "grid": {"zone": grid.zone}}
        if series is not None:
            spec["metrics"] = {"series": series}
        accounts.write(spec)
        if limits:
            spec["budget"] = budget_of(limits, has_price=accounts.has_price)
        document = new_document(command_line, spec, now.timestamp(), {})
        how = {"wallStart": now.isoformat(), "grid": grid.as_json(), "interval": interval}
        how |= {"model": is_modelled, "freezes": freezes}
        document["metadata"]["annotations"][ANNOTATION_RUN] = json.dumps(how)
        _refuse_impossible(store, document, grid)
        if dry_run:
            _plan_only(store, document, grid, now)
            return
        notes: list[str] = []
        kept, kept_name = kept_run(document, name, command_line, notes)
        for note in notes:
            click.echo(f"lowtide: {note}", err=True)
        raise SystemExit(_go(kept, kept_name, output))
    except RunFileError as error:
        raise click.ClickException(str(error)) from None


def _schedule(grid: GridChoice) -> ScheduleSettings:
    """Return the defaults of a run's schedule; in a fast replay all of them are shorter."""
    usual = ScheduleSettings()
    return ScheduleSettings(
        maximum_delay_seconds=usual.maximum_delay_seconds / grid.speed,
        expected_duration_seconds=max(1.0, usual.expected_duration_seconds / grid.speed),
        start_latency_seconds=_START_LATENCY_SECONDS / grid.speed,
        margin_seconds=usual.margin_seconds / grid.speed,
        look_again_seconds=max(0.1, usual.look_again_seconds / grid.speed),
    )


def _state(document: Document) -> RunState:
    job = TrainingJob.model_validate(document)
    created = datetime.fromisoformat(str(job.metadata["creationTimestamp"]))
    return RunState(key=str(job.metadata["uid"]), spec=job.spec, created=created)


def _refuse_impossible(store: RunStore, document: Document, grid: GridChoice) -> None:
    state = _state(document)
    experience = experience_of(store, state.spec.metrics.series)
    fault = run_fault(state, _schedule(grid), experience)
    if fault is not None:
        said = fault.replace("spec.schedule.deadline", "--deadline")
        said = said.replace(", or set policy: Immediate", "").replace("the job's creation", "now")
        raise click.UsageError(said)


def _plan_only(store: RunStore, document: Document, grid: GridChoice, now: datetime) -> None:
    state = _state(document)
    opened = grid.open(now)
    forecast = None if opened is None else opened.forecast(now)
    experience = experience_of(store, state.spec.metrics.series)
    decided = decide_run(now, state, forecast, _schedule(grid), experience)
    view = RunView("dry run", sys.stdout)
    view.plan(decided.plan, now)
    for failure in () if opened is None else opened.failures():
        click.echo(f"note: {failure}", err=True)


def _resume(
    store: RunStore, command_line: tuple[str, ...], output: str, limits: Sequence[Limit]
) -> int:
    """Go on with a run: the one that is named, else the latest that has not completed."""
    if len(command_line) > 1:
        raise click.UsageError(
            "--resume takes the name of one run and no command; options stand before it"
        )
    if command_line:
        name = command_line[0]
    else:
        open_ones = [
            one for one in store.names() if _is_ours(store, one) and not store.is_going_on(one)
        ]
        if not open_ones:
            raise click.ClickException(f"no run in {store.folder} can be gone on with")
        name = open_ones[-1]
    document = store.load(name)
    if is_complete(document):
        raise click.ClickException(f"run {name} has completed: there is nothing to go on with")
    if ANNOTATION_RUN not in document["metadata"].get("annotations", {}):
        raise click.ClickException(
            f"run {name} was started by `lowtide measure`, which never waits"
        )
    stopped = document["metadata"]["annotations"].get(ANNOTATION_STOPPED)
    if stopped is not None:
        raise click.ClickException(
            f"run {name} was stopped by its budget ({stopped}): start another one"
        )
    if limits:
        budget = budget_of(limits, has_price="price" in document["spec"])
        document["spec"]["budget"] = budget
        store.save(name, document)
    return _go(store, name, output)


def _is_ours(store: RunStore, name: str) -> bool:
    try:
        document = store.load(name)
    except RunFileError:
        return False
    annotations = document["metadata"].get("annotations", {})
    is_open = ANNOTATION_STOPPED not in annotations and not is_complete(document)
    return ANNOTATION_RUN in annotations and is_open


def _go(store: RunStore, name: str, output: str) -> int:
    """Run a run of the store to its end, or to the signal that ends its wait."""
    document = store.load(name)
    annotations = document["metadata"]["annotations"]
    how = json.loads(annotations[ANNOTATION_RUN])
    fault = enter_folder(annotations.get(f"{names.GROUP}/folder"))
    if fault is not None:
        raise click.ClickException(fault)
    grid = GridChoice.from_json(how["grid"])
    view = RunView(name, is_quiet=output == "none")
    with _ending_signals_held() as wait:
        runner = Runner(
            store=store,
            name=name,
            options=RunOptions(
                command=tuple(command_of(document)),
                interval_seconds=float(how["interval"]),
                is_modelled=bool(how["model"]),
                freezes=bool(how["freezes"]),
                schedule=_schedule(grid),
            ),
            grid=grid.open(datetime.fromisoformat(how["wallStart"])),
            teller=view,
            environment=dict(os.environ),
            now=utc_now,
            wait=wait,
        )
        try:
            status = runner.go()
        except CommandError as error:
            view.close()
            click.echo(f"lowtide: {error}", err=True)
            return error.exit_status
        finally:
            view.close()
    failures = () if runner.grid is None else runner.grid.failures()
    _say_end(runner.document, [*runner.notes, *failures], output)
    return status


def _say_end(document: Document, notes: list[str], output: str) -> None:
    name = document["metadata"]["name"]
    if output == "json":
        click.echo(json.dumps(summary_document(document, notes), ensure_ascii=False))
    elif output == "table":
        has_worked = bool(document["status"].get("attempts"))
        lines = summary_lines(document, notes) if has_worked else [f"note: {n}" for n in notes]
        if not is_complete(document):
            lines.append(f"{name}: not complete; `lowtide run --resume {name}` goes on")
        sys.stderr.write("\n".join(lines) + "\n")


@contextmanager
def _ending_signals_held() -> Iterator[Any]:
    """Hold back the signals that end a wait, and give a function that waits for one."""

    def wait(seconds: float) -> signal.Signals | None:
        info = signal.sigtimedwait(_ENDS_A_WAIT, max(0.0, seconds))
        reap_orphans()
        return None if info is None else signal.Signals(info.si_signo)

    with signals_held(_ENDS_A_WAIT):
        yield wait
