"""Life of one run: it waits for its window, works, rests at dirty hours, and is settled.

Everything that must outlive this process is in the run's document and its samples: its plan, its
attempts, where and how it was started. So `--resume` begins where a kill, a suspend or a reboot
ended it. What to do next is `run_decision`; here it is done.
"""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from lowtide.grid.forecast import Forecast
from lowtide.local.budget_watch import BudgetWatch, next_look
from lowtide.local.clock import utc_of
from lowtide.local.finishing import finished
from lowtide.local.grid import RunGrid
from lowtide.local.measured_command import MeasuredCommand
from lowtide.local.pause import GRACE_SECONDS, Pause
from lowtide.local.run_decision import RunDecision, RunState, decide_run, may_be_paused
from lowtide.local.samples_file import (
    RunFileError,
    SampledAttempt,
    SamplesWriter,
    read_samples,
)
from lowtide.local.series import experience_of
from lowtide.local.settling import ANNOTATION_STOPPED, attempts_of
from lowtide.local.store import Document, RunStore
from lowtide.names import ENV_ATTEMPT, ENV_REPORT_PATH, ENV_TRAININGJOB, EXIT_CODE_PAUSED
from lowtide.trainingjob.budget import BudgetAction
from lowtide.trainingjob.budget_limits import BudgetVerdict, Exceeded
from lowtide.trainingjob.models import TrainingJob
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.status import Attempt, PlanStatus, TrainingJobStatus

TERMINATED: Final = 128 + signal.SIGTERM
TICK_SECONDS: Final = 1.0


class Teller(Protocol):
    """Tells a person what a run does."""

    def plan(self, plan: PlanStatus, now: datetime) -> None:
        """Tell a new plan."""

    def waiting(self, until: datetime | None, now: datetime) -> None:
        """Tell how long it still waits."""

    def working(self, seconds: float, joules: float | None) -> None:
        """Tell what it has used."""

    def event(self, text: str) -> None:
        """Tell what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is started; kept in its document."""

    command: tuple[str, ...]
    interval_seconds: float = 1.0
    is_modelled: bool = False
    freezes: bool = False
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)


@dataclass(slots=True)
class Runner:
    """One run of the store; `wait` sleeps and returns a signal that came meanwhile, if one did."""

    store: RunStore
    name: str
    options: RunOptions
    grid: RunGrid | None
    teller: Teller
    environment: Mapping[str, str]
    now: Callable[[], datetime]
    wait: Callable[[float], signal.Signals | None]
    notes: list[str] = field(default_factory=list)
    """Sentences about what was not measured."""
    _document: Document = field(default_factory=dict)
    _may_pause: bool = True
    _told: tuple[Any, ...] = ()
    _budget: BudgetWatch = field(default_factory=BudgetWatch)
    _told_over: str = ""

    def go(self) -> int:
        """Run to the end, and return the exit status of the command.

        A signal while the run waits ends it with 128 plus its number; the run can be resumed.
        A run that its budget does not let start ends with 75 (Pause) or 1 (Stop).

        Raises:
            RunFileError: its samples cannot be written, or another process works on the run.
            CommandError: the command cannot be started.
        """
        self._document = self.store.load(self.name)
        writer = SamplesWriter(self.store.samples_path(self.name))
        self._refuse_twin(writer)
        try:
            while True:
                stopped = self._await_window()
                if stopped is not None:
                    return 128 + stopped
                over = self._over_before()
                if over is not None:
                    return EXIT_CODE_PAUSED if over.action is BudgetAction.PAUSE else 1
                status = self._work(writer)
                if status is not None:
                    return status
        finally:
            writer.close()
            self._settle()

    @property
    def document(self) -> Document:
        """The run's document, settled once `go` has returned."""
        return self._document

    def _refuse_twin(self, writer: SamplesWriter) -> None:
        """Refuse to start a second command beside one that outlived the program that measured it.

        Raises:
            RunFileError: the command of the last attempt still works.
        """
        sampled = read_samples(self.store.samples_path(self.name))
        if sampled and sampled[-1].ended_at is None and sampled[-1].is_command_alive():
            writer.close()
            pid = sampled[-1].pid
            raise RunFileError(
                f"the command of run {self.name} still works as process {pid}, and nothing "
                f"measures it: wait until it ends, or end it by `kill {pid}`, then resume"
            )

    def _await_window(self) -> signal.Signals | None:
        """Return when the run may work; the signal that ended the wait, if one did."""
        while True:
            now = self.now()
            decided = self._decide(now, self._attempts(self._sampled()))
            if decided.run:
                return None
            until = decided.plan.start
            while (now := self.now()) < decided.look_again_at:
                self.teller.waiting(until, now)
                left = (decided.look_again_at - now).total_seconds()
                stopped = self.wait(min(TICK_SECONDS, left))
                if stopped is not None:
                    return stopped

    def _work(self, writer: SamplesWriter) -> int | None:
        """Run the command until it ends or pauses; return its exit status, None if it paused."""
        number = len(read_samples(self.store.samples_path(self.name))) + 1
        began = self.now()
        measured = MeasuredCommand(
            self.options.command,
            self._environment(number),
            writer,
            number,
            interval_seconds=self.options.interval_seconds,
            is_modelled=self.options.is_modelled,
        )
        self._save()
        self.teller.event(f"started (attempt {number})" if number > 1 else "started")
        pause = Pause()
        look_at = judge_at = began
        while measured.ended_at is None:
            now = self.now()
            if now >= look_at:
                look_at = self._look(now, began, measured, pause)
            if now >= judge_at:
                judge_at = next_look(began, now)
                self._judge(now, began, measured, pause)
            if pause.is_overdue(now):
                self._may_pause, pause.asked_at = False, None
                self.notes.append(
                    f"the command has not stopped {GRACE_SECONDS:.0f} s after SIGTERM: it goes on "
                    "and is not paused any more"
                )
            if measured.step(self._tick(look_at, now)) is not None and pause.is_frozen:
                measured.send(signal.SIGCONT)  # a frozen command takes a signal when it goes on
                pause.thaw(now)
                self._may_pause = False
            if not pause.is_frozen:
                self.teller.working(measured.seconds, measured.joules or None)
        paused = pause.asked_at is not None and measured.exit_status in (
            EXIT_CODE_PAUSED,
            TERMINATED,
        )
        stops = pause.over is not None and pause.over.action is BudgetAction.STOP
        kept = TERMINATED if stops else EXIT_CODE_PAUSED
        measured.close(exit_status=kept if paused else None)
        self.notes += [note for note in measured.notes if note not in self.notes]
        if paused and pause.over is not None:
            self._say_over(pause.over)
            return measured.exit_status
        if paused:
            self.teller.event("paused: it has stopped and will go on at a cleaner time")
            return None
        return measured.exit_status

    def _over_before(self) -> Exceeded | None:
        """Return the limit of the budget that keeps the run from starting, if one does."""
        job, now = self._job(), self.now()
        if job.spec.budget is None:
            return None
        forecast = None if self.grid is None else self.grid.forecast(now)
        experience = experience_of(self.store, job.spec.metrics.series)
        over = self._heed(*self._budget.before(job, experience, forecast, now))
        if over is not None:
            self._say_over(over)
        return over

    def _judge(
        self, now: datetime, began: datetime, measured: MeasuredCommand, pause: Pause
    ) -> None:
        """Judge the budget of a command that works; tell it to save and stop if it must."""
        job = self._job()
        if job.spec.budget is None or pause.asked_at is not None:
            return
        sampled = self._sampled()
        if not sampled:
            return
        forecast = seen = None
        if self.grid is not None and job.spec.budget.grams is not None:
            forecast = self.grid.forecast(now)
            seen = self.grid.intensity(utc_of(sampled[0].started_at), now, now)
        attempts = self._attempts(sampled, open_since=began, frozen=pause)
        report = self.store.report_path(self.name)
        over = self._heed(
            *self._budget.during(
                job, sampled, attempts, measured.joules, report, forecast, seen, now
            )
        )
        if over is None or not self._may_pause:
            return
        if pause.is_frozen:
            measured.send(signal.SIGCONT)
            pause.thaw(now)
        measured.send(signal.SIGTERM)
        pause.asked_at, pause.over = now, over
        self.teller.event(f"over its budget: {over.sentence}; it is told to save and stop")

    def _heed(self, status: TrainingJobStatus, verdict: BudgetVerdict | None) -> Exceeded | None:
        """Write what a look at the budget found; return the limit that asks for an action."""
        self._document = {**self._document, "status": status.to_api()}
        self._save()
        over = None if verdict is None else verdict.over
        if over is None or over.action is not BudgetAction.WARN:
            return over
        subject = over.sentence.partition(" of ")[0]
        if self._told_over != subject:
            self._told_over = subject
            self.teller.event(f"warning: {over.sentence}")
        return None

    def _say_over(self, over: Exceeded) -> None:
        """Say how a run ends that its budget does not let go on."""
        if over.action is BudgetAction.STOP:
            metadata = self._document["metadata"]
            annotations = {**metadata.get("annotations", {}), ANNOTATION_STOPPED: over.sentence}
            self._document = {
                **self._document,
                "metadata": {**metadata, "annotations": annotations},
            }
            self.teller.event(f"stopped by its budget: {over.sentence}")
            return
        self.teller.event(
            f"paused by its budget: {over.sentence}; `lowtide run --budget … --resume "
            f"{self.name}` with a higher limit goes on"
        )

    def _job(self) -> TrainingJob:
        return TrainingJob.model_validate(self._document)

    def _look(
        self, now: datetime, began: datetime, measured: MeasuredCommand, pause: "Pause"
    ) -> datetime:
        """Decide about a command that works or is frozen, and return when to look again."""
        attempts = self._attempts(self._sampled(), open_since=began, frozen=pause)
        decided = self._decide(now, attempts)
        if pause.asked_at is not None or not self._may_pause:
            return decided.look_again_at
        if pause.is_frozen and decided.run:
            drawn = measured.joules - pause.joules
            pause.thaw(now)
            measured.send(signal.SIGCONT)
            self.teller.event(f"goes on; while it was frozen it drew {drawn:.0f} J, which count")
        elif not pause.is_frozen and not decided.run:
            if self.options.freezes:
                measured.send(signal.SIGSTOP)
                pause.freeze(now, measured.joules)
                self.teller.event(
                    "frozen: it holds its memory, and what its GPU draws meanwhile is counted"
                )
            else:
                measured.send(signal.SIGTERM)
                pause.asked_at = now
                self.teller.event("pausing: it is told to save and stop (SIGTERM)")
        return decided.look_again_at

    def _tick(self, look_at: datetime, now: datetime) -> float:
        return max(0.02, min(TICK_SECONDS, (look_at - now).total_seconds()))

    def _decide(self, now: datetime, attempts: tuple[Attempt, ...]) -> RunDecision:
        job = TrainingJob.model_validate(self._document)
        before = None if job.status is None else job.status.plan
        state = RunState(
            key=str(job.metadata.get("uid", self.name)),
            spec=job.spec,
            created=datetime.fromisoformat(str(job.metadata["creationTimestamp"])),
            plan=before,
            attempts=attempts,
        )
        forecast: Forecast | None = None
        if self.grid is not None and (not attempts or may_be_paused(state)):
            forecast = self.grid.forecast(now)
        experience = experience_of(self.store, job.spec.metrics.series)
        decided = decide_run(now, state, forecast, self.options.schedule, experience)
        if decided.plan != before:
            self._write_plan(decided.plan)
        if not state.is_running and _intends(decided.plan) != self._told:
            self._told = _intends(decided.plan)
            self.teller.plan(decided.plan, now)
        return decided

    def _write_plan(self, plan: PlanStatus) -> None:
        status: dict[str, Any] = dict(self._document.get("status", {}))
        status["plan"] = plan.to_api()
        if self.grid is not None and self.grid.state is not None:
            known = self.grid.state
            status["carbon"] = {"zone": known.zone, "signal": str(known.signal)}
        self._document = {**self._document, "status": status}
        self._save()

    def _sampled(self) -> list[SampledAttempt]:
        return read_samples(self.store.samples_path(self.name))

    def _attempts(
        self,
        sampled: list[SampledAttempt],
        *,
        open_since: datetime | None = None,
        frozen: "Pause | None" = None,
    ) -> tuple[Attempt, ...]:
        """Return the times the run worked, those in which it was frozen left out."""
        job = self._job()
        if open_since is None:
            return attempts_of(job, sampled, is_going_on=False)
        ended = attempts_of(job, sampled[:-1], is_going_on=False)
        spans = [] if frozen is None else frozen.worked(open_since)
        number = len(ended)
        return (
            *ended,
            *(
                Attempt(number=number + k, name=self.name, start=start, end=end)
                for k, (start, end) in enumerate(spans, start=1)
            ),
        )

    def _environment(self, number: int) -> dict[str, str]:
        environment = dict(self.environment)
        environment.setdefault(ENV_REPORT_PATH, str(self.store.report_path(self.name)))
        environment[ENV_TRAININGJOB] = self.name
        environment[ENV_ATTEMPT] = str(number)
        return environment

    def _save(self) -> None:
        """Write the document; a disk that takes nothing is a note, and the command goes on."""
        try:
            self.store.save(self.name, self._document)
        except RunFileError as error:
            note = f"what the run does is not kept: {error}"
            if note not in self.notes:
                self.notes.append(note)

    def _settle(self) -> None:
        """Write what was measured; a run that never worked keeps its plan."""
        self._document = finished(
            self.store, self.name, grid=self.grid, now=self.now(), document=self._document
        )
        self._save()


def _intends(plan: PlanStatus) -> tuple[Any, ...]:
    """Return what a person is told anew if it changes: when, and why."""
    return plan.start, len(plan.segments), plan.reason
