import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from lowtide_trainer.stop import StopRequest

LOOP = textwrap.dedent(
    """
    import select, sys
    from lowtide_trainer.stop import StopRequest
    with StopRequest() as stop:
        print("listening", flush=True)
        while not stop.requested or {endless}:
            # Python hears a signal between two calls, and perhaps never within one that blocks.
            while not select.select([sys.stdin], [], [], 0.05)[0]:
                pass
            sys.stdin.readline()
        print("saved", flush=True)
        sys.exit(75)
    """
)


def start(*, endless):
    """Start a loop that asks between two lines whether to stop, and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP.format(endless=endless)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "listening\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_batch_end_and_the_state_be_saved(number):
    """The loop goes on until it asks, then leaves by itself."""
    process = start(endless=False)

    process.send_signal(number)
    first_words = process.stderr.readline()
    out, _ = process.communicate("next\n", timeout=240)

    assert first_words == f"{number.name}: stopping after this batch\n"
    assert out == "saved\n"
    assert process.returncode == 75


def test_a_second_signal_ends_the_process_at_once():
    """A user who asks twice does not want to wait for a checkpoint."""
    process = start(endless=True)

    process.terminate()
    process.stderr.readline()
    process.terminate()
    out, rest = process.communicate(timeout=240)

    assert rest == "SIGTERM again: leaving at once, nothing more is saved\n"
    assert out == ""
    assert process.returncode == 143


def test_outside_the_main_thread_a_request_warns_and_training_goes_on(caplog):
    """Python delivers signals to the main thread only; that must not end a training."""
    found = []

    def train():
        with StopRequest() as stop:
            found.append(stop.requested)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join(timeout=240)

    assert found == [False]
    assert "signals cannot be heard outside the main thread" in caplog.text


GROUP = textwrap.dedent(
    """
    import os, signal
    from lowtide_trainer.stop import StopRequest
    reading, writing = os.pipe()
    with StopRequest() as stop:
        child = os.fork()
        if child == 0:
            os.write(writing, b"ready")
            signal.pause()
        os.read(reading, 5)
        os.killpg(0, signal.SIGTERM)
        print("requested", stop.requested)
        print("child", os.waitpid(child, os.WNOHANG)[0])
        os.kill(child, signal.SIGTERM)
        print("ended by", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
)


def test_a_signal_to_the_group_does_not_reach_forked_workers():
    """Torchrun signals the group; workers of a loader must outlive the checkpoint.

    The parent can still end them: they do not keep its handler.
    """
    result = subprocess.run(
        [sys.executable, "-c", GROUP],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        start_new_session=True,
    )

    assert result.stdout.splitlines() == ["requested True", "child 0", "ended by -15"]


def test_a_framework_that_fails_before_its_start_keeps_its_own_error():
    """A callback that was told of no start has no report to end."""
    from lowtide_trainer.callbacks.framework import FrameworkRun

    FrameworkRun(facts={}).fail(ValueError("of the framework"))
