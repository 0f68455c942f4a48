"""GPUs that are lost, reset, stuck, lying, without counter, reloaded or unplugged."""

import math
from dataclasses import replace

import pynvml
import pytest
from standins.nvml.control import Sensor, gpu_uuid

from lowtide.meters.calls import CallLog
from lowtide.meters.errors import MockRefusedError, SourceError
from lowtide.meters.nvml import NvmlMeters

GPU_0, GPU_1 = gpu_uuid(0), gpu_uuid(1)


def is_conserved(node):
    """Whether everything handed out equals the devices' own totals."""
    return node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def quality(node, uuid):
    """The quality that GPU `uuid` has now."""
    (name,) = (
        labels["quality"]
        for labels, value in node.series("lowtide_gpu_energy_quality")
        if labels["uuid"] == uuid and value == 1
    )
    return name


def test_a_stand_in_is_refused_without_the_flag(node, nvml_library):
    """Mock joules must never look like measured ones."""
    meters = NvmlMeters(str(nvml_library), allow_mock=False, calls=CallLog())

    with pytest.raises(MockRefusedError, match=r"stand-in .*--allow-mock"):
        meters.read(0.0)


def test_an_allowed_stand_in_is_labelled_everywhere(node):
    """The inventory says mock in source, driver and model."""
    node.tick()

    for labels, _ in node.series("lowtide_gpu_info"):
        assert labels["source"] == "mock"
        assert "mock" in labels["driver"]
        assert "mock" in labels["model"]


def test_a_lost_gpu_keeps_its_totals_and_the_next_read_carries_the_gap(node):
    """The pod held the GPU all the time: it gets the energy of the gap."""
    node.start_pod("job", GPU_0)
    node.run_until(110)
    node.control.gpu(0).error = pynvml.NVML_ERROR_GPU_IS_LOST

    node.run_until(130)
    during = node.value("lowtide_gpu_up", uuid=GPU_0)
    hidden = node.series("lowtide_pod_energy_joules_total")
    node.control.gpu(0).error = 0
    node.run_until(200)

    assert (during, hidden) == (0, [])  # a sample would say that all was counted up to it
    assert node.value("lowtide_gpu_up", uuid=GPU_0) == 1
    assert node.value("lowtide_gpu_up", uuid=GPU_1) == 1
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 101, 200), rel=0.001)
    assert is_conserved(node)


def test_a_lost_gpu_is_not_hammered(node):
    """Pauses double up to a minute: a broken device costs few calls."""
    node.tick()
    node.control.gpu(0).error = pynvml.NVML_ERROR_GPU_IS_LOST
    node.run_until(101)
    before = node.calls.counts["nvml", "NVMLError_GpuIsLost"]

    node.run_until(220)

    failed = node.calls.counts["nvml", "NVMLError_GpuIsLost"] - before
    assert failed < 30  # 120 ticks; retries, and a look at the node every ten seconds


def test_a_long_gap_in_which_the_holder_changed_is_unmapped(node):
    """The shares in a minute without readings are unknown and not guessed.

    No segment of the first pod reaches into the gap: the energy there is missing, and is seen to.
    """
    node.start_pod("first", GPU_0)
    node.run_until(110)
    node.control.gpu(0).error = pynvml.NVML_ERROR_GPU_IS_LOST
    node.run_until(140)
    node.delete_pod("first")
    node.start_pod("second", GPU_0)
    node.run_until(170)

    node.control.gpu(0).error = 0
    node.run_until(240)

    gap = node.unallocated_joules(reason="unmapped")
    assert gap > 0.9 * node.true_joules(0, 110, 170)
    assert node.pod_joules("first") == 0
    start = node.value("lowtide_pod_segment_start_timestamp_seconds", pod="first")
    assert start >= node.unix(170)
    assert node.value("lowtide_pod_end_timestamp_seconds", pod="first") is not None
    assert is_conserved(node)


def test_a_counter_reset_counts_what_was_drawn_since(node):
    """The part between the last read and the restart is unknowable; nothing is negative."""
    node.start_pod("job", GPU_0)
    node.run_until(120)
    node.control.gpu(0).reset_at_seconds = 120.4

    node.run_until(130)

    assert node.value("lowtide_gpu_energy_resets_total", uuid=GPU_0) == 1
    lost = node.true_joules(0, 120, 120.4)
    drawn = node.true_joules(0, 101, 130)
    assert node.pod_joules("job") == pytest.approx(drawn - lost, rel=0.001)
    assert is_conserved(node)


def test_a_driver_reload_finds_every_gpu_again_by_uuid(node):
    """Indices swap on reload; energies must not."""
    node.control.set_trace(0, [(0, 100.0)])
    node.control.set_trace(1, [(0, 500.0)])
    node.start_pod("small", GPU_0)
    node.start_pod("large", GPU_1)
    node.run_until(120)

    node.control.reload_driver(order=[1, 0])
    node.run_until(140)

    assert node.pod_joules("small") == pytest.approx(100 * 39, rel=0.03)
    assert node.pod_joules("large") == pytest.approx(500 * 39, rel=0.03)
    assert node.value("lowtide_gpu_info", uuid=GPU_0, gpu="1") is not None
    assert node.value("lowtide_source_up", source="nvml") == 1
    assert is_conserved(node)


def test_an_unplugged_gpu_is_down_and_the_others_go_on(node):
    """Hot-unplug takes one device; its totals stay, its neighbour counts."""
    node.run_until(110)
    before = node.value("lowtide_gpu_energy_joules_total", uuid=GPU_0)

    node.control.list_gpus([1])
    node.run_until(130)

    assert node.value("lowtide_gpu_up", uuid=GPU_0) == 0
    assert node.value("lowtide_gpu_energy_joules_total", uuid=GPU_0) == before
    assert node.value("lowtide_gpu_energy_joules_total", uuid=GPU_1) > before


def test_a_stuck_counter_is_bridged_and_labelled(node):
    """Energy comes from power meanwhile, under its own quality; the catch-up counts once."""
    node.start_pod("job", GPU_0)
    node.run_until(110)
    gpu = node.control.gpu(0)
    gpu.stuck_from_seconds, gpu.stuck_until_seconds = 110.0, 150.0

    node.run_until(149)
    while_stuck = quality(node, GPU_0)
    node.run_until(200)

    assert while_stuck == "power_integrated"
    assert node.value("lowtide_gpu_energy_stuck_seconds_total", uuid=GPU_0) > 30
    assert node.pod_joules("job", quality="power_integrated") > 0
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 101, 200), rel=0.005)
    assert is_conserved(node)


def test_a_lying_counter_is_found_by_its_power(node):
    """187 J counted for 327 J drawn: after three windows of five minutes it is suspect."""
    node.control.gpu(0).gain = 187 / 327

    node.run_until(100 + 4 * 300 + 10)

    assert quality(node, GPU_0) == "suspect"
    assert quality(node, GPU_1) == "counter"
    ratio = node.value("lowtide_gpu_energy_power_ratio", uuid=GPU_0)
    assert ratio == pytest.approx(327 / 187, rel=0.01)


def test_a_gpu_without_counter_is_integrated_from_power(node):
    """NOT_SUPPORTED is not 0 J: power is integrated and the joules say so."""
    node.control.set_trace(0, [(0, 300.0)])
    node.control.gpu(0).energy_error = pynvml.NVML_ERROR_NOT_SUPPORTED
    node.start_pod("job", GPU_0)

    node.run_until(160)

    assert quality(node, GPU_0) == "power_integrated"
    assert node.pod_joules("job", quality="power_integrated") == pytest.approx(300 * 59)
    assert is_conserved(node)


def test_a_gpu_without_counter_and_power_has_no_energy_series(node):
    """Energy that cannot be measured is absent, not zero."""
    node.control.gpu(0).energy_error = pynvml.NVML_ERROR_NOT_SUPPORTED
    node.control.gpu(0).power_error = pynvml.NVML_ERROR_NOT_SUPPORTED

    node.run_until(110)

    assert node.value("lowtide_gpu_energy_joules_total", uuid=GPU_0) is None
    assert node.value("lowtide_gpu_energy_joules_total", uuid=GPU_1) > 0


def test_power_has_the_kinds_that_the_architecture_offers(node):
    """GA100 has no one-second average: only the instant is exported."""
    node.control.gpu(1).sensor = Sensor.GA100
    node.run_until(105)

    kinds = {
        (labels["uuid"], labels["kind"]) for labels, _ in node.series("lowtide_gpu_power_watts")
    }
    assert kinds == {(GPU_0, "average"), (GPU_0, "instant"), (GPU_1, "instant")}


def test_a_driver_that_is_not_there_is_one_log_line_and_a_metric(node, caplog):
    """A CPU-only node is still useful; retries back off."""
    node.control.set_init_error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    node.run_until(160)

    assert node.value("lowtide_source_up", source="nvml") == 0
    assert node.value("lowtide_source_age_seconds", source="nvml") is None
    assert caplog.text.count("source nvml is down") == 1
    assert node.calls.counts["nvmlInit", "NVMLError_DriverNotLoaded"] < 10


def test_a_driver_that_comes_later_is_found(node):
    """The exporter may start before the driver's module is loaded."""
    node.control.set_init_error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
    node.run_until(110)

    node.control.set_init_error(0)
    node.run_until(180)

    assert node.value("lowtide_source_up", source="nvml") == 1
    assert len(node.series("lowtide_gpu_info")) == 2


def test_a_slow_driver_costs_energy_nothing(node):
    """Every call takes 30 ms: the counter carries what passed between the reads."""
    node.control.set_latency(0.03)
    node.start_pod("job", GPU_0)
    node.tick()
    start = node.control.now_seconds()

    for _ in range(20):
        node.control.set_clock(node.control.now_seconds() + 1.0)
        node.tick()

    drawn = node.true_joules(0, start, node.control.now_seconds())
    assert node.pod_joules("job") == pytest.approx(drawn, rel=0.02)
    assert node.calls.seconds["nvml"] > 0


def test_one_fields_call_per_gpu_and_tick(node):
    """Every NVML call takes a lock that the workload needs."""
    node.run_until(105)
    before = node.control.calls

    node.run_until(109)

    assert node.control.calls - before == 4 * 2


@pytest.mark.slow
def test_two_hours_with_a_reload_and_a_lost_gpu_conserve_energy(make_node):
    """Eight GPUs, a pod on each, faults in between: to the millijoule."""
    node = make_node(gpus=8)
    for index in range(8):
        node.start_pod(f"pod-{index}", gpu_uuid(index))
    node.run_until(2000, step=10)
    node.control.gpu(3).error = pynvml.NVML_ERROR_GPU_IS_LOST
    node.run_until(2600, step=10)
    node.control.gpu(3).error = 0
    node.run_until(4000, step=10)
    node.control.reload_driver()
    node.run_until(7300, step=10)

    assert is_conserved(node)
    device = sum(value for _, value in node.series("lowtide_gpu_energy_joules_total"))
    truth = sum(node.true_joules(index, 110, 7300) for index in range(8))
    assert device == pytest.approx(truth, rel=0.003)  # one read is lost in the reload


def test_a_read_while_the_driver_is_away_raises_a_source_error(node):
    """The message names NVML; nothing else is disturbed."""
    node.control.set_init_error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    with pytest.raises(SourceError, match="NVML: cannot open the driver"):
        node.meters.read(0.0)


def test_numbers_that_no_gpu_can_give_are_not_known(node):
    """A negative counter, a power of NaN or a megawatt: absent, and nothing breaks."""
    node.run_until(110)
    read, wrong = node.meters.read, iter((-1, -1, -1))

    def lie(at):
        first, *others = read(at)
        garbage = replace(
            first, counter_millijoules=next(wrong), average_watts=math.nan, instant_watts=1e6
        )
        return (garbage, *others)

    node.meters.read = lie
    node.run_until(113)
    watts = node.value("lowtide_gpu_power_watts", uuid=GPU_0, kind="average")
    node.meters.read = read
    node.run_until(120)

    assert watts is None
    assert node.value("lowtide_gpu_energy_joules_total", uuid=GPU_0) == pytest.approx(
        node.true_joules(0, 101, 120), rel=0.01
    )
    assert node.value("lowtide_gpu_energy_resets_total", uuid=GPU_0) == 0
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0
