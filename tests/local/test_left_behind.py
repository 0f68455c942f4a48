"""Processes that a measured command leaves behind, known exactly however short the command was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lowtide.local import process_tree
from lowtide.local.command import RunningCommand
from lowtide.local.measured_command import MeasuredCommand
from lowtide.local.process_tree import LivingProcess, ProcessTree
from lowtide.local.samples_file import SamplesWriter

pytestmark = pytest.mark.slow

STAYS = "sleep 1000 >/dev/null 2>&1"


@pytest.fixture
def pids(tmp_path):
    """File for the ids of processes; they are killed and waited for after the test."""
    path = tmp_path / "pids"
    yield path
    for pid in map(int, path.read_text().split() if path.exists() else ()):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def start(stand_in, tmp_path, pids):
    """Start a shell script as a measured command; `$0` is the file for ids."""
    _, environment = stand_in
    writer = SamplesWriter(tmp_path / "run.samples")

    def run(script: str) -> MeasuredCommand:
        command = ["sh", "-c", script, os.fspath(pids)]
        return MeasuredCommand(command, {**os.environ, **environment}, writer, 1)

    yield run
    writer.close()


def left_behind(measured: MeasuredCommand) -> list[str]:
    """Await the end, and return the notes about processes that go on."""
    while measured.ended_at is None:
        measured.step(60)
    measured.close()
    assert measured.exit_status == 0
    return [note.split(":")[0] for note in measured.notes if "has ended" in note]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"{STAYS} & echo $! >>$0", "1 of its processes goes on"),
        # Its parent ends at once, and it leads a session of its own.
        (f"setsid sh -c '({STAYS} & echo $! >>$0)' $0", "1 of its processes goes on"),
        (f"{STAYS} & echo $! >>$0; {STAYS} & echo $! >>$0", "2 of its processes go on"),
    ],
    ids=["in the background", "a daemon", "two"],
)
def test_what_a_command_leaves_behind_is_said_however_short_it_was(start, script, said):
    assert left_behind(start(script)) == [f"the command has ended and {said}"]


WAITS_FOR_NO_CHILD = """
import os, sys
child = os.fork()
if not child:
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
os.execlp("sleep", "sleep", "1000")
"""


def test_a_process_that_ended_and_was_not_waited_for_does_not_go_on(start, tmp_path):
    (tmp_path / "waits.py").write_text(WAITS_FOR_NO_CHILD)
    leaves = f"{sys.executable} {tmp_path}/waits.py $0 >/dev/null 2>&1 &"

    found = left_behind(start(f"{leaves} until test -s $0; do sleep 0.01; done"))

    assert found == ["the command has ended and 1 of its processes goes on"]


def test_orphans_that_end_are_waited_for(start):
    ends = "(true & echo $! >$0.orphan); while kill -0 $(cat $0.orphan) 2>/dev/null; do :; done"

    assert left_behind(start(ends)) == []


def test_a_process_that_was_there_before_is_not_left_behind(start):
    with subprocess.Popen(["sleep", "1000"]) as other:
        measured = start("exit 0")
        found = left_behind(measured)
        other.kill()

    assert found == []


def test_orphans_are_anothers_once_the_command_was_measured(start, pids):
    left_behind(start("exit 0"))

    subprocess.run(["sh", "-c", f"{STAYS} & echo $! >$0", f"{pids}.other"], check=True)

    other = int(Path(f"{pids}.other").read_text())
    status = Path(f"/proc/{other}/status").read_text()
    os.kill(other, signal.SIGKILL)
    assert f"PPid:\t{os.getpid()}\n" not in status


CHAIN = """
import os, sys
for _ in range(300):
    if os.fork():
        os._exit(0)
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
os.execvp("sleep", ["sleep", "1000"])
"""


def test_a_tree_whose_processes_end_as_soon_as_they_started_the_next_is_never_empty(pids):
    tree = ProcessTree(with_self=False)
    before = frozenset(tree.living())
    command = RunningCommand([sys.executable, "-c", CHAIN, os.fspath(pids)], os.environ)
    try:
        while not (pids.exists() and pids.read_text()):
            assert tree.living(before)
            command.wait(0)
        # The one before the last may still be about to end.
        while (living := {one.pid for one in tree.living(before)}) != {int(pids.read_text())}:
            assert living
            command.wait(0)
    finally:
        command.release()


def test_processes_that_ended_crowd_out_none_that_lives(monkeypatch):
    """Thousands of orphans may have ended and wait to be waited for."""
    monkeypatch.setattr(process_tree, "_PROCESSES_MAX", 5)
    tree = ProcessTree(with_self=False)
    before = frozenset(tree.living())
    with subprocess.Popen(["sleep", "1000"]) as oldest:
        ended = [subprocess.Popen(["true"]) for _ in range(20)]
        for one in ended:
            os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)

        living = tree.living(before)

        oldest.kill()
        for one in ended:
            one.wait()
    assert {process.pid for process in living} == {oldest.pid}


def states(processes: set[LivingProcess]) -> set[str]:
    """Return the states of processes; one that has ended meanwhile has none."""
    found = set()
    for process in processes:
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_text()
        except FileNotFoundError:
            continue
        found.add(stat.rpartition(")")[2].split()[0])
    return found


def test_a_freeze_reaches_what_is_started_while_it_is_made(start):
    tree = ProcessTree(with_self=False)
    before = frozenset(tree.living())
    measured = start("trap exit TERM; while :; do sh -c 'sleep 0.01 & :'; done")

    measured.send(signal.SIGSTOP)

    # A stop arrives a moment after it was sent. A shell that waits for a child to become another
    # program shows D and not T, and stays so as long as that child is stopped.
    while (frozen := tree.living(before)) and not {"T"} <= states(frozen) <= {"T", "D"}:
        pass
    measured.send(signal.SIGCONT)
    measured.send(signal.SIGTERM)
    left_behind(measured)
    assert frozen
