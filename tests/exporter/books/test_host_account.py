"""CPU packages and memory: wraps, double counting, shares, missing rights."""

import errno
from pathlib import Path

import pytest
from standins.host import HostTrees
from standins.nvml.control import gpu_uuid

from lowtide.meters.cgroup import CgroupMeters
from lowtide.meters.errors import SourceError
from lowtide.meters.interfaces import HostMeters
from lowtide.meters.rapl import RaplMeters
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import StateFile
from lowtide_exporter.readings import Allocation, PodRecord

RESIDUAL = "lowtide_attribution_residual_joules"
UID_A, UID_B = (f"0000000{i}-0000-4000-8000-000000000000" for i in (1, 2))


@pytest.fixture
def host(tmp_path):
    """A host with one package, its memory and every overlapping zone."""
    return HostTrees(tmp_path)


def set_joules(host, package, dram=0.0):
    """Set package and memory; the zones that overlap them are far higher."""
    host.set_zone("0", "package-0", package)
    host.set_zone("0:0", "core", 0.8 * package)
    host.set_zone("0:1", "dram", dram)
    host.set_zone("1", "psys", 3 * package)
    host.set_zone("0", "package-0", package, tree="intel-rapl-mmio")


@pytest.fixture
def cpu_node(make_node, host):
    """A node whose host side is read from the trees, each tick."""
    node = make_node(gpus=1)
    meters = HostMeters(
        RaplMeters(str(host.sysfs)), CgroupMeters(str(host.cgroup), str(host.procfs))
    )
    node.loop = node.make_loop(period_seconds=1.0, host=meters, host_period_seconds=1.0)
    set_joules(host, 0.0)
    yield node
    meters.use.close()


def run(node, host, seconds, *, watts, busy_cores, pods, dram_watts=0.0, memory=None):
    """Let the host work for some seconds: `pods` maps UID to cores used."""
    for _ in range(seconds):
        at = node.seconds + 1 - 100
        host.energy = getattr(host, "energy", 0.0) + watts
        host.dram = getattr(host, "dram", 0.0) + dram_watts
        host.busy = getattr(host, "busy", 0.0) + busy_cores
        host.used = getattr(host, "used", {})
        set_joules(host, host.energy, host.dram)
        host.set_busy(host.busy)
        for uid, cores in pods.items():
            host.used[uid] = host.used.get(uid, 0.0) + cores
            host.set_pod(uid, host.used[uid], (memory or {}).get(uid, 0))
        assert at > 0
        node.run_until(node.seconds + 1)


def know(node, *records):
    """Let the API server know pods: rows of (name, UID, requested cores)."""
    node.pods.pods = tuple(
        PodRecord(namespace="ml", name=name, uid=uid, cpu_request_cores=cores)
        for name, uid, cores in records
    )


def test_active_energy_follows_cpu_time_and_the_rest_is_the_systems(cpu_node, host):
    """100 W, 8 cores, 4 busy: 50 W active. Pod A used 2 of 4, pod B 1, the system 1.

    Over 10 s of 1000 J: active 500 J is A 250, B 125, system 125. Idle 500 J by requests of 4 and
    2 of 8 cores: A 250, B 125, free 125.
    """
    know(cpu_node, ("a", UID_A, 4.0), ("b", UID_B, 2.0))
    run(cpu_node, host, 2, watts=100, busy_cores=4, pods={UID_A: 2, UID_B: 1})
    before = {name: cpu_node.pod_joules(name, component="cpu") for name in "ab"}

    run(cpu_node, host, 10, watts=100, busy_cores=4, pods={UID_A: 2, UID_B: 1})

    gained = {name: cpu_node.pod_joules(name, component="cpu") - before[name] for name in "ab"}
    assert gained == {"a": pytest.approx(500), "b": pytest.approx(250)}
    assert cpu_node.unallocated_joules(component="cpu", reason="system") == pytest.approx(
        cpu_node.unallocated_joules(component="cpu", reason="free")
    )
    assert cpu_node.value("lowtide_attribution_residual_joules", component="cpu") == 0


def test_pinned_cores_are_held_and_labelled(cpu_node, host):
    """Exclusive cores from the kubelet count instead of the request."""
    know(cpu_node, ("a", UID_A, 1.0))
    cpu_node.owners.table = (Allocation("ml", "a", "main", (), (0, 1, 2, 3)),)
    run(cpu_node, host, 1, watts=100, busy_cores=4, pods={UID_A: 4})

    run(cpu_node, host, 10, watts=100, busy_cores=4, pods={UID_A: 4})

    assert cpu_node.pod_joules("a", method="cpu_pinned", part="idle_held") == pytest.approx(250)
    assert cpu_node.pod_joules("a", method="cpu_share") == 0


def test_memory_energy_follows_bytes_held(cpu_node, host):
    """16 of 64 GiB is a quarter of the memory's energy; the rest is free."""
    know(cpu_node, ("a", UID_A, 1.0))
    run(cpu_node, host, 1, watts=10, busy_cores=1, pods={UID_A: 1}, memory={UID_A: 16 << 30})

    run(
        cpu_node,
        host,
        10,
        watts=10,
        busy_cores=1,
        pods={UID_A: 1},
        dram_watts=8,
        memory={UID_A: 16 << 30},
    )

    assert cpu_node.pod_joules("a", component="dram") == pytest.approx(20)
    assert cpu_node.value("lowtide_attribution_residual_joules", component="dram") == 0


def test_the_last_cpu_seconds_of_a_pod_are_kept(cpu_node, host):
    """Its cgroup goes with it; what the tick before saw is still booked, then the end is marked."""
    know(cpu_node, ("a", UID_A, 4.0))
    run(cpu_node, host, 5, watts=100, busy_cores=4, pods={UID_A: 4})
    before = cpu_node.pod_joules("a", component="cpu", part="active")
    cpu_node.end_pod("a")
    directory = next(host.cgroup.rglob("*pod0000*"))
    run(cpu_node, host, 1, watts=100, busy_cores=4, pods={UID_A: 4})
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()
    run(cpu_node, host, 4, watts=100, busy_cores=0, pods={})

    assert cpu_node.pod_joules("a", component="cpu", part="active") - before == pytest.approx(50)
    assert cpu_node.value("lowtide_pod_end_timestamp_seconds", pod="a") is not None
    assert cpu_node.value("lowtide_attribution_residual_joules", component="cpu") == 0


def test_without_cpu_meters_there_are_no_cpu_series(make_node, tmp_path):
    """Absent is not zero; the source says that it is down, GPUs go on."""
    node = make_node(gpus=1)
    empty = HostTrees(tmp_path / "empty")
    meters = HostMeters(
        RaplMeters(str(empty.sysfs)), CgroupMeters(str(empty.cgroup), str(empty.procfs))
    )
    node.loop = node.make_loop(period_seconds=1.0, host=meters)
    node.start_pod("job", gpu_uuid(0))

    node.run_until(130)

    assert node.value("lowtide_source_up", source="rapl") == 0
    assert node.value("lowtide_cpu_energy_joules_total") is None
    assert node.pod_joules("job", component="cpu") == 0
    assert node.pod_joules("job", component="gpu") > 0


def restart(node, state, host):
    """Kill the exporter and start it again at once, from its last state."""
    meters = HostMeters(
        RaplMeters(str(host.sysfs)), CgroupMeters(str(host.cgroup), str(host.procfs))
    )
    node.ledger = NodeLedger()
    node.loop = node.make_loop(
        period_seconds=1.0, host=meters, host_period_seconds=1.0, state=state
    )
    return node.loop.restore()


def test_cpu_energy_goes_on_over_a_restart(cpu_node, host, tmp_path):
    """Killed 20 s after its last state: nothing is lost and no value falls.

    100 W and half of 8 cores busy, all for the only pod, which asks for 4 of 8: each second 50 J
    active and half of 50 J idle are its own, 5 s from the state to the end.
    """
    state = StateFile(str(tmp_path / "state.json"), "boot-1")
    know(cpu_node, ("a", UID_A, 4.0))
    restart(cpu_node, state, host)
    run(cpu_node, host, 10, watts=100, busy_cores=4, pods={UID_A: 4})
    cpu_node.loop.save(is_complete=True)
    saved = cpu_node.pod_joules("a")

    assert restart(cpu_node, state, host)
    run(cpu_node, host, 5, watts=100, busy_cores=4, pods={UID_A: 4})

    assert cpu_node.pod_joules("a") - saved == pytest.approx(5 * (50 + 25))
    assert cpu_node.value("lowtide_attribution_residual_joules", component="cpu") == 0


def test_the_idle_power_of_the_cpus_survives_a_restart(cpu_node, host, tmp_path):
    """A busy node would not learn it again."""
    state = StateFile(str(tmp_path / "state.json"), "boot-1")
    restart(cpu_node, state, host)
    run(cpu_node, host, 15, watts=40, busy_cores=0.1, pods={})
    learnt = cpu_node.ledger.host.floor.learnt_watts
    cpu_node.loop.save()

    restart(cpu_node, state, host)

    assert learnt == pytest.approx(40)
    assert cpu_node.ledger.host.floor.learnt_watts == learnt


def test_a_pod_without_gpu_that_is_deleted_ended_when_it_was_gone(cpu_node, host):
    """Its end is not known: the moment at which it was missed counts, not its beginning."""
    know(cpu_node, ("a", UID_A, 4.0))
    run(cpu_node, host, 20, watts=100, busy_cores=4, pods={UID_A: 4})
    cpu_node.delete_pod("a")
    run(cpu_node, host, 3, watts=100, busy_cores=4, pods={})

    end = cpu_node.value("lowtide_pod_end_timestamp_seconds", pod="a")
    assert end == cpu_node.unix(121)


def test_a_zone_without_permission_leaves_the_gpus_measured(cpu_node, host, monkeypatch, caplog):
    """Only root may read CPU energy: the log says so once, and everything else goes on."""
    read = Path.read_text

    def refuse(path, *arguments, **options):
        if path.name == "energy_uj":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    cpu_node.start_pod("job", gpu_uuid(0))
    run(cpu_node, host, 20, watts=100, busy_cores=4, pods={UID_A: 4})

    assert cpu_node.value("lowtide_source_up", source="rapl") == 0
    assert cpu_node.series("lowtide_cpu_energy_joules_total") == []
    assert cpu_node.value("lowtide_attribution_residual_joules", component="cpu") is None
    assert cpu_node.pod_joules("job", component="gpu") > 0
    assert caplog.text.count("Permission denied") == 1


def test_a_node_without_gpus_still_counts_its_cpus(cpu_node, host, caplog):
    """No driver: one line in the log, no GPU series, and every pod has its CPU energy."""

    class NoDriver:
        def read(self, _):
            raise SourceError("NVML: cannot open the driver: NVML Shared Library Not Found")

    meters = HostMeters(
        RaplMeters(str(host.sysfs)), CgroupMeters(str(host.cgroup), str(host.procfs))
    )
    cpu_node.meters, driver = NoDriver(), cpu_node.meters
    cpu_node.loop = cpu_node.make_loop(period_seconds=1.0, host=meters, host_period_seconds=1.0)
    know(cpu_node, ("a", UID_A, 4.0))
    run(cpu_node, host, 10, watts=100, busy_cores=4, pods={UID_A: 4})
    cpu_node.meters = driver

    components = {labels["component"] for labels, _ in cpu_node.series(RESIDUAL)}
    assert components == {"cpu", "dram"}
    assert cpu_node.pod_joules("a", component="cpu") > 0
    assert cpu_node.series("lowtide_gpu_energy_joules_total") == []
    assert cpu_node.value("lowtide_source_up", source="nvml") == 0
    assert caplog.text.count("Shared Library Not Found") == 1


def test_a_pod_that_was_missed_once_does_not_count_its_whole_life_again(cpu_node, host):
    """Its cgroup could not be read for a second: then it goes on, and others keep their share.

    Both use 2 of 4 busy cores: half of 50 W active each.
    """
    know(cpu_node, ("a", UID_A, 4.0), ("b", UID_B, 4.0))
    run(cpu_node, host, 50, watts=100, busy_cores=4, pods={UID_A: 2, UID_B: 2})
    path = next(host.cgroup.rglob(f"*{UID_A.replace('-', '_')}*")) / "memory.current"
    cgroups = cpu_node.loop._host.use
    path.write_text("garbage")
    cgroups._survey_at = 0.0  # it is looked for again at the next tick
    run(cpu_node, host, 1, watts=100, busy_cores=4, pods={UID_B: 2})
    cgroups._survey_at = 0.0
    before = cpu_node.pod_joules("b", part="active", component="cpu")

    run(cpu_node, host, 10, watts=100, busy_cores=4, pods={UID_A: 2, UID_B: 2})

    gained = cpu_node.pod_joules("b", part="active", component="cpu") - before
    assert gained == pytest.approx(250, rel=0.001)
    assert cpu_node.value("lowtide_attribution_residual_joules", component="cpu") == 0
