"""`lowtide_trainer.inference`: what is counted between its marks, on clocks that the tests move."""

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

import lowtide_trainer
from lowtide.trainingjob.report import TrainingOutcome, TrainingReport, parse_report, to_message
from lowtide_trainer.errors import UsageError
from lowtide_trainer.inference_run import InferenceRun
from lowtide_trainer.latency import Latencies

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Bench:
    """A run on a clock that only moves when it is told to."""

    def __init__(self, **options):
        self.now = 100.0
        self.reports: list[TrainingReport] = []
        self.finished_work = 0
        self.run = InferenceRun(
            **{
                "facts": {"model": "net"},
                "warmup": 2,
                "environment": {},
                "clock": lambda: NOON + timedelta(seconds=self.now - 100),
                "monotonic": lambda: self.now,
                "write": self.reports.append,
                "finish_work": self._finish,
                **options,
            }
        )

    def _finish(self):
        self.finished_work += 1
        self.now += 0.5

    @property
    def record(self):
        return self.reports[-1].inference


def test_counts_and_times_lie_between_the_marks():
    """Two requests of warm-up, then three of 1 + 0.5 s with a second of loading before each.

    The first mark is the end of the second request, 2 x (1 + 1 + 0.5) = 5 s after noon; until the
    second one the three requests take 3 x 2.5 = 7.5 s, of which 3 x 1.5 s are their own.
    """
    bench = Bench()

    def loader():
        for _ in range(5):
            bench.now += 1
            yield list(range(8))

    with bench.run as run:
        for _ in run.batches(loader(), tokens=lambda batch: 3 * len(batch)):
            bench.now += 1

    record = bench.record
    assert bench.reports[-1].outcome is TrainingOutcome.FINISHED
    assert (record.warmup_requests, record.requests, record.samples, record.tokens) == (
        2,
        3,
        24,
        72,
    )
    assert record.started_at == NOON + timedelta(seconds=5)
    assert record.ended_at == NOON + timedelta(seconds=12.5)
    assert record.latency_mean_seconds == pytest.approx(1.5)
    assert record.latency_p50_seconds == pytest.approx(1.5, rel=0.01)
    assert bench.finished_work == 5, "a GPU's work belongs to its request"


def test_requests_of_any_loop_are_counted_with_what_is_known_at_their_end():
    """A generated answer's length is known when it is there."""
    bench = Bench(warmup=0)
    with bench.run as run:
        for length in (10, 20):
            with run.request() as request:
                request.tokens = length

    assert (bench.record.requests, bench.record.samples, bench.record.tokens) == (2, 2, 30)
    assert bench.record.started_at == NOON, "without a warm-up the first request sets the mark"


def test_a_request_that_fails_counts_nowhere():
    """Its exception is the user's, and the report says what ended the run."""
    bench = Bench(warmup=0)

    def answer(run, zero):
        with run.request():
            _ = 1 / zero

    def answer_two():
        with bench.run as run:
            answer(run, 1)
            answer(run, 0)

    with pytest.raises(ZeroDivisionError):
        answer_two()

    assert bench.record.requests == 1
    assert bench.reports[-1].outcome is TrainingOutcome.FAILED
    assert "ZeroDivisionError" in bench.reports[-1].error


def test_a_total_with_an_unknown_part_is_unknown(caplog):
    """A count that is none is said once; requests and latencies go on."""
    bench = Bench(warmup=0)
    with bench.run as run:
        for samples, tokens in ((4, 5), ("many", float("nan")), (4, 5)):
            with run.request(samples=samples, tokens=tokens):
                pass

    assert (bench.record.requests, bench.record.samples, bench.record.tokens) == (3, None, None)
    assert "samples of a request: 'many' is not a whole number" in caplog.text


def test_nothing_but_warm_up_is_said(caplog):
    """There are no figures then, and the report holds none."""
    bench = Bench(warmup=20)
    with bench.run as run:
        for _ in run.batches([[1], [2]]):
            pass

    assert "all 2 requests were warm-up" in caplog.text
    assert (bench.record.requests, bench.record.latency_mean_seconds) == (0, None)


@pytest.mark.parametrize("warmup", [-1, 2.5, "20", True])
def test_a_warm_up_that_is_no_count_is_refused(warmup):
    """One sentence with the value seen."""
    with pytest.raises(UsageError, match="give the number of requests, 0 or more"):
        lowtide_trainer.inference(model="net", warmup=warmup)


def test_a_report_that_cannot_be_written_stops_nothing(caplog):
    """The disk is full: one warning, and every request is answered."""

    def full(report):
        raise OSError(28, "No space left on device")

    bench = Bench(write=full, warmup=0)
    with bench.run as run:
        answered = list(run.batches([[1], [2], [3]]))

    assert len(answered) == 3
    assert caplog.text.count("the report cannot be written") == 1


def test_long_runs_leave_their_newest_figures_behind():
    """A process that is killed without warning has reported within the last ten seconds."""
    bench = Bench(warmup=0)
    with bench.run as run:
        for _ in run.batches([[1]] * 30):
            bench.now += 0.5
        counts = [report.inference.requests for report in bench.reports]

    assert counts[0] == 0
    assert 30 - counts[-1] <= 10


def test_the_record_survives_the_termination_message():
    """What the operator reads is what the process wrote."""
    bench = Bench(facts={"model": "net", "dataset": "ImageNet", "parameters": 5}, warmup=0)
    with bench.run as run:
        with run.request(samples=3, tokens=7):
            bench.now += 1
        run.evaluated(accuracy=0.75, accuracy_top5=0.9)

    read = parse_report(to_message(bench.reports[-1]))

    assert read.faults == ()
    assert read.report == bench.reports[-1]
    assert read.report.accuracy == 0.75


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"requests": -1}, "not a whole number"),
        ({"requests": None}, "not a whole number"),
        ({"endedAt": "2026-11-29T11:00:00Z"}, "before startedAt"),
        ({"latencyP95Seconds": "soon"}, "not a number"),
    ],
)
def test_an_impossible_record_is_left_out_and_named(change, fault):
    """A termination message may hold anything."""
    bench = Bench(warmup=0)
    with bench.run as run, run.request():
        pass
    document = json.loads(to_message(bench.reports[-1]))
    document["inference"] |= change

    read = parse_report(json.dumps(document))

    assert read.report.inference is None
    assert fault in read.faults[0]


def test_quantiles_are_within_one_percent_of_the_ordered_latencies():
    """Against the exact ones, over latencies from 10 microseconds to 100 seconds."""
    seed = random.randrange(2**32)
    source = random.Random(seed)
    taken = [10 ** source.uniform(-5, 2) for _ in range(2_001)]
    latencies = Latencies()
    for seconds in taken:
        latencies.add(seconds)

    for ratio, place in ((0.5, 1_000), (0.95, 1_900), (0.99, 1_980)):
        exact = sorted(taken)[place]
        assert latencies.quantile(ratio) == pytest.approx(exact, rel=0.0101), f"seed {seed}"


def test_memory_does_not_grow_with_requests():
    """A hundred thousand requests of any length take no more counters than there are magnitudes."""
    source = random.Random(5)
    latencies = Latencies()
    for _ in range(100_000):
        latencies.add(10 ** source.uniform(-9, 9))

    assert len(latencies._buckets) <= 1_400


def test_a_stop_reports_what_was_answered(tmp_path):
    """SIGTERM ends the loop after the request under way; the exit status is that of a signal."""
    program = (
        "import os, signal, lowtide_trainer\n"
        "with lowtide_trainer.inference(model='net', warmup=1) as run:\n"
        "    for number in run.batches([[0]] * 9):\n"
        "        if run.report().inference.requests == 2:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    path = tmp_path / "report.json"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"LOWTIDE_REPORT_PATH": str(path), "PATH": "/usr/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 143, done.stderr
    report = parse_report(path.read_text()).report
    assert report.inference.requests == 3
    assert report.error == "told to stop after 3 requests"
