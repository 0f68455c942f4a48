"""A machine whose time stands still unless a test moves it: real pynvml on the stand-in."""

import os
import subprocess
from pathlib import Path

import pytest
from standins.nvml.build import build_library
from standins.nvml.control import Control, Truth
from standins.replays import LOWTIDE

from lowtide.local.process_tree import ProcessTree
from lowtide.local.run_meters import RunMeters
from lowtide.local.store import RunStore

START = 100.0


class Machine:
    """A machine with stand-in GPUs, and the meters of one run on it."""

    def __init__(
        self,
        control: Control,
        truth: Truth,
        environment: dict[str, str],
        procfs: str,
        *,
        with_self: bool = True,
    ):
        self.control, self.truth = control, truth
        self.now = START
        control.set_clock(self.now)
        self.meters = RunMeters(
            environment,
            ProcessTree(with_self=with_self),
            procfs=procfs,
            pause=self.pass_time,
        )

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.control.set_clock(self.now)

    def run(self, seconds: float, interval: float = 1.0) -> float:
        """Measure a run of this length and return the joules in the books."""
        self.begin()
        self.go_on(seconds - (self.now - self.began), interval)
        return self.end()

    def begin(self) -> None:
        self.meters.begin(self.now)
        self.began = self.now
        self.meters.settle_start(lambda: self.now, self.began)

    def go_on(self, seconds: float, interval: float = 1.0) -> None:
        until = self.now + seconds
        while self.now + interval < until:
            self.pass_time(interval)
            self.meters.read(self.now)
        self.pass_time(until - self.now)

    def end(self) -> float:
        self.ended = self.now
        self.meters.end(self.ended, lambda: self.now)
        return self.joules

    @property
    def joules(self) -> float:
        return sum(self.meters.books.millijoules.values()) / 1000

    def true_joules(self, gpu: int = 0) -> float:
        return self.truth.joules(self.control.gpu(gpu), self.began, self.ended)


@pytest.fixture(scope="session")
def nvml_library() -> Path:
    """The compiled stand-in library."""
    return build_library()


@pytest.fixture
def stand_in(nvml_library, tmp_path, monkeypatch):
    """Environment of a program whose NVML is the stand-in, with its control: one GPU, 300 W."""
    path = tmp_path / "nvml.state"
    control = Control.create(path, gpus=1)
    gpu = control.gpu(0)
    gpu.high_watts = gpu.mid_watts = gpu.low_watts = 300
    del gpu  # a control with fields in use cannot be closed
    environment = {
        "LOWTIDE_MOCK_STATE": os.fspath(path),
        "LOWTIDE_NVML_LIBRARY": os.fspath(nvml_library),
        "LOWTIDE_ALLOW_MOCK": "1",
        "LOWTIDE_SYSFS": os.fspath(tmp_path / "sys"),
        "XDG_DATA_HOME": os.fspath(tmp_path / "data"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield control, environment
    control.close()


@pytest.fixture
def runs(stand_in, tmp_path):
    """Environment, store and a start of `lowtide` on the stand-in."""
    _, environment = stand_in
    known = {**os.environ, **environment}
    store = RunStore(tmp_path / "data" / "lowtide" / "runs")

    def lowtide(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*LOWTIDE, *arguments],
            env=known,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=200,
        )

    return known, store, lowtide


@pytest.fixture
def make_machine(nvml_library, tmp_path, monkeypatch):
    """Make a machine with some GPUs."""
    made: list[Machine] = []

    def make(gpus: int = 1, *, with_self: bool = True, **environment: str) -> Machine:
        path = tmp_path / "state"
        control = Control.create(path, gpus)
        monkeypatch.setenv("LOWTIDE_MOCK_STATE", os.fspath(path))
        known = {
            "LOWTIDE_NVML_LIBRARY": os.fspath(nvml_library),
            "LOWTIDE_ALLOW_MOCK": "1",
            "LOWTIDE_SYSFS": os.fspath(tmp_path / "sys"),
        }
        machine = Machine(
            control,
            Truth(nvml_library),
            {**known, **environment},
            "/proc",
            with_self=with_self,
        )
        made.append(machine)
        return machine

    yield make
    for machine in made:
        machine.meters.close()
        machine.control.close()
