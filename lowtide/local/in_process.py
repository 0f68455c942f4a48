"""`with lowtide.measure() as m:` measures a block of code in this very process.

A thread reads the meters once a second. CPU time and memory are those of this process and of what
it starts, other threads included. The run is kept like that of a command.
"""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from lowtide.blocks import CodeBlock
from lowtide.local.clock import RunClock
from lowtide.local.process_tree import ProcessTree
from lowtide.local.run_meters import RunMeters
from lowtide.local.samples_file import RunFileError, SamplesWriter
from lowtide.local.sampling import Sampler
from lowtide.local.store import Document, RunStore, new_document


class MeasuredBlock(CodeBlock):
    """What a block of code uses; complete once the block has ended.

    `name` and `series` are those of the run in the store, `is_modelled` lets CPU and memory be
    modelled where no meter reads them, `is_kept` says whether the run is kept.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        series: str | None = None,
        interval_seconds: float = 1.0,
        is_modelled: bool = False,
        is_kept: bool = True,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        if not interval_seconds > 0:
            raise ValueError(f"interval_seconds is {interval_seconds}: it must be above 0")
        self.name, self.document = name, dict[str, Any]()
        self._series, self._interval = series, interval_seconds
        self._is_modelled, self._is_kept = is_modelled, is_kept
        self._environment = environment
        self._ending = threading.Event()
        self._sampler: Sampler | None = None
        self._meters: RunMeters | None = None
        self._writer: SamplesWriter | None = None
        self._thread: threading.Thread | None = None
        self._store: RunStore | None = None
        self._seconds: float | None = None
        self._kept_note: str | None = None

    def __enter__(self) -> Self:
        """Begin to measure.

        Raises:
            RuntimeError: it was begun before.
        """
        if self._sampler is not None:
            raise RuntimeError("a measurement measures one block: make another one")
        clock = RunClock()
        if self._is_kept:
            self._keep(clock.unix(clock.monotonic()))
        tree = ProcessTree(with_self=True)
        meters = RunMeters(self._environment, tree, is_modelled=self._is_modelled)
        begun = clock.monotonic()
        meters.begin(begun)
        self._meters = meters
        self._sampler = Sampler(meters, clock, self._writer, begun)
        self._thread = threading.Thread(target=self._watch, name="lowtide", daemon=True)
        self._thread.start()
        return self

    def end_with(self, error: BaseException | None) -> None:
        """End the measurement."""
        if self._sampler is None or self._meters is None or self._thread is None:
            return
        ended = self._sampler.clock.monotonic()
        self._ending.set()
        self._thread.join()
        self._sampler.end(ended, exit_status=0 if error is None else 1)
        self._seconds = ended - self._sampler.begun
        self._meters.close()
        if self._writer is not None:
            self._writer.close()
        if self._store is not None and self.name is not None:
            self._finish(self._store, self.name)

    @property
    def energy_joules(self) -> float | None:
        """Energy so far, and of the whole block once it has ended; None without a meter."""
        if self._meters is None or not self._meters.books.millijoules:
            return None
        return sum(self._meters.books.millijoules.values()) / 1000

    @property
    def joules_by_component(self) -> dict[str, float]:
        """The same by component: gpu, cpu, dram; what was not measured is absent."""
        found: dict[str, float] = {}
        for key, amount in ({} if self._meters is None else self._meters.books.millijoules).items():
            found[key.component] = found.get(key.component, 0.0) + amount / 1000
        return found

    @property
    def is_measured(self) -> bool:
        """Whether no joule is modelled."""
        books = None if self._meters is None else self._meters.books
        return books is not None and all(key.quality != "model" for key in books.millijoules)

    @property
    def seconds(self) -> float | None:
        """How long the block took; None before its end."""
        return self._seconds

    @property
    def notes(self) -> Sequence[str]:
        """One sentence for each thing that is not measured."""
        found = [] if self._sampler is None else self._sampler.notes
        return found if self._kept_note is None else [*found, self._kept_note]

    def __str__(self) -> str:
        """Return the summary that `lowtide measure` prints."""
        from lowtide.local.run_summary import summary_lines

        if not self.document:
            joules = self.energy_joules
            return "energy not measured" if joules is None else f"{joules:.0f} J"
        return "\n".join(summary_lines(self.document, self.notes))

    def _watch(self) -> None:
        assert self._sampler is not None
        assert self._meters is not None
        self._meters.settle_start(self._sampler.clock.monotonic, self._sampler.begun)
        self._sampler.begin(1, os.getpid())
        while not self._ending.wait(self._interval):
            self._sampler.sample()

    def _keep(self, now_unix: float) -> None:
        """Open the run's files; a disk that takes nothing is a note."""
        spec: dict[str, Any] = {"schedule": {"policy": "Immediate"}}
        if self._series is not None:
            spec["metrics"] = {"series": self._series}
        script = sys.argv[:1] or ["python"]
        document: Document = new_document(script, spec, now_unix, {})
        store = RunStore.of(self._environment)
        try:
            self.name = store.create(document, self.name, script)
            self._writer = SamplesWriter(store.samples_path(self.name))
            self._store = store
        except RunFileError as error:
            self._kept_note = f"this run is not kept: {error}"

    def _finish(self, store: RunStore, name: str) -> None:
        from lowtide.local.finishing import finished

        try:
            self.document = finished(store, name, now=datetime.now(UTC))
            store.save(name, self.document)
        except RunFileError as error:
            self._kept_note = f"this run is not kept: {error}"
