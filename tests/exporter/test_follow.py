"""The stand-in GPU follows the CPU time of its holder, and knows the truth about it."""

import json

import pytest
from standins.nvml.cgroups import find_pod
from standins.nvml.control import Control, gpu_uuid
from standins.nvml.follow import Follower

from lowtide.meters.calls import CallLog
from lowtide.meters.nvml import NvmlMeters
from lowtide_exporter.owners.kubelet import Kubelet

UID = "0f3c-11"


@pytest.fixture(params=["v1 cgroupfs", "v2 cgroupfs", "v1 systemd", "v2 systemd"])
def cgroup(request, tmp_path):
    """A pod's cgroup in each layout; yields a function that sets its CPU seconds."""
    version, driver = request.param.split()
    if driver == "systemd":
        name = f"kubepods-burstable-pod{UID.replace('-', '_')}.slice"
        parts = ("kubepods.slice", "kubepods-burstable.slice", name)
    else:
        parts = ("lowtide-test", "kubepods", "burstable", f"pod{UID}")
    directory = tmp_path.joinpath("cgroup", *parts)
    directory.mkdir(parents=True)

    def set_cpu(seconds):
        if version == "v1":
            (directory / "cpuacct.usage").write_text(f"{round(seconds * 1e9)}\n")
            (directory / "cpu.stat").write_text("nr_periods 0\n")
        else:
            text = f"usage_usec {round(seconds * 1e6)}\nuser_usec 0\n"
            (directory / "cpu.stat").write_text(text)

    set_cpu(0)
    return set_cpu


def test_cpu_time_is_found_in_every_layout(cgroup, tmp_path):
    """Both cgroup versions, both drivers, below any root."""
    cgroup(12.5)

    assert find_pod((tmp_path / "cgroup",), UID).seconds() == 12.5
    assert find_pod((tmp_path / "cgroup",), "other") is None


def test_energy_is_idle_power_times_time_plus_slope_times_cpu(
    cgroup, tmp_path, kubelet, nvml_library, monkeypatch
):
    """10 s at 30 W and 6 CPU seconds at 200 W a core: 1500 J on the GPU and in the truth file."""
    (tmp_path / "logs" / f"ml_job_{UID}").mkdir(parents=True)
    control = Control.create(tmp_path / "state", 2)
    control.set_clock(100)
    owners = Kubelet(str(kubelet.socket), frozenset({"nvidia.com/gpu"}))
    follower = Follower(
        control,
        owners,
        gpus=2,
        pod_logs=tmp_path / "logs",
        cgroup_roots=(tmp_path / "cgroup",),
        truth=tmp_path / "truth.jsonl",
        idle_watts=30.0,
        watts_per_core=200.0,
    )
    follower.step()
    monkeypatch.setenv("LOWTIDE_MOCK_STATE", str(tmp_path / "state"))
    meters = NvmlMeters(str(nvml_library), allow_mock=True, calls=CallLog())
    before = meters.read(0.0)[1].counter_millijoules
    kubelet.give("ml", "job", gpu_uuid(1))
    for second, cpu in ((100, 0.0), (102, 1.0), (106, 4.0), (110, 6.0)):
        control.set_clock(second)
        cgroup(cpu)
        follower.step()
    power = control.gpu(1).cpu_cores
    after = meters.read(1.0)[1].counter_millijoules
    kubelet.pods.clear()
    follower.step()
    owners.close()
    meters.close()

    assert after - before == 1_500_000
    assert control.gpu(1).cpu_seconds == 6.0
    assert power == pytest.approx(0.5)
    (record,) = map(json.loads, (tmp_path / "truth.jsonl").read_text().splitlines())
    assert (record["pod"], record["uid"], record["gpu_uuids"]) == ("job", UID, [gpu_uuid(1)])
    assert record["energy_joules"] == pytest.approx(30 * 10 + 200 * 6)
    assert control.gpu(1).cpu_cores == 0


def test_a_pod_that_ran_before_the_daemon_counts_from_its_first_look(cgroup, tmp_path, kubelet):
    """Its use before that is in no counter."""
    (tmp_path / "logs" / f"ml_job_{UID}").mkdir(parents=True)
    control = Control.create(tmp_path / "state", 1)
    control.set_clock(100)
    kubelet.give("ml", "job", gpu_uuid(0))
    cgroup(50)
    owners = Kubelet(str(kubelet.socket), frozenset({"nvidia.com/gpu"}))
    follower = Follower(
        control,
        owners,
        gpus=1,
        pod_logs=tmp_path / "logs",
        cgroup_roots=(tmp_path / "cgroup",),
        truth=tmp_path / "truth.jsonl",
        idle_watts=30.0,
        watts_per_core=200.0,
    )

    for cpu in (50, 50, 52):
        cgroup(cpu)
        follower.step()
    owners.close()

    assert control.gpu(0).cpu_seconds == 2.0


def test_a_pod_that_comes_again_by_its_name_has_a_truth_of_its_own(cgroup, tmp_path, kubelet):
    """The first one's folder is there when the second gets its GPU, before its own."""
    logs = tmp_path / "logs"
    (logs / f"ml_job_{UID}").mkdir(parents=True)
    control = Control.create(tmp_path / "state", 1)
    owners = Kubelet(str(kubelet.socket), frozenset({"nvidia.com/gpu"}))
    follower = Follower(
        control,
        owners,
        gpus=1,
        pod_logs=logs,
        cgroup_roots=(tmp_path / "cgroup",),
        truth=tmp_path / "truth.jsonl",
        idle_watts=30.0,
        watts_per_core=200.0,
    )
    for begin, seconds in ((100, 10), (200, 20)):
        control.set_clock(begin)
        follower.step()
        kubelet.give("ml", "job", gpu_uuid(0))
        follower.step()
        if begin == 200:
            (logs / "ml_job_second").mkdir()
        control.set_clock(begin + seconds)
        follower.step()
        kubelet.pods.clear()
        follower.step()
    owners.close()

    records = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [(one["uid"], one["energy_joules"]) for one in records] == [
        (UID, pytest.approx(300)),
        ("second", pytest.approx(600)),
    ]
