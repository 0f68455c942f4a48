"""A measured command: its exit status, its signals, what it leaves behind."""

import os
import signal
import subprocess
import sys

import pytest

from lowtide.local.command import CommandError
from lowtide.local.measured_command import MeasuredCommand
from lowtide.local.samples_file import SamplesWriter, read_samples


@pytest.fixture
def start(stand_in, tmp_path):
    """Start a measured command; its samples go to `run.samples`."""
    _, environment = stand_in
    writer = SamplesWriter(tmp_path / "run.samples")

    def run(*command: str) -> MeasuredCommand:
        return MeasuredCommand(command, {**os.environ, **environment}, writer, 1)

    yield run
    writer.close()


def ended(measured: MeasuredCommand) -> int | None:
    while measured.ended_at is None:
        measured.step(60)
    measured.close()
    return measured.exit_status


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 3", 3),
        ("kill -KILL $$", 137),
        pytest.param("exit 0", 0, marks=pytest.mark.slow),
        pytest.param("kill -TERM $$", 143, marks=pytest.mark.slow),
    ],
)
def test_the_exit_status_is_that_of_a_shell(start, tmp_path, script, status):
    assert ended(start("sh", "-c", script)) == status
    (attempt,) = read_samples(tmp_path / "run.samples")
    assert attempt.exit_status == status


def test_a_command_that_does_not_exist_is_said_as_a_shell_says_it(start):
    with pytest.raises(CommandError, match=r"^no-such-command-here: command not found$") as error:
        start("no-such-command-here")
    assert error.value.exit_status == 127


def test_a_file_that_may_not_be_executed_ends_with_126(start, tmp_path):
    (tmp_path / "plain").write_text("text")

    with pytest.raises(CommandError, match="cannot be executed") as error:
        start(str(tmp_path / "plain"))
    assert error.value.exit_status == 126


def test_signals_of_this_program_are_as_before_when_the_command_could_not_start(start):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(CommandError):
        start("no-such-command-here")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_a_signal_is_handed_on_to_the_command(stand_in, tmp_path):
    _, environment = stand_in
    # A process of its own, because a signal reaches any thread of a process.
    program = f"""
import os
from pathlib import Path
from lowtide.local.measured_command import MeasuredCommand
from lowtide.local.samples_file import SamplesWriter
script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done"
writer = SamplesWriter(Path({os.fspath(tmp_path / "run.samples")!r}))
measured = MeasuredCommand(["sh", "-c", script], dict(os.environ), writer, 1)
while measured.ended_at is None:
    measured.step(60)
raise SystemExit(measured.exit_status)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 9


def test_a_command_gets_its_signals_as_it_would_without_us(start, tmp_path):
    out = tmp_path / "out"
    script = f"grep -E 'SigBlk|SigIgn' /proc/self/status > {out}"

    assert ended(start("sh", "-c", script)) == 0

    blocked, ignored = (int(line.split()[1], 16) for line in out.read_text().splitlines())
    assert blocked == 0
    assert not ignored & (1 << (signal.SIGPIPE - 1))
