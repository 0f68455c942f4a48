"""`lowtide run` that rests at dirty hours of a replayed day; its minutes are real ones."""

import json
import sys
import time
from pathlib import Path

import pytest
from standins.replays import replay

pytestmark = [pytest.mark.slow, pytest.mark.waits]

TRAINING = """
import json, pathlib, signal, sys, time
state = pathlib.Path("state")
done = int(state.read_text()) if state.exists() else 0
def stop(*_):
    state.write_text(str(done))
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
while done < int(sys.argv[1]):
    time.sleep(0.1)
    done += 1
print("steps", done)
"""


def seconds_of_a_run(lowtide, tmp_path: Path) -> float:
    """Return how long a run of nothing takes on this machine, as busy as it is now."""
    options = [*replay(tmp_path, [100.0] * 48, speed=1), "--max-delay", "0s"]
    began = time.monotonic()
    assert lowtide("run", "--name", "trial", *options, "--", "true").returncode == 0
    return time.monotonic() - began


@pytest.mark.parametrize("way", ["--interruptible", "--freeze"])
def test_a_run_rests_at_dirty_hours_and_its_energy_is_the_sum_of_its_attempts(runs, tmp_path, way):
    _, _, lowtide = runs
    (tmp_path / "train.py").write_text(TRAINING)
    # An hour is 2.4 s, or longer where a process takes that long to come and go: the run takes four
    # hours, and no clean stretch is as long.
    hour = max(2.4, min(4.8, 2 * seconds_of_a_run(lowtide, tmp_path)))
    grams = [600.0] * 5 + [100.0] * 3 + [600.0] * 4 + [100.0] * 3 + [600.0] * 40
    options = [*replay(tmp_path, grams, speed=3600 / hour), "--restart-cost", "0s", way]
    options += ["--expected-duration", f"{4.2 * hour:.0f}s", "--max-delay", f"{21 * hour:.0f}s"]
    steps = str(round(37.5 * hour))

    done = lowtide(
        *("run", "--name", "net", *options, "--output", "json"),
        *("--", sys.executable, "train.py", steps),
    )

    assert done.returncode == 0, done.stderr
    own, said = done.stdout.splitlines()
    assert own == f"steps {steps}"
    status = json.loads(said)["status"]
    joules = [attempt["energyJoules"] for attempt in status["attempts"]]
    assert sum(joules) == pytest.approx(status["energy"]["totalJoules"], abs=2)
    if way == "--interruptible":
        outcomes = [attempt["outcome"] for attempt in status["attempts"]]
        assert outcomes[:-1] == ["Paused"] * (len(outcomes) - 1)
        assert len(outcomes) >= 2
    else:
        assert "while it was frozen it drew" in done.stderr
