"""How long planning takes: one job, and ten thousand with the calendar.

    python benchmarks/planning/speed.py [--jobs 10000]

One line per measurement: the best of several runs in CPU time, so that a busy machine disturbs
little. Beside it, on the same inputs, the `climate-aware-task-scheduler` package (extra `bench`),
which places one contiguous window, and running at once, which plans nothing.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, as promised

import argparse
import random
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from lowtide.grid.series import Signal
from lowtide.planning import Calendar, Forecast, Request, Source, plan, plan_all

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)


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
    requests, forecasts = [], {}
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


def best_milliseconds(run: Callable[[], object], repeats: int = 9) -> float:
    """Return the shortest CPU time of several runs."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return 1000 * min(times)


def other_planner(forecast: Forecast) -> Callable[[], object] | None:
    """Return one decision of climate-aware-task-scheduler, `None` where it is not installed."""
    try:
        from cats.forecast import PointEstimate, WindowedForecast
    except ImportError:
        return None
    step = timedelta(seconds=forecast.slot_seconds)
    points = [
        PointEstimate(value, forecast.start + n * step)
        for n, value in enumerate(forecast.grams_per_kwh)
    ]
    return lambda: min(WindowedForecast(points, 24 * 60, NOW))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    count = parser.parse_args().jobs
    print("one decision for a job of 24 h over 8 days, CPU ms      limit")
    for name, slot, limit in (("hourly", 3600, 4), ("15 min", 900, 25), ("5 min", 300, 100)):
        forecast = build_forecast(slot)
        for kind, interruptible, bound in (("pausing", True, limit), ("contiguous", False, 2)):
            request = build_request(interruptible=interruptible)
            took = best_milliseconds(lambda f=forecast, r=request: plan(NOW, r, f))  # type: ignore[misc]
            asked = f"{bound:8}" if interruptible or slot == 3600 else ""
            print(f"  lowtide, {kind:10} {name:8} {took:20.2f} {asked}")
        other = other_planner(forecast)
        took_text = "not installed" if other is None else f"{best_milliseconds(other, 3):.2f}"
        print(f"  climate-aware-task-scheduler, {name:8} {took_text:>11}   (contiguous only)")
    took = best_milliseconds(lambda: plan(NOW, build_request(interruptible=False), None))
    print(f"  run now, no forecast {took:28.2f}\n")
    requests, forecasts = build_jobs(count)
    print(f"{count} waiting jobs, three zones, half of them pausing, CPU s")
    gpu_hours = sum(one.gpus * one.remaining_seconds for one in requests) / 3600
    for capacity in (None, round(0.02 * gpu_hours), round(0.014 * gpu_hours)):
        begin = time.process_time()
        plans = plan_all(NOW, requests, forecasts, Calendar(capacity))
        took = time.process_time() - begin
        waiting = sum(not one.run for one in plans.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        label = "no limit" if capacity is None else f"{capacity} GPUs"
        print(f"  {label:12} {took:8.1f}   {waiting} wait, peak memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
