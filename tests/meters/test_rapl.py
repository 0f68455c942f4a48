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


def test_a_zone_that_may_not_be_read_is_a_source_error(host, monkeypatch):
    """Only root may read energy_uj since CVE-2020-8694; the reason is in the message."""
    set_joules(host, 1.0)
    (host.sysfs / "class/powercap/intel-rapl:0/energy_uj").unlink()
    (host.sysfs / "class/powercap/intel-rapl:0/energy_uj").mkdir()

    with pytest.raises(SourceError, match="energy_uj cannot be read"):
        RaplMeters(str(host.sysfs)).read(0.0)
