"""Energy of a run beside the truth of the stand-in, in virtual time."""

import os
import subprocess
import sys

import pytest
from standins.nvml.control import gpu_uuid


@pytest.mark.parametrize(("seconds", "allowed_ratio"), [(5.0, 0.005), (5.37, 0.005), (75.0, 0.001)])
@pytest.mark.parametrize("phase", [0.0, 0.013, 0.071])
def test_a_run_has_the_energy_that_its_gpu_drew(make_machine, seconds, allowed_ratio, phase):
    machine = make_machine()
    machine.pass_time(phase)

    counted = machine.run(seconds)

    assert counted == pytest.approx(machine.true_joules(), rel=allowed_ratio)


def test_what_a_gpu_draws_before_and_after_the_run_is_not_the_runs(make_machine):
    machine = make_machine()
    # 60 W until the run begins at 100 s, 400 W for 5 s, then 60 W again.
    machine.control.set_trace(0, [(0, 60), (100, 400), (105, 60)])

    counted = machine.run(5.0)

    assert counted == pytest.approx(5 * 400, rel=0.005)


def test_all_gpus_that_cuda_sees_are_counted_and_no_other(make_machine):
    machine = make_machine(4, CUDA_VISIBLE_DEVICES=f"1,{gpu_uuid(3)}")
    for index in range(4):
        machine.control.set_trace(index, [(0, 100 * (index + 1))])

    counted = machine.run(20.0)

    assert counted == pytest.approx(20 * (200 + 400), rel=0.005)
    assert machine.meters.books.held_seconds["NVIDIA H100 80GB HBM3 (mock)"] == pytest.approx(
        40.0, abs=0.02
    )


def test_no_gpu_is_counted_where_cuda_sees_none(make_machine):
    machine = make_machine(2, CUDA_VISIBLE_DEVICES="")

    assert machine.run(5.0) == 0
    assert any("names none" in note for note in machine.meters.notes)


def test_a_stranger_on_the_gpu_gets_its_share_by_sm_utilisation(make_machine):
    machine = make_machine()
    machine.control.set_trace(0, [(0, 400)])
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        stranger_pid = 1  # not of this process tree, and it exists
        machine.control.set_processes(0, [(os.getpid(), 60), (stranger_pid, 20)])

        counted = machine.run(75.0)
        stranger.communicate(b"\n")

    # 60 of 80 percent are the run's.
    assert counted == pytest.approx(75 * 400 * 60 / 80, rel=0.001)
    assert {key.method for key in machine.meters.books.millijoules} == {"sm_share"}


@pytest.mark.parametrize("listed_afterwards", [True, False])
def test_a_short_command_keeps_its_share_to_its_end(make_machine, listed_afterwards):
    """It has ended when the last readings are taken, and a driver may list it a moment longer."""
    machine = make_machine(with_self=False)
    machine.control.set_trace(0, [(0, 400)])
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as command:
        machine.control.set_processes(0, [(command.pid, 60), (1, 20)])
        machine.begin()
        machine.go_on(machine.began + 5.0 - machine.now)
        command.communicate(b"\n")
    if not listed_afterwards:
        machine.control.set_processes(0, [(1, 20)])

    assert machine.end() == pytest.approx(5 * 400 * 60 / 80, rel=0.005)


def test_sharers_without_utilisation_are_told_apart_by_number(make_machine):
    machine = make_machine()
    machine.control.set_trace(0, [(0, 300)])
    machine.control.set_processes(0, [(os.getpid(), 0), (1, 0)])

    counted = machine.run(75.0)

    assert counted == pytest.approx(75 * 300 / 2, rel=0.001)
    assert {key.method for key in machine.meters.books.millijoules} == {"equal_share"}


def test_processes_hidden_by_a_container_are_said_and_all_energy_is_counted(make_machine):
    machine = make_machine()
    machine.control.set_trace(0, [(0, 300)])
    machine.control.set_processes(0, [(4_194_303, 80)])  # the highest process id: does not exist

    counted = machine.run(20.0)

    assert counted == pytest.approx(20 * 300, rel=0.005)
    assert sum("do not exist here" in note for note in machine.meters.notes) == 1


def test_a_counter_that_restarts_in_the_run_never_lowers_the_sum(make_machine):
    machine = make_machine()
    machine.control.set_trace(0, [(0, 300)])
    machine.begin()
    machine.go_on(30.0)
    before = machine.joules
    machine.control.reload_driver()
    machine.go_on(30.0)
    counted, drawn = machine.end(), 300 * (machine.ended - machine.began)

    assert counted > before
    # At most what was drawn between the last reading and the reload is lost.
    assert counted == pytest.approx(drawn, rel=0.05)
    assert counted <= drawn * 1.001


def test_without_any_meter_it_is_said_once_why(tmp_path, monkeypatch):
    from lowtide.local.process_tree import ProcessTree
    from lowtide.local.run_meters import RunMeters

    environment = {"LOWTIDE_NVML_LIBRARY": "/nowhere.so", "LOWTIDE_SYSFS": str(tmp_path)}
    meters = RunMeters(environment, ProcessTree(with_self=True))
    meters.begin(10.0)
    meters.read(11.0)

    assert not meters.has_meter
    assert len([note for note in meters.notes if note.startswith("GPUs are not measured")]) == 1
    assert len([note for note in meters.notes if note.startswith("CPU and memory")]) == 1


def test_a_zone_that_only_root_may_read_says_how_to_allow_it(tmp_path, monkeypatch):
    from lowtide.local.run_meters import _without_zones
    from lowtide.meters.errors import SourceError

    note = _without_zones(SourceError("RAPL: /sys/energy_uj cannot be read: Permission denied"))

    assert "sudo chmod a+r" in note
