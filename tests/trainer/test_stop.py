import signal
import subprocess
import sys
import textwrap

import pytest

LOOP = textwrap.dedent(
    """
    import sys
    from lowtide_trainer.stop import StopRequest
    with StopRequest() as stop:
        print("listening", flush=True)
        while not stop.requested or {endless}:
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
    out, _ = process.communicate("next\n", timeout=30)

    assert first_words == f"{number.name}: stopping after this batch\n"
    assert out == "saved\n"
    assert process.returncode == 75


def test_a_second_signal_ends_the_process_at_once():
    """Whoever asks twice does not want to wait for a checkpoint."""
    process = start(endless=True)

    process.terminate()
    process.stderr.readline()
    process.terminate()
    out, rest = process.communicate(timeout=30)

    assert rest == "SIGTERM again: leaving at once, nothing more is saved\n"
    assert out == ""
    assert process.returncode == 143
