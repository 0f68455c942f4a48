"""Whether the 90 % interval of a run's prediction holds what came, and what carbontracker predicts.

    .venv/bin/python benchmarks/prediction/coverage.py --runs 2000

Runs of every kind are simulated: the length of the run, how much of it is finished, the noise and
the kind's own strength are drawn anew for each. The rows named `recorded` are real trainings, which
record.py writes into the files that `--recorded` names, each predicted from several of its epochs
on: by the CPU time of its epochs, and by the time that they took beside other programs. The
strength of the rule about strong noise was chosen with all but the unseen ones in view. With
`--runs 0` these are shown alone, and `--kinds` chooses among the simulated ones. Columns: share of
runs refused, share of predicted totals inside the interval, median half width and median error of
the total, and the median error of carbontracker's rule (planned epochs times the mean of the first
ones) from as many epochs and from the first one alone, which is its default. `textbook` is the
coverage of the t interval for independent, alike epochs (lowtide.metrics.scaling), at 95 %.
"""

import argparse
import csv
import random
from dataclasses import dataclass
from itertools import groupby
from math import exp, fsum, log, sqrt
from pathlib import Path
from statistics import median

from lowtide.metrics.scaling import predict_total
from lowtide.prediction.progress import NotPredicted, Progress, Step, Unit, joules_to_come
from lowtide.prediction.totals import expected_of, with_used

KINDS = (
    "alike",
    "cold",
    "resembling",
    "drift",
    "cold resembling",
    "cold drift",
    "resembling drift",
    "cold resembling drift",
)
SHAPES = (
    "long warm-up",
    "fading warm-up",
    "strong resemblance",
    "step seen",
    "jump seen",
    "alternating",
    "evaluation",
)
"""What other people's trainings look like: warm-ups of 2 to 8 epochs, neighbours that resemble one
another by 0.9, a step in the middle of what is finished and one anywhere in it but in its first or
last epoch, epochs of two lengths, and an evaluation with every second to sixth epoch."""
BEYOND = ("jump", "planned steps", "saturating", "heavy tails", "shared machine")
"""Kinds that no model of the method describes; on the last one other programs come and go."""
RECORDED = tuple(
    Path(__file__).parent / name
    for name in ("recorded.csv", "recorded_later.csv", "recorded_unseen.csv")
)


@dataclass
class Outcome:
    """One run's prediction beside what came; ratios of the actual total."""

    refused: bool
    held: bool = False
    half_width: float = 0.0
    error: float = 0.0
    textbook: bool = False
    rival: float = 0.0
    rival_first: float = 0.0


def simulated(kind, draw, count):
    """Return the joules of `count` epochs of a run of this kind."""
    noise = exp(draw.uniform(log(0.003), log(0.05)))
    phi = draw.uniform(0.3, 0.9) if "resembling" in kind else 0.0
    drift = draw.choice((-1, 1)) * draw.uniform(0.02, 0.4) if "drift" in kind else 0.0
    cold = draw.choice((1, 1, 1, -0.6)) * exp(draw.uniform(log(0.1), 0)) if "cold" in kind else 0.0
    fading = draw.uniform(0.2, 1.5)
    jump_at, jump = draw.uniform(0, count), draw.uniform(-0.2, 0.2)
    steps, carried = [], draw.gauss(0, 1)
    for index in range(count):
        if index:
            carried = phi * carried + sqrt(1 - phi**2) * draw.gauss(0, 1)
        level = 1 + drift * index / count + cold * exp(-index / fading)
        if kind == "jump" and index > jump_at:
            level += jump
        if kind == "saturating":
            level += 0.15 * (1 - exp(-5 * index / count))
        burst = draw.expovariate(1) * noise * 3 if kind == "heavy tails" else 0.0
        steps.append(1e5 * max(1e-3, level + noise * carried + burst))
    return steps


def shaped(kind, draw, count, finished):
    """Return the joules of `count` epochs of a run of this shape, of which so many are finished."""
    noise = exp(draw.uniform(log(0.003), log(0.05)))
    phi = 0.9 if kind == "strong resemblance" else 0.0
    warm, extra, every = draw.randint(2, 8), draw.uniform(0.1, 1.0), draw.randint(2, 6)
    offset = draw.randrange(every)
    step = draw.choice((-1, 1)) * draw.uniform(0.05, 0.5)
    jump_at = draw.randint(2, finished - 2) if kind == "jump seen" else 0
    level_of = {
        "long warm-up": lambda index: extra if index < warm else 0.0,
        "fading warm-up": lambda index: extra * exp(-index / warm),
        "step seen": lambda index: step if index >= finished // 2 else 0.0,
        "jump seen": lambda index: step if index >= jump_at else 0.0,
        "alternating": lambda index: 0.6 * extra * (index % 2),
        "evaluation": lambda index: extra * (index % every == offset),
        "planned steps": lambda index: -0.1 * min(3, 4 * index // count),
    }.get(kind, lambda index: 0.0)
    steps, carried = [], draw.gauss(0, 1)
    for index in range(count):
        if index:
            carried = phi * carried + sqrt(1 - phi**2) * draw.gauss(0, 1)
        steps.append(1e5 * max(1e-3, 1 + level_of(index) + noise * carried))
    return steps


def shared(draw, count):
    """Return the time of epochs that wait for other programs, which stay for 2 to 20 epochs."""
    noise, phi = exp(draw.uniform(log(0.05), log(0.4))), draw.uniform(0, 0.8)
    leaving, longer = 1 / draw.uniform(2, 20), draw.uniform(0.2, 1.5)
    is_busy, steps, carried = draw.random() < 0.5, [], draw.gauss(0, 1)
    for index in range(count):
        is_busy ^= draw.random() < leaving
        if index:
            carried = phi * carried + sqrt(1 - phi**2) * draw.gauss(0, 1)
        steps.append(1e5 * (1 + longer * is_busy) * exp(noise * carried))
    return steps


def carbontracker(planned, finished):
    """Return carbontracker's prediction, by its own function where it is installed."""
    try:
        from carbontracker.predictor import predict_energy
    except ImportError:
        return planned * fsum(finished) / len(finished)
    return float(predict_energy(planned, finished))


def judged(steps, finished):
    """Return how the prediction after `finished` epochs compares with all of them."""
    total, seen = fsum(steps), steps[:finished]
    progress = Progress(
        unit=Unit.EPOCHS,
        done=finished,
        planned=len(steps),
        steps=tuple(Step(1, 1, joules) for joules in seen),
    )
    ahead = joules_to_come(progress)
    if isinstance(ahead, NotPredicted):
        return Outcome(refused=True)
    found = with_used(expected_of(ahead), fsum(seen), fsum(seen))
    usual = predict_total(seen, planned=len(steps), unit="J").uncertainty
    return Outcome(
        refused=False,
        held=found.low <= total <= found.high,
        half_width=(found.high - found.low) / 2 / total,
        error=abs(found.expected / total - 1),
        textbook=usual.low <= total <= usual.high,
        rival=abs(carbontracker(len(steps), seen) / total - 1),
        rival_first=abs(carbontracker(len(steps), seen[:1]) / total - 1),
    )


def of_kind(kind, runs, seed):
    """Return the outcomes of simulated runs, from 5 to 30 finished epochs of up to ten times."""
    draw = random.Random(f"{kind} {seed}")
    outcomes = []
    for _ in range(runs):
        finished = draw.randint(5, 30)
        planned = max(finished + 1, round(finished * exp(draw.uniform(log(1.25), log(10)))))
        if kind in SHAPES or kind == "planned steps":
            steps = shaped(kind, draw, planned, finished)
        elif kind == "shared machine":
            steps = shared(draw, planned)
        else:
            steps = simulated(kind, draw, planned)
        outcomes.append(judged(steps, finished))
    return outcomes


def recorded(path, column):
    """Return the outcomes of the recorded trainings after 5, 8, 12 and 20 of their epochs."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return [
        judged([float(row[column]) for row in list(group)], finished)
        for finished in (5, 8, 12, 20)
        for _, group in groupby(rows, key=lambda row: row["run"])
    ]


def line(kind, outcomes):
    """Return a row of the table."""
    kept = [one for one in outcomes if not one.refused]
    columns = [len(outcomes), f"{100 * (1 - len(kept) / len(outcomes)):.1f} %"]
    columns += [
        f"{100 * sum(getattr(one, name) for one in kept) / len(kept):.1f} %"
        for name in ("held", "textbook")
    ]
    columns += [
        f"{100 * median(getattr(one, name) for one in kept):.1f} %"
        for name in ("half_width", "error", "rival", "rival_first")
    ]
    return f"| {kind} | " + " | ".join(map(str, columns)) + " |"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=[*KINDS, *SHAPES, *BEYOND])
    parser.add_argument("--recorded", type=Path, nargs="*", default=RECORDED)
    options = parser.parse_args()
    print(
        "| kind | runs | refused | held (90 %) | textbook (95 %) | half width | error |"
        " carbontracker | from 1 epoch |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in options.kinds if options.runs else ():
        print(line(kind, of_kind(kind, options.runs, options.seed)), flush=True)
    for path in options.recorded:
        if not path.exists():
            print(f"no recorded trainings: benchmarks/prediction/record.py {path}")
            continue
        name = path.stem.replace("_", " ")
        print(line(f"{name}, CPU time", recorded(path, "cpu_seconds")))
        print(line(f"{name}, time", recorded(path, "seconds")))


if __name__ == "__main__":
    main()
