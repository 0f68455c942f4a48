"""A job that rests twice while the grid is dirty, beside the same job that was left alone.

A day of the grid lasts minutes: three clean hours follow three dirty ones, again and again. How
long an hour lasts follows from how long the undisturbed run took on this machine, so the job needs
three clean stretches whatever the machine's speed. What the status says is compared with the
undisturbed run's weights, with the stand-in's closed form, and with figures that are computed here
from the replayed hours and the raw counters, by other means than the operator's.
"""

import csv
import itertools
import math
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import unlabelled
from clients import Kubectl
from demonstration import day, stage
from measured import Installed, energy_of, seconds_of, truth_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ALONE, PAUSED = "undisturbed", "paused"
CLEAN, DIRTY = 100.0, 400.0
STRETCH_HOURS = 3
HISTORY_HOURS = 16 * 24
FORECAST_BIAS = 20.0
"""The forecast is never quite what happens, so a figure that was made with it shows."""
SLOT_SHARE = 0.12
"""An hour as a share of the undisturbed run: two clean stretches do not hold it, also if the paused
run is a quarter faster, because the machine is less busy than it was."""
RESTART_SHARE = 0.12
DEADLINE_HOURS = 34
"""Room for a run that is slower by half."""
HIGH_RATIO = 1.2
RESERVE_SECONDS = 10
"""Start latency and margin of the demo's settings."""
LOOK_SECONDS = 3
"""Longest time from a decision to its effect on the cluster that the guard is granted here."""
TOLERANCE = 0.005
EDGE_SECONDS = 1.0
"""Edges of attempts are whole seconds, as Kubernetes stores times; an hour lasts about four."""
LIMIT_SECONDS = 600
EPOCHS = 13


@dataclass(frozen=True, slots=True)
class Paused:
    """The paused job when everything about it is known, and what it is compared with."""

    job: dict[str, Any]
    weights: str
    undisturbed_weights: str
    undisturbed_seconds: float
    restart_seconds: int
    story: list[str]
    truth_joules: float
    pieces: list[list[tuple[float, float, float]]]
    """Energy in time of each attempt, as `energy_of` returns it."""
    begun: float
    slot_seconds: int
    hours: list[float]
    """Actual intensity from `begun` on."""

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.job["status"])

    @property
    def attempts(self) -> list[dict[str, Any]]:
        return list(self.status["attempts"])

    @property
    def created(self) -> float:
        return seconds_of(self.job["metadata"]["creationTimestamp"])

    @property
    def deadline(self) -> float:
        return seconds_of(self.job["spec"]["schedule"]["deadline"])

    @property
    def edge_joules(self) -> float:
        """Energy of the time by which an edge of an attempt is uncertain."""
        return EDGE_SECONDS * self.truth_joules / ran_seconds(self.job)

    @property
    def edge_grams(self) -> float:
        """What that energy changes if it is taken for clean instead of dirty."""
        return self.edge_joules / 3.6e6 * (DIRTY - CLEAN)

    def intensity(self, moment: float) -> float:
        """Return what the grid emitted at a Unix time, in g/kWh."""
        return self.hours[int((moment - self.begun) // self.slot_seconds)]

    def grams(self, pieces: list[tuple[float, float, float]]) -> float:
        """Return the emissions of energy in time, in steps of a hundredth of a second."""
        total = 0.0
        for start, end, joules in pieces:
            steps = max(1, round((end - start) * 100))
            width = (end - start) / steps
            share = joules / steps / 3.6e6
            total += sum(share * self.intensity(start + (k + 0.5) * width) for k in range(steps))
        return total

    def least_seconds_times_intensity(self, work: int) -> float:
        """Return the least sum of intensity over the seconds of a run inside the job's window.

        Every second of the window runs or rests; a run that goes on after a rest repeats
        `restart_seconds`. From the last second backwards, by work left and by what the second
        before did.
        """
        window = int(self.deadline - RESERVE_SECONDS - self.created)
        most = work + window
        running = [0.0] + [math.inf] * most
        resting, fresh = list(running), math.inf
        for second in reversed(range(window)):
            price = self.intensity(self.created + second + 0.5)
            one = [0.0] + [price + running[left - 1] for left in range(1, most + 1)]
            again = [
                price + running[min(most, left + self.restart_seconds) - 1] if left else 0.0
                for left in range(most + 1)
            ]
            fresh = min(fresh, price + running[work - 1])
            running, resting = (
                [min(a, b) for a, b in zip(one, resting, strict=True)],
                [min(a, b) for a, b in zip(again, resting, strict=True)],
            )
        return fresh

    def at_submission(self) -> list[tuple[float, float, float]]:
        """Return the energy in time of the run placed at submission, pauses and resumes left out.

        Second by second of what is left, one after another from the job's creation on.
        """
        moved: list[tuple[float, float, float]] = []
        elapsed = 0.0
        for number, (attempt, pieces) in enumerate(zip(self.attempts, self.pieces, strict=True)):
            first = min(start for start, _, _ in pieces)
            if number:
                first = max(first, seconds_of(attempt["start"]) + self.restart_seconds)
            last = max(end for _, end, _ in pieces)
            for start, end, joules in pieces:
                kept = max(start, first)
                if kept < end:
                    shift = self.created + elapsed - first
                    moved.append((kept + shift, end + shift, joules * (end - kept) / (end - start)))
            elapsed += last - first
        return moved


def ran_seconds(job: dict[str, Any]) -> float:
    """Return for how long a finished job ran, pauses excluded."""
    return sum(seconds_of(a["end"]) - seconds_of(a["start"]) for a in job["status"]["attempts"])


@pytest.fixture(scope="module")
def installed(kept_release: Installed) -> Installed:
    """The release that other modules use too."""
    return kept_release


@pytest.fixture(scope="module")
def paused(
    installed: Installed,
    kubectl: Kubectl,
    tmp_path_factory: pytest.TempPathFactory,
    unlabelled_team: unlabelled.Team,
) -> Paused:
    """Train once undisturbed and once through the waves; return when all is known."""
    on, inside = installed.on, kubectl.within(stage.NAMESPACE)
    on.apply(manifest(installed, ALONE, {"policy": "Immediate"}))
    undisturbed = once(inside, ALONE, lambda status: holds(status, "Complete"))
    took = ran_seconds(undisturbed)
    slot, restart = round(SLOT_SHARE * took), round(RESTART_SHARE * took)
    trace = tmp_path_factory.mktemp("waves") / "waves.csv"
    first, hours = write_waves(trace)
    replay = day.begin(on.layout, on.python, trace=trace, start=first, slot_seconds=slot)
    day.await_forecast()
    unlabelled_team.begin(installed)  # for the module that follows: this job rests meanwhile
    deadline = datetime.now(UTC) + timedelta(seconds=DEADLINE_HOURS * slot)
    schedule = {
        "deadline": deadline.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expectedDurationSeconds": round(took),
        "interruption": {"allowed": True, "restartCostSeconds": restart},
    }
    on.apply(manifest(installed, PAUSED, schedule))
    job = once(inside, PAUSED, lambda status: "reachPercent" in status.get("counterfactual", {}))
    events = [
        event
        for event in inside.json("get", "events.events.k8s.io")["items"]
        if event["regarding"].get("uid") == job["metadata"]["uid"]
    ]
    return Paused(
        job=job,
        weights=weights_of(inside, job),
        undisturbed_weights=weights_of(inside, undisturbed),
        undisturbed_seconds=took,
        restart_seconds=restart,
        story=[event["reason"] for event in sorted(events, key=lambda event: event["eventTime"])],
        truth_joules=truth_of(job, installed.truth),
        pieces=[
            [piece for pod in attempt["pods"] for piece in energy_of(pod)]
            for attempt in job["status"]["attempts"]
        ],
        begun=replay.begun.timestamp(),
        slot_seconds=slot,
        hours=hours,
    )


def once(inside: Kubectl, name: str, is_ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return a TrainingJob once its status is as asked; a failed one is reported at once."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        job: dict[str, Any] = inside.json("get", "trainingjob", name)
        status = job.get("status") or {}
        if is_ready(status):
            return job
        assert not holds(status, "Failed"), inside("logs", f"job/{name}-1")
        time.sleep(1)
    raise AssertionError(f"{name} is not ready after {LIMIT_SECONDS} s: {status}")


def holds(status: dict[str, Any], kind: str) -> bool:
    found = [c for c in status.get("conditions", ()) if c["type"] == kind]
    return bool(found) and found[0]["status"] == "True"


def write_waves(file: Path) -> tuple[str, list[float]]:
    """Write hours that are dirty and clean by turns; return the first to replay, and from there.

    The replay begins with three dirty hours.
    """
    begin = datetime(2021, 1, 1, tzinfo=UTC)
    waves = itertools.cycle([DIRTY] * STRETCH_HOURS + [CLEAN] * STRETCH_HOURS)
    values = list(itertools.islice(waves, HISTORY_HOURS + 10 * 24))
    with file.open("w", encoding="utf-8", newline="") as rows:
        writer = csv.writer(rows)
        writer.writerow(["time", "g_per_kwh", "forecast"])
        for hour, value in enumerate(values):
            moment = begin + timedelta(hours=hour)
            writer.writerow([f"{moment:%Y-%m-%dT%H:%M:%SZ}", value, value + FORECAST_BIAS])
    start = begin + timedelta(hours=HISTORY_HOURS)
    return f"{start:%Y-%m-%dT%H:%MZ}", values[HISTORY_HOURS:]


def manifest(installed: Installed, name: str, schedule: dict[str, Any]) -> dict[str, Any]:
    """Return a TrainingJob with a checkpoint directory on the node; both belong to one series."""
    checkpoints = installed.on.layout.state / "checkpoints" / name
    # On a cluster that outlives a run of the tests there are those of the run before.
    shutil.rmtree(checkpoints, ignore_errors=True)
    checkpoints.mkdir(parents=True)
    checkpoints.chmod(0o777)
    container = {
        "name": "trainer",
        "args": [
            "train", "--model", "tiny", "--epochs", str(EPOCHS), "--threads", "1",
            "--image-size", "128", "--checkpoint-dir", "/checkpoints",
        ],
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": 1},
            "limits": {"memory": "3Gi", "nvidia.com/gpu": 1},
        },
        "volumeMounts": [{"name": "checkpoints", "mountPath": "/checkpoints"}],
    }  # fmt: skip
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "containers": [container],
        "volumes": [{"name": "checkpoints", "hostPath": {"path": str(checkpoints)}}],
    }
    stage.lend_torch(pod, installed.built["trainer"])
    return {
        "apiVersion": "lowtide.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": stage.NAMESPACE},
        "spec": {
            "schedule": schedule,
            "metrics": {"series": "waves"},
            "template": {
                "spec": {
                    "template": {
                        "metadata": {"annotations": stage.scraped(9401)},
                        "spec": pod,
                    }
                }
            },
        },
    }


def weights_of(inside: Kubectl, job: dict[str, Any]) -> str:
    """Return the fingerprint of the final weights that the last pod of a job printed."""
    pod = job["status"]["attempts"][-1]["pods"][-1]["name"]
    found = re.search(r"weights sha256:([0-9a-f]{16})", inside("logs", pod))
    assert found is not None
    return found[1]


def test_job_rested_at_least_twice_and_went_on(paused: Paused) -> None:
    """Every pause is an attempt of its own, told by Events, and the last one completes."""
    outcomes = [attempt["outcome"] for attempt in paused.attempts]

    assert len(outcomes) >= 3
    assert outcomes == ["Paused"] * (len(outcomes) - 1) + ["Complete"]
    assert paused.story.count("Paused") == paused.story.count("Resumed") == len(outcomes) - 1
    assert paused.status["plan"]["durationSource"] == "Declared"


def test_weights_are_those_of_the_undisturbed_run(paused: Paused) -> None:
    """Stopping at any batch and going on changes not one bit."""
    assert paused.weights == paused.undisturbed_weights


def test_energy_is_that_of_all_attempts_and_the_truth_of_the_stand_in(paused: Paused) -> None:
    """Every attempt is listed with its joules, and together they are the closed form."""
    energy = paused.status["energy"]
    each = [attempt["energyJoules"] for attempt in paused.attempts]

    assert min(each) > 0
    assert energy["final"] is True
    assert sum(each) == pytest.approx(energy["totalJoules"], abs=len(each))
    assert energy["totalJoules"] == pytest.approx(paused.truth_joules, rel=TOLERANCE)


def test_emissions_are_the_counters_times_the_replayed_hours(paused: Paused) -> None:
    """Recomputed from raw counters and the trace, attempt by attempt and as a whole."""
    carbon = paused.status["carbon"]
    each = [paused.grams(pieces) for pieces in paused.pieces]

    assert float(carbon["operationalGrams"]) == pytest.approx(
        sum(each), rel=TOLERANCE, abs=len(each) * paused.edge_grams
    )
    assert [float(a["operationalGrams"]) for a in paused.attempts] == [
        pytest.approx(grams, rel=TOLERANCE, abs=paused.edge_grams) for grams in each
    ]
    assert carbon["provisional"] is False


def test_counterfactual_is_the_same_run_at_submission_without_its_resumes(paused: Paused) -> None:
    """Recomputed from raw counters and the trace; what resuming used is not in it."""
    account = paused.status["counterfactual"]
    moved = paused.at_submission()
    run_now = paused.grams(moved)
    restarts = paused.truth_joules - sum(joules for _, _, joules in moved)

    uncertain = len(paused.attempts) * paused.edge_grams

    assert float(account["runNowGrams"]) == pytest.approx(run_now, rel=TOLERANCE, abs=uncertain)
    emitted = sum(paused.grams(pieces) for pieces in paused.pieces)
    assert float(account["avoidedGrams"]) == pytest.approx(
        run_now - emitted, rel=3 * TOLERANCE, abs=2 * uncertain
    )
    assert float(account["avoidedGrams"]) > 0
    assert account["restartJoules"] == pytest.approx(
        restarts,
        abs=2 * TOLERANCE * paused.truth_joules + len(paused.attempts) * paused.edge_joules,
    )


def test_best_possible_run_is_told_after_the_deadline(paused: Paused) -> None:
    """No run does better second by second, and hour by hour none should do much worse.

    The least is computed at mean power. A process that loads draws less than that, so a run whose
    resumes were cheap may lie below it, and then is the best possible itself.
    """
    account = paused.status["counterfactual"]
    resumes = (len(paused.attempts) - 1) * paused.restart_seconds
    seconds = ran_seconds(paused.job) - resumes
    net_joules = paused.status["energy"]["totalJoules"] - account["restartJoules"]
    least = net_joules / seconds / 3.6e6 * paused.least_seconds_times_intensity(round(seconds))
    run_now = float(account["runNowGrams"])
    emitted = float(paused.status["carbon"]["operationalGrams"])
    best = float(account["clairvoyantGrams"])

    assert 0.97 * min(least, emitted) <= best <= 1.25 * least
    assert best <= min(emitted, run_now)
    assert float(account["reachPercent"]) == pytest.approx(
        100 * (run_now - emitted) / (run_now - best), abs=0.1
    )
    assert 0 < float(account["reachPercent"]) <= 100


def test_job_never_rested_past_its_latest_start(paused: Paused) -> None:
    """At every resume the 90th percentile of what was left still fitted before the deadline.

    Whether the job then ends in time is up to the machine: a run that takes longer than that
    percentile ends late, as it would without the operator.
    """
    high = HIGH_RATIO * paused.undisturbed_seconds
    worked = 0.0
    for number, attempt in enumerate(paused.attempts):
        start, end = seconds_of(attempt["start"]), seconds_of(attempt["end"])
        resume = paused.restart_seconds if number else 0
        latest = paused.deadline - (high - worked) - resume - RESERVE_SECONDS
        assert start <= latest + LOOK_SECONDS
        worked += end - start - resume
