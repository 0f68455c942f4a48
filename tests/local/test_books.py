"""Joules of a run from readings of its machine, by hand."""

import pytest

from lowtide.energy.attribution import Method
from lowtide.local.books import RunBooks, Sharing
from lowtide.local.process_tree import MachineUse, TreeUse
from lowtide.local.visible_gpus import HeldGpu
from lowtide.meters.readings import Domain, GpuIdentity, GpuReading, ZoneReading

GIGABYTE = 10**9


def zones(package: int, dram: int | None = None) -> tuple[ZoneReading, ...]:
    found = [ZoneReading("0", Domain.PACKAGE, package, 262_143_000_000)]
    if dram is not None:
        found.append(ZoneReading("0", Domain.DRAM, dram, 262_143_000_000))
    return tuple(found)


def tree(cpu_seconds: float, memory: int = 0) -> TreeUse:
    return TreeUse(cpu_seconds, memory, frozenset({1}))


def machine(busy: float, cores: int = 4) -> MachineUse:
    return MachineUse(busy, cores, 16 * GIGABYTE)


def joules(books: RunBooks, component: str) -> float:
    return sum(mj for key, mj in books.millijoules.items() if key.component == component) / 1000


def reading(counter: int, watts: float = 300.0) -> GpuReading:
    identity = GpuIdentity(
        uuid="GPU-1", index=0, model="X", architecture="hopper", driver="1", is_mock=False
    )
    return GpuReading(
        identity=identity, counter_millijoules=counter, instant_watts=watts, limit_watts=700.0
    )


def test_cpu_energy_follows_the_share_of_cpu_time() -> None:
    books = RunBooks()
    books.take_host(zones(0), tree(0), machine(0), 0.0)
    # In 10 s of 4 cores all 40 s are busy, 10 of them with the run: a quarter of 200 J.
    books.take_host(zones(200_000_000), tree(10), machine(40), 10.0)

    assert joules(books, "cpu") == pytest.approx(50.0, abs=0.002)


def test_idle_energy_of_a_shared_machine_goes_by_the_cores_used() -> None:
    books = RunBooks()
    books.take_host(zones(0), tree(0), machine(0), 0.0)
    # 20 of 40 core seconds are busy, so half of 80 J is idle. The run used 20 s, all of the busy
    # time: 40 J active, and 2 of 4 cores: 20 J idle.
    books.take_host(zones(80_000_000), tree(20), machine(20), 10.0)

    parts = {key.part: mj for key, mj in books.millijoules.items()}
    assert parts == {"active": 40_000, "idle_held": 20_000}


def test_memory_energy_follows_the_bytes_held() -> None:
    books = RunBooks()
    books.take_host(zones(0, 0), tree(0), machine(0), 0.0)
    books.take_host(zones(0, 32_000_000), tree(0, 4 * GIGABYTE), machine(1), 10.0)

    assert joules(books, "dram") == pytest.approx(8.0)


def test_a_counter_of_a_package_that_wraps_loses_nothing() -> None:
    books = RunBooks()
    highest = 262_143_000_000
    books.take_host(zones(highest - 50_000_000), tree(0), machine(0), 0.0)
    # 50 J to the end of the range, one microjoule, 50 J after it; the run is all there is.
    books.take_host(zones(49_999_999), tree(40), machine(40), 10.0)

    assert joules(books, "cpu") == pytest.approx(100.0, abs=0.01)


def test_nothing_is_modelled_unless_that_was_asked_for() -> None:
    books = RunBooks()
    books.take_host((), tree(0), machine(0), 0.0)
    books.take_host((), tree(10, 2 * GIGABYTE), machine(40), 10.0)

    assert not books.millijoules


def test_modelled_joules_are_called_so() -> None:
    books = RunBooks(is_modelled=True)
    books.take_host((), tree(0), machine(0), 0.0)
    books.take_host((), tree(10, 2 * GIGABYTE), machine(40), 10.0)

    # One core at full load: 3.5 W for 10 s; 2 GB at 0.392 W each.
    assert joules(books, "cpu") == pytest.approx(35.0)
    assert joules(books, "dram") == pytest.approx(7.84)
    assert {key.quality for key in books.millijoules} == {"model"}


def test_what_a_meter_reads_is_not_modelled_beside_it() -> None:
    books = RunBooks(is_modelled=True)
    books.take_host(zones(0, 0), tree(0), machine(0), 0.0)
    books.take_host(zones(200_000_000, 0), tree(10), machine(40), 10.0)

    assert joules(books, "cpu") == pytest.approx(50.0, abs=0.002)
    assert "model" not in {key.quality for key in books.millijoules}


def test_a_gpu_gives_what_its_counter_grew() -> None:
    books = RunBooks()
    books.hold(HeldGpu("GPU-1"), "X")
    books.take_gpu(reading(1_000_000), 0.0)
    books.take_gpu(reading(1_300_000), 1.0)

    assert joules(books, "gpu") == pytest.approx(300.0)
    assert books.held_seconds == {"X": pytest.approx(1.0)}


def test_a_mig_instance_gets_the_share_of_its_size() -> None:
    books = RunBooks()
    books.hold(HeldGpu("GPU-1", 0.25), "X")
    books.take_gpu(reading(0), 0.0)
    books.take_gpu(reading(400_000), 1.0)

    assert joules(books, "gpu") == pytest.approx(100.0)
    assert {key.method for key in books.millijoules} == {"mig_static"}


def test_the_share_of_strangers_is_not_the_runs() -> None:
    books = RunBooks()
    books.hold(HeldGpu("GPU-1"), "X")
    sharing = Sharing(30.0, 90.0, Method.SM_SHARE)
    books.take_gpu(reading(0), 0.0, sharing)
    books.take_gpu(reading(400_000), 1.0, sharing)

    assert joules(books, "gpu") == pytest.approx(100.0)
