"""CPU time and memory of pods from their cgroups."""

from standins.host import HostTrees

from lowtide.meters.cgroup import CgroupMeters

UID_A, UID_B = (f"0000000{i}-0000-4000-8000-000000000000" for i in (1, 2))


def test_cgroup_version_1_is_read_too(tmp_path):
    """The split hierarchy of version 1, with the cgroupfs driver's names."""
    trees = HostTrees(tmp_path)
    (trees.cgroup / "cgroup.controllers").unlink()
    for controller, file, text in (
        ("cpuacct", "cpuacct.usage", "2500000000"),
        ("memory", "memory.usage_in_bytes", "1024"),
    ):
        directory = trees.cgroup / controller / "kubepods" / "burstable" / f"pod{UID_A}"
        directory.mkdir(parents=True)
        (directory / file).write_text(text + "\n")
    meters = CgroupMeters(str(trees.cgroup), str(trees.procfs))

    use = meters.read(0.0)
    meters.close()

    assert (use.pods[UID_A].cpu_seconds, use.pods[UID_A].memory_bytes) == (2.5, 1024)
    assert use.cores == 8
