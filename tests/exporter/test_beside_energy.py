"""Figures of the page besides energy: the node's power, clocks, reasons for low ones."""

import pytest
from standins.nvml.control import gpu_uuid

from lowtide.meters.node_power import (
    NodePower,
    make_meter,
)

GPU_0 = gpu_uuid(0)


def add_hwmon(root, number, name, microwatts=None):
    """Make one device of the kernel's hwmon class."""
    directory = root / "class" / "hwmon" / f"hwmon{number}"
    directory.mkdir(parents=True)
    (directory / "name").write_text(f"{name}\n")
    if microwatts is not None:
        (directory / "power1_average").write_text(f"{microwatts}\n")


def test_the_nodes_power_stands_beside_that_of_its_gpus(node, tmp_path):
    """Two GPUs of 400 W in a node of 1,600 W: half of it; attribution does not change."""
    add_hwmon(tmp_path, 0, "power_meter", 1_600_000_000)
    for index in (0, 1):
        node.control.set_trace(index, [(0.0, 400.0)])
    power = NodePower(
        make_meter("hwmon", sysfs=str(tmp_path), credentials_file="", ca_file=""),
        clock=node.control.now_seconds,
    )
    power.read_once()
    node.loop = node.make_loop(period_seconds=1.0, node_power=power)

    node.run_until(105)

    assert node.value("lowtide_node_power_watts", source="hwmon") == 1600
    assert node.value("lowtide_node_gpu_power_ratio", source="hwmon") == pytest.approx(0.5)
    assert node.value("lowtide_source_up", source="hwmon") == 1
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_without_a_node_meter_there_is_no_series(node):
    """A figure that is not asked for is absent, not 0."""
    node.run_until(103)

    assert node.series("lowtide_node_power_watts") == []
    assert node.value("lowtide_source_up", source="hwmon") is None


def test_clocks_and_reasons_for_low_ones_are_information(node):
    """A power cap (bit 2) and heat (bit 5): both are 1, the others 0; clocks in hertz."""
    node.control.gpu(0).sm_clock_megahertz = 1200
    node.control.gpu(0).throttle_reasons = 0x4 | 0x20 | 0x1
    node.run_until(103)

    reasons = {
        labels["reason"]: value
        for labels, value in node.series("lowtide_gpu_throttled")
        if labels["uuid"] == GPU_0
    }
    assert reasons == {
        **dict.fromkeys(("power_brake", "slowdown", "sync_boost"), 0.0),
        **dict.fromkeys(("power_cap", "thermal"), 1.0),
    }
    assert node.value("lowtide_gpu_clock_hertz", uuid=GPU_0, domain="sm") == 1.2e9
    assert node.value("lowtide_gpu_clock_hertz", uuid=GPU_0, domain="memory") == 2.619e9
    assert node.value("lowtide_gpu_power_limit_watts", uuid=GPU_0) == 700


def test_a_clock_that_no_gpu_has_is_not_shown(node):
    """All bits set is a blank, not four petahertz; the other clocks stay."""
    node.control.gpu(0).sm_clock_megahertz = 2**32 - 1
    node.run_until(103)

    assert node.value("lowtide_gpu_clock_hertz", uuid=GPU_0, domain="sm") is None
    assert node.value("lowtide_gpu_clock_hertz", uuid=GPU_0, domain="memory") == 2.619e9


def test_a_changed_clock_is_seen_within_seconds(node):
    """Read with the survey, every ten seconds: information is not worth a call per tick."""
    node.run_until(103)
    node.control.gpu(0).throttle_reasons = 0x4

    node.run_until(114)

    assert node.value("lowtide_gpu_throttled", uuid=GPU_0, reason="power_cap") == 1
