"""Speed of planning: one job, and ten thousand with the calendar.

    python benchmarks/planning/speed.py [--jobs 10000]

One line per measurement: the best of many runs in CPU time, so that a busy machine disturbs
little, and whether it keeps its limit. Beside it, on the same inputs, the
`climate-aware-task-scheduler` package (extra `bench`), which places one contiguous window and knows
neither pauses nor other jobs, and running at once, which plans nothing.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, as promised

import argparse
import random
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np

from lowtide.grid.series import Signal
from lowtide.planning import Calendar, Forecast, Request, Source, plan, plan_all
from lowtide.planning.elastic import Elastic
from lowtide.planning.scaling import SizedAttempt, scaling_of

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CONTIGUOUS_LIMIT = 2.0
ELASTIC_LIMIT = 20.0
MANY_LIMIT = 20.0
"""CPU seconds for 10,000 jobs."""
GROWTH_LIMIT = 5.0


def build_forecast(slot_seconds: int, zone: int = 0) -> Forecast:
    """Return eight days of a solar grid with wind, on slots of the given length."""
    count = 8 * 86400 // slot_seconds
    hours = np.arange(count) * slot_seconds / 3600
    rng = np.random.default_rng(zone)
    wind = np.cumsum(rng.normal(size=count)) * 12 * np.sqrt(slot_seconds / 3600)
    values = np.maximum(300 - 90 * np.sin((hours - 6) * np.pi / 12) + wind, 20)
    return Forecast(
        zone=f"zone-{zone}",
        signal=Signal.AVERAGE,
        start=NOW,
        slot_seconds=slot_seconds,
        grams_per_kwh=tuple(values.tolist()),
        spread_grams_per_kwh=tuple((10 + 0.2 * hours).tolist()),
        sources=(Source.PROVIDER,) * count,
        provider="synthetic",
    )


def build_request(*, interruptible: bool) -> Request:
    """Return a job of 24 h with eight days in all."""
    return Request(
        key="job",
        earliest=NOW,
        deadline=NOW + 8 * DAY,
        remaining_seconds=86400,
        remaining_high_seconds=86400,
        interruptible=interruptible,
        restart_cost_seconds=900,
        waited=True,
    )


def build_jobs(count: int) -> tuple[list[Request], dict[str, Forecast | None]]:
    """Return waiting jobs of mixed lengths, windows, sizes and kinds in three zones."""
    rnd = random.Random(1)
    zones = [build_forecast(3600, zone) for zone in range(3)]
    requests: list[Request] = []
    forecasts: dict[str, Forecast | None] = {}
    for number in range(count):
        work = rnd.choice([1, 2, 4, 8, 12, 24, 24, 48]) * 3600 * rnd.uniform(0.7, 1.3)
        slack = rnd.choice([6, 12, 24, 48, 72, 100]) * 3600 * rnd.uniform(0.5, 1.3)
        request = Request(
            key=f"job-{number:05}",
            earliest=NOW,
            deadline=NOW + timedelta(seconds=1.2 * work + slack),
            remaining_seconds=work,
            remaining_high_seconds=1.2 * work,
            interruptible=rnd.random() < 0.5,
            restart_cost_seconds=rnd.choice([300, 900, 1800]),
            started=rnd.random() < 0.1,
            gpus=rnd.choice([1, 1, 1, 2, 4, 8]),
            waited=True,
        )
        requests.append(request)
        forecasts[request.key] = rnd.choice(zones)
    return requests, forecasts


def sized_runs() -> list[list[SizedAttempt]]:
    """Return the most that a series teaches: ten runs of 32 attempts at eight sizes."""
    rnd = random.Random(2)
    return [
        [
            SizedAttempt(
                replicas=1 + number % 8,
                paces=(("Samples", (1 + number % 8) ** 0.7 * rnd.uniform(0.95, 1.05)),),
                watts=400.0 * (1 + number % 8) * rnd.uniform(0.95, 1.05),
            )
            for number in range(32)
        ]
        for _ in range(10)
    ]


def cpu_seconds(run: Callable[[], object]) -> float:
    """Return the CPU time of one run."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def best_milliseconds(run: Callable[[], object], repeats: int) -> float:
    """Return the shortest CPU time of several runs."""
    return 1000 * min(cpu_seconds(run) for _ in range(repeats))


def peak_mebibytes() -> float:
    """Return the most memory that the process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def other_planner(forecast: Forecast) -> Callable[[float], object] | None:
    """Return climate-aware-task-scheduler's decision by job length in seconds.

    `None` where it is not installed.
    """
    try:
        from cats.forecast import (  # type: ignore[import-untyped]
            PointEstimate,
            WindowedForecast,
        )
    except ImportError:
        return None
    step = timedelta(seconds=forecast.slot_seconds)
    points = [
        PointEstimate(value, forecast.start + n * step)
        for n, value in enumerate(forecast.grams_per_kwh)
    ]
    return lambda seconds: min(WindowedForecast(points, round(seconds / 60), NOW))


def print_line(name: str, value: float, limit: float | None = None, note: str = "") -> None:
    """Print a measurement, and whether it keeps its limit."""
    verdict = "" if limit is None else f"{limit:6g}  {'met' if value <= limit else 'NOT met'}"
    print(f"  {name:42}{value:9.2f}  {verdict}{note}")


def print_single_decisions() -> None:
    """Print how long one decision takes, for slots of three lengths."""
    print("one decision for a job of 24 h over 8 days              CPU ms   limit")
    for name, slot, limit, repeats in (
        ("hourly", 3600, 4, 60),
        ("15 min", 900, 25, 20),
        ("5 min", 300, 100, 10),
    ):
        forecast = build_forecast(slot)
        for kind, interruptible in (("pausing", True), ("contiguous", False)):
            request = build_request(interruptible=interruptible)
            took = best_milliseconds(partial(plan, NOW, request, forecast), repeats)
            bound = limit if interruptible else CONTIGUOUS_LIMIT if slot == 3600 else None
            print_line(f"lowtide, {kind}, {name}", took, bound)
        other = other_planner(forecast)
        label = f"climate-aware-task-scheduler, {name}"
        if other is None:
            print(f"  {label:42}    not installed")
        else:
            print_line(label, best_milliseconds(partial(other, 86400), 3), note="contiguous only")
    elastic = Elastic.per_doubling(1, 8, 0.9, resize_cost_seconds=900)
    wide = replace(build_request(interruptible=True), elastic=elastic)
    narrow = build_request(interruptible=True)
    hourly = build_forecast(3600)
    took = best_milliseconds(partial(plan, NOW, wide, hourly), 30)
    fixed = best_milliseconds(partial(plan, NOW, narrow, hourly), 30)
    note = f"   {took / fixed:.1f} times a job of fixed size"
    print_line("lowtide, elastic 1 to 8, hourly", took, ELASTIC_LIMIT, note)
    runs = sized_runs()
    learnt = best_milliseconds(partial(scaling_of, None, runs), 20)
    note = f"   from {sum(map(len, runs))} attempts of {len(runs)} runs"
    print_line("lowtide, learning an efficiency", learnt, note=note)
    elastic = Elastic.scaled(1, 8, scaling_of(None, runs), base=2, guard=2, resize_cost_seconds=900)
    took = best_milliseconds(partial(plan, NOW, replace(wide, elastic=elastic), hourly), 30)
    note = "   the deadline counts on the base"
    print_line("lowtide, elastic 1 to 8, learnt, hourly", took + learnt, ELASTIC_LIMIT, note)
    request = build_request(interruptible=False)
    print_line("run now, no forecast", best_milliseconds(partial(plan, NOW, request, None), 20))


def print_many_jobs(count: int) -> None:
    """Print the time of a planning pass, with and without a calendar, and its memory."""
    requests, forecasts = build_jobs(count)
    print(f"\n{count} waiting jobs, three zones, half of them pausing    CPU s   limit")
    limit = MANY_LIMIT if count == 10_000 else None
    gpu_hours = sum(one.gpus * one.remaining_seconds for one in requests) / 3600
    for share in (None, 0.02, 0.014):
        capacity = None if share is None else round(share * gpu_hours)
        begin = time.process_time()
        plans = plan_all(NOW, requests, forecasts, Calendar(capacity))
        took = time.process_time() - begin
        waiting = sum(not one.run for one in plans.values())
        label = "lowtide, no limit" if capacity is None else f"lowtide, calendar of {capacity} GPUs"
        note = f"   {waiting} wait, peak memory {peak_mebibytes():.0f} MiB"
        print_line(label, took, limit, note)
    some = requests[:: max(1, count // 200)]
    others = {id(zone): other_planner(zone) for zone in forecasts.values() if zone is not None}
    begin = time.process_time()
    for one in some:
        other = others[id(forecasts[one.key])]
        if other is not None:
            other(one.remaining_seconds)
    if None not in others.values():
        took = (time.process_time() - begin) * count / len(some)
        note = f"contiguous, without room; from {len(some)} of them"
        print_line("climate-aware-task-scheduler", took, note=note)
    nothing: dict[str, Forecast | None] = dict.fromkeys(forecasts)
    print_line("run now, no forecast", cpu_seconds(partial(plan_all, NOW, requests, nothing)))


def print_memory() -> None:
    """Print the growth of the memory peak when the same pass is repeated."""
    requests, forecasts = build_jobs(500)
    capacity = Calendar(400)
    plan_all(NOW, requests, forecasts, capacity)
    before = peak_mebibytes()
    for _ in range(10):
        plan_all(NOW, requests, forecasts, capacity)
    print("ten more passes over 500 jobs                             MiB   limit")
    print_line("growth of the peak", peak_mebibytes() - before, GROWTH_LIMIT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    count = parser.parse_args().jobs
    # The smaller passes come first: a peak never falls.
    print_memory()
    print()
    print_single_decisions()
    print_many_jobs(count)


if __name__ == "__main__":
    main()
