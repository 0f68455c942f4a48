"""Rules for an interval with a change of holder: how much of a job's energy each keeps.

Jobs of known length on a GPU with an idle floor, a counter and a mapping read once a second at a
random phase; every rule sees the same readings. Two layouts: a job alone on a free GPU, and jobs
that follow each other after a pause of 0 to 3 s. Lengths vary by half a second either way, so that
the errors at start and end cannot cancel. Fixed seed.
"""

import random
import statistics
from collections.abc import Callable

from lowtide.energy.attribution import Owner
from lowtide.energy.attribution_boundary import Holder, SlotShare, busy_ratio, settle_interval

IDLE_WATTS, BUSY_WATTS, PERIOD_SECONDS, RUNS = 75.0, 600.0, 1.0, 150
Job = tuple[float, float]
Rule = Callable[[Holder | None, Holder | None, float, float, float | None], tuple[SlotShare, ...]]


def newer_owner(
    older: Holder | None, newer: Holder | None, start: float, end: float, busy: float | None
) -> tuple[SlotShare, ...]:
    """Give the whole interval to the owner that the newer answer names."""
    return (SlotShare(newer.owner, 1.0, 1.0),) if newer else ()


def either_owner(
    older: Holder | None, newer: Holder | None, start: float, end: float, busy: float | None
) -> tuple[SlotShare, ...]:
    """Active energy to either owner, idle energy by half the interval."""
    return settle_interval(*(h and Holder(h.owner) for h in (older, newer)), start, end)


def with_times(
    older: Holder | None, newer: Holder | None, start: float, end: float, busy: float | None
) -> tuple[SlotShare, ...]:
    """The same with the API's times, in whole seconds."""
    return settle_interval(older, newer, start, end)


def with_load(
    older: Holder | None, newer: Holder | None, start: float, end: float, busy: float | None
) -> tuple[SlotShare, ...]:
    """Lowtide's rule: the load tells how long the job ran, the API's times give the bounds."""
    return settle_interval(older, newer, start, end, busy=busy)


def energy_between(jobs: list[Job], start: float, end: float) -> float:
    """Return what the GPU drew: the floor always, the load during jobs."""
    busy = sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in jobs)
    return IDLE_WATTS * (end - start) + (BUSY_WATTS - IDLE_WATTS) * busy


def holder_at(jobs: list[Job], moment: float) -> Holder | None:
    """Return the GPU's holder, with the API's times in whole seconds."""
    for index, (begin, stop) in enumerate(jobs):
        if begin <= moment < stop:
            return Holder(Owner(str(index), "main"), float(int(begin)))
    return None


def measure(jobs: list[Job], rule: Rule) -> list[float]:
    """Return the relative error of each job's energy."""
    joules = [0.0] * len(jobs)
    moment, older = jobs[0][0] - 5 - random.random(), None
    while moment < jobs[-1][1] + 5:
        later = moment + PERIOD_SECONDS
        newer = holder_at(jobs, later)
        if older is not None:
            index = int(older.owner.pod)
            gone = newer is None or newer.owner != older.owner
            finished = float(int(jobs[index][1])) if gone else None
            older = Holder(older.owner, older.started_at, finished)
        energy = energy_between(jobs, moment, later)
        idle = min(energy, IDLE_WATTS * PERIOD_SECONDS)
        busy = busy_ratio(
            1000 * (energy - idle), PERIOD_SECONDS, load_watts=BUSY_WATTS, idle_watts=IDLE_WATTS
        )
        for share in rule(older, newer, moment, later, busy):
            part = (energy - idle) * share.active_ratio + idle * share.held_ratio
            joules[int(share.owner.pod)] += part
        moment, older = later, newer
    truth = [energy_between(jobs, begin, stop) for begin, stop in jobs]
    return [got / true - 1 for got, true in zip(joules, truth, strict=True)]


def main() -> None:
    """Print mean and largest error by job length, layout and rule."""
    rules: dict[str, Rule] = {
        "newer answer's owner": newer_owner,
        "either answer's owner": either_owner,
        "either, with API times": with_times,
        "the same and the load": with_load,
    }
    print(f"{'layout':12s}{'job':>7s}  {'rule':24s}{'mean':>9s}{'p95 |e|':>9s}{'max |e|':>9s}")
    for layout in ("alone", "in a row"):
        for length in (20.0, 75.0, 600.0):
            for name, rule in rules.items():
                random.seed(20261122)
                errors: list[float] = []
                for _ in range(RUNS):
                    begin = 100 + random.random()
                    jobs = [(begin, begin + length + random.random() - 0.5)]
                    for _ in range(3 if layout == "in a row" else 0):
                        begin = jobs[-1][1] + 3 * random.random()
                        jobs.append((begin, begin + length + random.random() - 0.5))
                    errors += measure(jobs, rule)
                sizes = sorted(map(abs, errors))
                print(
                    f"{layout:12s}{length:5.0f} s  {name:24s}{statistics.mean(errors):+9.3%}"
                    f"{sizes[int(0.95 * len(sizes))]:9.3%}{sizes[-1]:9.3%}"
                )


if __name__ == "__main__":
    main()
