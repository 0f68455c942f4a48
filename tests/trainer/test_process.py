"""The whole command as its own process, and the two real networks: slow, as torch is imported."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lowtide.names import EXIT_CODE_PAUSED
from lowtide.trainingjob.report import TrainingOutcome, parse_report

pytestmark = [pytest.mark.slow, pytest.mark.beside_cluster, pytest.mark.timeout(900)]


class Run:
    """`lowtide-trainer train` started with the environment of a pod."""

    def __init__(self, folder, **settings):
        folder.mkdir(exist_ok=True)
        self.report_path = folder / "message"
        self.checkpoints = folder / "checkpoints"
        environment = {
            "LOWTIDE_REPORT_PATH": str(self.report_path),
            "LOWTIDE_CHECKPOINT_DIR": str(self.checkpoints),
            "LOWTIDE_METRICS_PORT": "0",
            "LOWTIDE_THREADS": "1",
            **{f"LOWTIDE_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lowtide_trainer.main", "train"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, beginning):
        """Return the output up to the first line that begins so."""
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith(beginning):
                break
        return lines

    def wait_for_checkpoint(self):
        """Return once a first checkpoint is there: the epoch is then under way."""
        while not list(self.checkpoints.glob("checkpoint-*.pt")):
            assert self.process.poll() is None
            time.sleep(0.02)

    def end(self):
        """Wait for the process and return the rest of its output."""
        out, self.errors = self.process.communicate(timeout=600)
        return out.splitlines()

    @property
    def report(self):
        return parse_report(self.report_path.read_text()).report


def test_a_paused_process_goes_on_to_the_same_weights(tmp_path):
    """SIGTERM to the real process, a second one in its place: not one bit of difference."""
    settings = {"model": "tiny", "epochs": 3, "samples": 256, "seed": 5}
    whole = Run(tmp_path / "whole", **settings)
    expected = whole.end()[-1]

    first = Run(tmp_path / "paused", **settings)
    first.read_until("epoch 1/3")
    first.process.send_signal(signal.SIGTERM)
    first.end()
    paused = first.report
    second = Run(tmp_path / "paused", **settings)
    lines = second.end()

    assert first.process.returncode == EXIT_CODE_PAUSED
    where, stopped = first.errors.splitlines()
    assert where == f"lowtide: the report of this training is {first.report_path}"
    assert stopped == "SIGTERM: stopping after this batch"
    assert paused.outcome is TrainingOutcome.PAUSED
    assert second.process.returncode == whole.process.returncode == 0
    assert lines[1].startswith("resumed after ")
    assert lines[-1].rpartition(" ")[2] == expected.rpartition(" ")[2]
    assert second.report.resumed_samples == paused.samples
    assert second.report.samples == whole.report.samples == 768


@pytest.mark.parametrize("model", ["inceptionv3", "densenet121"])
def test_a_real_network_trains_and_resumes_exactly(tmp_path, model):
    """One short epoch of real images without any download, paused in its middle."""
    settings = {"model": model, "epochs": 1, "samples": 64, "validation_samples": 16}
    whole = Run(tmp_path / "whole", **settings)
    expected = whole.end()[-1]

    first = Run(tmp_path / "paused", checkpoint_seconds=0.001, **settings)
    first.wait_for_checkpoint()
    first.process.send_signal(signal.SIGTERM)
    first.end()
    second = Run(tmp_path / "paused", **settings)
    lines = second.end()

    assert first.process.returncode == EXIT_CODE_PAUSED
    assert whole.process.returncode == second.process.returncode == 0
    assert whole.errors == f"lowtide: the report of this training is {whole.report_path}\n"
    assert lines[-1].rpartition(" ")[2] == expected.rpartition(" ")[2]
    assert 0 < second.report.resumed_samples < 64
    assert whole.report.samples == second.report.samples == 64
    assert whole.report.parameters > 6_000_000


def test_the_digits_are_the_ones_that_scikit_learn_returns():
    """They are read from its file directly; the file must stay where it is and mean the same."""
    import numpy as np
    from sklearn.datasets import load_digits

    from lowtide_trainer.data import _read_digits

    table, digits = _read_digits(), load_digits()

    assert np.array_equal(table[:, :-1], digits.data)
    assert np.array_equal(table[:, -1], digits.target)
