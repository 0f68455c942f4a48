"""`lowtide-trainer exec`, as the process that it is; none of these programs needs torch."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from lowtide.trainingjob.report import TrainingOutcome, parse_report

pytestmark = pytest.mark.slow

KNOWING = textwrap.dedent(
    """
    import sys, time
    import lowtide_trainer
    from lowtide_trainer.attempt import TrainingAttempt
    from lowtide_trainer.session import TrainingRun

    class Counter:
        def state_dict(self): return {}
        def load_state_dict(self, state): pass

    class Saver:
        save_seconds = 0
        def __getattr__(self, name): return lambda *arguments: None

    run = TrainingRun(TrainingAttempt(facts={"model": "mine"}), epochs=1000)
    with run:
        run._saver = None if "lose" in sys.argv else Saver()
        if run._saver: run._saver.start_pass = lambda loader: (iter(loader), 0)
        if run._saver: run._saver.skips_pass = lambda: False
        print("listening", flush=True)
        if "crash" in sys.argv:
            import os; os.kill(os.getpid(), 9)
        for _ in run.epochs():
            for batch in run.batches([[1, 2]] * 5):
                time.sleep(0.01)
    """
)


class Wrapped:
    """A command under `lowtide-trainer exec`."""

    def __init__(self, folder, *command):
        self.report_path = folder / "report.json"
        environment = {"LOWTIDE_REPORT_PATH": str(self.report_path), "LOWTIDE_METRICS_PORT": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lowtide_trainer.main", "exec", "--", *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self):
        """Wait for the end and return the exit code."""
        self.out, self.errors = self.process.communicate(timeout=240)
        return self.process.returncode

    @property
    def report(self):
        return parse_report(self.report_path.read_text()).report


@pytest.fixture
def knowing(tmp_path):
    """A program that reports through Lowtide and pauses when told to."""
    path = tmp_path / "train.py"
    path.write_text(KNOWING)
    return str(path)


@pytest.mark.parametrize("status", [0, 1, 3, 75, 143])
def test_the_status_of_the_command_is_passed_on(tmp_path, status):
    """Kubernetes judges the pod by it."""
    wrapped = Wrapped(tmp_path, "sh", "-c", f"exit {status}")

    assert wrapped.end() == status


def test_a_program_that_knows_nothing_of_lowtide_gets_a_report(tmp_path):
    """Its time and its ending."""
    wrapped = Wrapped(tmp_path, "sh", "-c", "exit 3")
    wrapped.end()

    report = wrapped.report
    assert report.outcome is TrainingOutcome.FAILED
    assert report.error == "the command ended with status 3"
    assert report.started_at is not None
    assert report.training_seconds > 0


def test_a_command_killed_for_memory_is_named(tmp_path):
    """Killed without warning, it cannot say so itself."""
    wrapped = Wrapped(tmp_path, "sh", "-c", "kill -9 $$")

    assert wrapped.end() == 137
    assert wrapped.report.error == (
        "the command was killed by SIGKILL, as a container over its memory limit is"
    )


@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        pytest.param(["pyhton"], 127, "command 'pyhton' was not found", id="misspelt"),
        pytest.param(["/etc/passwd"], 126, "command '/etc/passwd' cannot be started: "
                     "Permission denied", id="no program"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_started_is_named(tmp_path, command, status, sentence):
    """The exit code is the shell's own, and the report says the same."""
    wrapped = Wrapped(tmp_path, *command)

    assert wrapped.end() == status
    assert wrapped.report.error == sentence
    assert f"error: {sentence}" in wrapped.errors


def test_no_command_is_wrong_use(tmp_path):
    """The sentence shows what would be right."""
    wrapped = Wrapped(tmp_path)

    assert wrapped.end() == 2
    assert "exec needs a command: lowtide-trainer exec -- python train.py" in wrapped.errors


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param("{python} {program}", id="direct"),
        pytest.param("sh -c '{python} {program}; exit $?'", id="a shell"),
        pytest.param("bash -c '{python} {program} || exit 1'", id="a launcher that exits with 1"),
        pytest.param("sh -c 'bash -c \"{python} {program}; exit 1\"; exit 9'", id="two of them"),
    ],
)
def test_a_saved_training_pauses_through_anything_that_stands_before_it(tmp_path, knowing, shape):
    """The signal reaches the training, and its 75 the kubelet."""
    command = shape.format(python=sys.executable, program=knowing)
    wrapped = Wrapped(tmp_path, "sh", "-c", command)
    assert wrapped.process.stdout.readline() == "listening\n"

    wrapped.process.terminate()

    assert wrapped.end() == 75
    assert wrapped.report.outcome is TrainingOutcome.PAUSED
    assert wrapped.errors.count("SIGTERM: stopping after this batch") == 1


def test_a_training_that_saved_nothing_is_not_paused(tmp_path, knowing):
    """It was told to stop; its status says so, and the report why its work is lost."""
    wrapped = Wrapped(tmp_path, "sh", "-c", f"{sys.executable} {knowing} lose; exit $?")
    assert wrapped.process.stdout.readline() == "listening\n"

    wrapped.process.terminate()

    assert wrapped.end() == 143
    assert "saves no checkpoints, so its work is lost" in wrapped.report.error


def test_a_training_that_crashed_beside_a_note_is_failed(tmp_path, knowing):
    """Its own last report says that it runs; the wrapper knows better and keeps the figures."""
    wrapped = Wrapped(tmp_path, sys.executable, knowing, "crash")

    assert wrapped.end() == 137
    assert wrapped.report.outcome is TrainingOutcome.FAILED
    assert wrapped.report.model == "mine"
    assert "killed by SIGKILL" in wrapped.report.error


def test_a_shell_with_a_trap_gets_the_signal_itself(tmp_path):
    """A script that handles signals knows what it does."""
    script = "trap 'echo trapped; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    wrapped = Wrapped(tmp_path, "bash", "-c", script)
    assert wrapped.process.stdout.readline() == "ready\n"

    wrapped.process.terminate()

    assert wrapped.end() == 5
    assert wrapped.out == "trapped\n"


def test_a_signal_that_comes_while_the_command_starts_is_passed_on(tmp_path):
    """Its first words are the signal: the wrapper may still be busy with the start."""
    script = "trap 'exit 5' TERM; kill -TERM $PPID; while :; do sleep 0.05; done"

    assert [Wrapped(tmp_path, "bash", "-c", script).end() for _ in range(3)] == [5] * 3


def test_other_signals_reach_the_command(tmp_path):
    """Programs dump their state on SIGUSR1, and the wrapper must not keep it."""
    program = (
        "import signal; wanted = {signal.SIGUSR1}; "
        "signal.pthread_sigmask(signal.SIG_BLOCK, wanted); print('ready', flush=True); "
        "print(signal.Signals(signal.sigwait(wanted)).name)"
    )
    wrapped = Wrapped(tmp_path, sys.executable, "-c", program)
    assert wrapped.process.stdout.readline() == "ready\n"

    wrapped.process.send_signal(signal.SIGUSR1)

    assert wrapped.end() == 0
    assert wrapped.out == "SIGUSR1\n"


def test_a_report_that_cannot_be_written_does_not_stop_the_command(tmp_path):
    """One sentence on standard error, and the command's own status."""
    environment = {**os.environ, "LOWTIDE_REPORT_PATH": str(tmp_path / "missing" / "report")}
    result = subprocess.run(
        [sys.executable, "-m", "lowtide_trainer.main", "exec", "--", "sh", "-c", "exit 4"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert result.returncode == 4
    assert "the report cannot be written: [Errno 2]" in result.stderr


def test_notes_of_a_round_that_crashed_do_not_hide_a_pause(tmp_path):
    """Torchrun starts all ranks again after a crash; the last round decides."""
    from lowtide_trainer.notes import is_paused, read_notes

    for pid, stage in ((1, "Ended"), (2, "Paused"), (3, "Paused")):
        note = {"pid": pid, "stage": stage, "processes": 2}
        (tmp_path / f"{pid}.json").write_text(json.dumps(note))

    assert is_paused(read_notes(tmp_path))


def test_one_rank_that_saved_is_no_pause_of_two(tmp_path):
    """The other one crashed before it listened."""
    from lowtide_trainer.notes import is_paused, read_notes

    (tmp_path / "2.json").write_text(json.dumps({"pid": 2, "stage": "Paused", "processes": 2}))

    assert not is_paused(read_notes(tmp_path))
