"""CPU packages and memory through the kernel's powercap tree."""

import pytest
from standins.host import HostTrees

from lowtide.meters.errors import SourceError
from lowtide.meters.rapl import RaplMeters
from lowtide.meters.readings import Domain


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


def test_only_packages_and_memory_count(host):
    """Psys, core and mmio zones repeat the package's joules."""
    set_joules(host, 100.0, 10.0)

    zones = RaplMeters(str(host.sysfs)).read(0.0)

    assert [(zone.package, zone.domain) for zone in zones] == [
        ("0", Domain.PACKAGE),
        ("0", Domain.DRAM),
    ]


def test_a_node_without_zones_says_so(host):
    """Cloud VMs have no RAPL."""
    with pytest.raises(SourceError, match="no package zone"):
        RaplMeters(str(host.sysfs)).read(0.0)


def make_unreadable(host, zone, file="energy_uj"):
    path = host.sysfs / "class/powercap" / zone / file
    path.unlink()
    path.mkdir()


def test_zones_that_may_not_be_read_are_a_source_error(host):
    """Only root may read energy_uj since CVE-2020-8694; the reason is in the message."""
    set_joules(host, 1.0)
    make_unreadable(host, "intel-rapl:0")
    make_unreadable(host, "intel-rapl:0:1")

    with pytest.raises(SourceError, match="energy_uj cannot be read"):
        RaplMeters(str(host.sysfs)).read(0.0)


@pytest.mark.parametrize("file", ["energy_uj", "max_energy_range_uj"])
def test_a_zone_that_cannot_be_read_does_not_affect_the_others(host, file, caplog):
    """The package counts on where its memory zone is broken; the log says so once."""
    set_joules(host, 100.0, 10.0)
    make_unreadable(host, "intel-rapl:0:1", file)
    meters = RaplMeters(str(host.sysfs))

    zones = [meters.read(float(second)) for second in range(3)]

    assert [[zone.domain for zone in each] for each in zones] == [[Domain.PACKAGE]] * 3
    assert caplog.text.count("one zone is left out") == 1


def set_dies(host, *joules):
    for die, value in enumerate(joules):
        host.set_zone(str(die), f"package-0-die-{die}", value)


def test_dies_that_mirror_one_counter_count_once(host):
    """Zen 1 and 2 show the package's counter at every die, a few microjoules apart."""
    meters = RaplMeters(str(host.sysfs))
    seen = []
    for second in range(0, 60, 10):
        set_dies(host, 1000.0 + 68 * second, 1000.001 + 68 * second)
        seen.append(meters.read(float(second)))

    assert [[zone.package for zone in zones] for zones in seen] == [["0-die-0"]] * 6


def test_dies_with_counters_of_their_own_both_count(host):
    """60 W and 50 W from different starts: they meet once, and are two all the same."""
    meters = RaplMeters(str(host.sysfs))
    seen = []
    for second in range(0, 210, 10):
        set_dies(host, 60.0 * second, 1000.0 + 50.0 * second)
        seen.append([zone.package for zone in meters.read(float(second))])

    assert seen == [["0-die-0", "0-die-1"]] * 21
