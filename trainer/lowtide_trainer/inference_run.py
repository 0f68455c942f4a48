"""Run of a user's own inference loop: requests counted and timed between marks after a warm-up.

The first requests compile kernels, fill caches and raise the clocks of a GPU; they count nowhere.
The first mark is the end of the warm-up, the second one the end of the newest request, and the
energy between the two is found afterwards by whoever measured the process. The standard library
is enough; torch is only asked to finish its work where the program uses a GPU.

Invariants: reporting never stops an inference, and memory does not grow with the requests.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from lowtide.blocks import CodeBlock
from lowtide.trainingjob.inference_record import InferenceRecord
from lowtide.trainingjob.report import TrainingOutcome, TrainingReport, bounded_text, build_report
from lowtide.trainingjob.report_values import ERROR_MAX_BYTES, shown
from lowtide_trainer import batches as data
from lowtide_trainer.arguments import whole_number
from lowtide_trainer.clock import utc_now
from lowtide_trainer.errors import explain_uncaught
from lowtide_trainer.facts import FACTS, FACTS_PER_SAMPLE, unknown_fact
from lowtide_trainer.figures import plain_count, plain_number
from lowtide_trainer.latency import Latencies
from lowtide_trainer.notes import ProcessStage, leave_note
from lowtide_trainer.report import report_path, report_writer, say_where
from lowtide_trainer.stop import StopRequest

log = logging.getLogger(__name__)

DEFAULT_WARMUP: Final = 20
REPORT_SECONDS: Final = 10.0
"""Time between two reports, so that a process that is killed leaves its newest figures behind."""
EXIT_CODE_TOLD_TO_STOP: Final = 143
"""As if SIGTERM had ended the process: it was told to stop."""
_FACTS: Final = FACTS - {"inference", "history", FACTS_PER_SAMPLE}


def inference(
    *, model: str | None = None, warmup: int = DEFAULT_WARMUP, **facts: object
) -> "InferenceRun":
    """Return a run of an inference loop, to be opened by `with`.

    Args:
        model: Name of the model, for the report.
        warmup: Requests that come before the first mark and count nowhere.
        facts: Further fields of the report that are known beforehand, such as `dataset`,
            `framework` or `parameters`; a misspelt one is a warning.

    Raises:
        UsageError: `warmup` is not a whole number from 0 on.

    Example::

        with lowtide_trainer.inference(model="resnet50", dataset="ImageNet", warmup=20) as run:
            for images, labels in run.batches(loader):
                predict(net, images)

    Each pass of the loop is one request. `with run.request(samples=1) as request:` marks one in a
    loop of another form, and `request.tokens = n` counts what is known only at its end. A request
    that the loop breaks out of does not count.
    """
    explain_uncaught()
    return InferenceRun(facts={"model": model, **facts}, warmup=warmup)


@dataclass(slots=True)
class OpenRequest:
    """One request under way; its counts may be set until it ends."""

    samples: object = 1
    tokens: object = None


class InferenceRun(CodeBlock):
    """Requests of one process; a context manager around the loop. See `inference`."""

    def __init__(
        self,
        *,
        facts: Mapping[str, object],
        warmup: int = DEFAULT_WARMUP,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        write: Callable[[TrainingReport], None] | None = None,
        finish_work: Callable[[], None] | None = None,
    ) -> None:
        warmup = whole_number("warmup", warmup, least=0, meaning="requests")
        self._facts: dict[str, object] = {}
        self._warmup = warmup
        self._environment = environment
        self._clock = clock
        self._monotonic = monotonic
        self._write = write
        self._finish_work = finish_work or _finish_gpu_work
        self._stop = StopRequest("stopping after this request")
        self._stack = ExitStack()
        self._outcome = TrainingOutcome.RUNNING
        self._error: str | None = None
        self._latencies = Latencies()
        self._warmed_up = 0
        self._samples: int | None = 0
        self._tokens: int | None = 0
        self._has_tokens = False
        self._mark: tuple[datetime, float] | None = None
        self._last = self._reported = 0.0
        self._said: set[str] = set()
        self.describe(**facts)

    def __enter__(self) -> Self:
        """Listen for signals and write a first report."""
        self._stack.enter_context(self._stop)
        leave_note(ProcessStage.LISTENING, self._environment)
        if self._write is None:
            path = report_path(self._environment)
            say_where(path)
            self._write = report_writer(path)
        self._publish()
        return self

    def end_with(self, error: BaseException | None) -> None:
        """Report how the inference ended."""
        if self._outcome is TrainingOutcome.RUNNING:
            is_good = error is None or (isinstance(error, SystemExit) and error.code in (None, 0))
            self._end(None if is_good else f"{type(error).__name__}: {error}")
        leave_note(ProcessStage.ENDED, self._environment)
        self._stack.close()

    @property
    def stop_requested(self) -> bool:
        """Return whether this process was told to stop."""
        return self._stop.requested

    def batches(
        self,
        loader: Any,
        *,
        samples: Callable[[Any], object] = data.batch_size,
        tokens: Callable[[Any], object] | None = None,
    ) -> Iterator[Any]:
        """Yield the batches of a loader; what the loop does with each is one request.

        Loading a batch belongs to no request, and to the time and the energy between the marks.

        Raises:
            SystemExit: the process was told to stop; the requests until then are reported.
        """
        for batch in loader:
            with self.request(
                samples=data.count_by(samples, batch, self._warn),
                tokens=None if tokens is None else data.count_by(tokens, batch, self._warn),
            ):
                yield batch

    @contextmanager
    def request(self, *, samples: object = 1, tokens: object = None) -> Iterator[OpenRequest]:
        """Time and count one request; one that raises counts nowhere.

        Raises:
            SystemExit: the process was told to stop; the requests until then are reported.
        """
        if self._mark is None and self._warmup == 0:
            self._set_mark(self._monotonic())
        one = OpenRequest(samples, tokens)
        began = self._monotonic()
        yield one
        self._finish_work()
        self._count(one, began, self._monotonic())
        if self._stop.requested:
            self._end(f"told to stop after {self._latencies.count} requests")
            raise SystemExit(EXIT_CODE_TOLD_TO_STOP)

    def describe(self, **facts: object) -> None:
        """Add facts that were not known before; a misspelt one is a warning."""
        self._facts |= {name: plain_number(facts[name]) for name in facts.keys() & _FACTS}
        for name in sorted(facts.keys() - _FACTS):
            self._warn(unknown_fact(name, _FACTS))

    def evaluated(self, *, accuracy: object, accuracy_top5: object = None) -> None:
        """Record how accurate the answers were, as fractions."""
        self._facts["accuracy"] = plain_number(accuracy)
        self._facts["accuracy_top5"] = plain_number(accuracy_top5)
        self._publish()

    def report(self) -> TrainingReport:
        """Return the current report, without impossible figures."""
        values = {
            **self._facts,
            "outcome": self._outcome,
            "error": self._error,
            "inference": self._record(),
        }
        parsed = build_report(values)
        for fault in parsed.faults:
            self._warn(fault)
        return parsed.report or TrainingReport(outcome=self._outcome)

    def _set_mark(self, at: float) -> None:
        self._mark = (self._clock(), at)
        self._last = at

    def _count(self, one: OpenRequest, began: float, ended: float) -> None:
        """Count a request that ended; the last one of the warm-up sets the first mark."""
        if self._mark is None:
            self._warmed_up += 1
            if self._warmed_up >= self._warmup:
                self._set_mark(ended)
            return
        self._latencies.add(ended - began)
        self._last = ended
        self._samples = self._plus(self._samples, "samples", one.samples)
        if one.tokens is not None:
            self._has_tokens = True
            self._tokens = self._plus(self._tokens, "tokens", one.tokens)
        if ended - self._reported >= REPORT_SECONDS:
            self._reported = ended
            self._publish()

    def _record(self) -> InferenceRecord:
        # The second mark follows from a clock that never goes back.
        start, at = self._mark or (self._clock(), self._last)
        latencies = self._latencies
        return InferenceRecord(
            started_at=start,
            ended_at=start + timedelta(seconds=self._last - at),
            warmup_requests=self._warmed_up,
            requests=latencies.count,
            samples=self._samples,
            tokens=self._tokens if self._has_tokens else None,
            latency_mean_seconds=latencies.mean_seconds,
            latency_p50_seconds=latencies.quantile(0.50),
            latency_p95_seconds=latencies.quantile(0.95),
            latency_p99_seconds=latencies.quantile(0.99),
        )

    def _end(self, error: str | None) -> None:
        if error is None and self._latencies.count == 0:
            self._warn(
                f"all {self._warmed_up} requests were warm-up, so there are no figures: answer "
                f"more than {self._warmup}, or give a smaller warmup"
            )
        self._outcome = TrainingOutcome.FAILED if error else TrainingOutcome.FINISHED
        self._error = bounded_text(error, ERROR_MAX_BYTES) if error else None
        self._publish()

    def _publish(self) -> None:
        """Write the current report; a failure is a warning."""
        try:
            if self._write is not None:
                self._write(self.report())
        except OSError as error:
            self._warn(f"the report cannot be written: {error}")

    def _plus(self, total: int | None, name: str, value: object) -> int | None:
        """Return a total with one more count; `None`, with a warning, once a count is unknown."""
        try:
            count = plain_count(value)
            return None if total is None else total + count
        except ValueError:
            self._warn(
                f"{name} of a request: {shown(value)} is not a whole number, so the total is "
                "unknown"
            )
            return None

    def _warn(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            log.warning("%s", sentence)


def _finish_gpu_work() -> None:
    """Wait for the GPU, if this program uses one: kernels run on after the call that began them."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
