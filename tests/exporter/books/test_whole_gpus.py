"""Whole GPUs: energy per pod against the closed-form truth, and the life of a pod's series."""

import random
from collections import defaultdict
from dataclasses import replace

import pynvml
import pytest
from standins.nvml.control import gpu_uuid

from lowtide_exporter.readings import PodRecord

GPU_0, GPU_1 = gpu_uuid(0), gpu_uuid(1)
IDLE_WATTS, BUSY_WATTS = 75.0, 600.0


def give_job_shape(node, start, end, gpu=0):
    """Draw the idle floor, then the load of a job between `start` and `end`."""
    node.control.set_trace(gpu, [(0.0, IDLE_WATTS), (start, BUSY_WATTS), (end, IDLE_WATTS)])


def run_job(node, start, end, finished_at=None, until=None):
    """Run a pod on GPU 0 that starts and ends between two ticks."""
    node.run_until(int(start))
    node.start_pod("job", GPU_0)
    node.run_until(int(end))
    node.end_pod("job", finished_at)
    node.run_until(until or int(end) + 5)


def test_a_75_second_job_is_within_a_thousandth_of_the_truth(make_node):
    """Twelve phases of start and end against the tick; the truth is what the GPU drew meanwhile."""
    errors = []
    phases = random.Random(4711)
    for _ in range(12):
        node = make_node(gpus=1)
        start = 130.0 + phases.random()
        end = start + 75.0
        give_job_shape(node, start, end)

        run_job(node, start, end)

        truth = BUSY_WATTS * 75.0
        errors.append(node.pod_joules("job") / truth - 1)
    assert abs(sum(errors) / len(errors)) < 0.0005
    assert max(map(abs, errors)) < 0.001


def test_a_two_hour_job_is_within_a_fiftieth_of_a_percent(make_node):
    """0.02 percent of two hours at 600 W is 864 J: eleven seconds of the floor."""
    node = make_node(gpus=1)
    give_job_shape(node, 130.4, 7330.4)

    node.run_until(130)
    node.start_pod("job", GPU_0)
    node.run_until(7330, step=5.0)
    node.end_pod("job")
    node.run_until(7340)

    assert node.pod_joules("job") == pytest.approx(BUSY_WATTS * 7200, rel=0.0002)


def test_energy_of_the_last_second_is_not_lost(node):
    """A job that ends inside an interval keeps what it drew there (the newer answer lacks it)."""
    give_job_shape(node, 120.0, 180.9)
    node.run_until(120)
    node.start_pod("job", GPU_0)
    node.run_until(180)
    before = node.pod_joules("job", part="active")

    node.end_pod("job")
    node.run_until(181)

    drawn = (BUSY_WATTS - IDLE_WATTS) * 0.9
    assert node.pod_joules("job", part="active") - before == pytest.approx(drawn, rel=1e-3)


def test_pods_and_unallocated_add_up_to_the_device(node):
    """The sums agree to the millijoule, and the residual says so."""
    node.run_until(120)
    node.start_pod("first", GPU_0)
    node.start_pod("second", GPU_1)
    node.run_until(150.7, step=0.7)
    node.end_pod("first")
    node.run_until(200)

    device = sum(value for _, value in node.series("lowtide_gpu_energy_joules_total"))
    pods = node.pod_joules("first") + node.pod_joules("second")
    assert round(1000 * device) == round(1000 * (pods + node.unallocated_joules()))
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_a_pod_is_shown_at_zero_before_it_has_used_anything(node):
    """Prometheus needs a first sample of zero: the step from nothing is invisible to it."""
    node.run_until(110)

    node.start_pod("job", GPU_0)
    node.pods.pods[0]  # known to the API server before the first interval ends
    node.tick()

    series = {
        labels["part"]: value for labels, value in node.series("lowtide_pod_energy_joules_total")
    }
    assert series == {"active": 0.0, "idle_held": 0.0}
    assert node.value("lowtide_pod_segment_start_timestamp_seconds") == node.unix(110)


def test_a_pod_present_at_the_start_counts_from_the_first_reading(node):
    """What it drew before the exporter came is unknown: the segment starts at the first tick."""
    node.start_pod("job", GPU_0)

    node.tick()
    node.run_until(110)

    assert node.value("lowtide_pod_segment_start_timestamp_seconds") == node.unix(100)
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 100, 110), abs=1e-3)


def test_idle_energy_of_a_held_gpu_is_the_holders(node):
    """A pod that holds a GPU and does nothing pays the floor, as idle_held."""
    node.control.set_trace(0, [(0.0, IDLE_WATTS)])
    node.run_until(120)

    node.start_pod("sleeper", GPU_0)
    node.tick()
    node.run_until(130)

    assert node.pod_joules("sleeper", part="idle_held") == pytest.approx(750, abs=0.1)
    assert node.pod_joules("sleeper", part="active") == pytest.approx(0, abs=0.1)
    assert node.value("lowtide_pod_gpu_held_seconds_total", pod="sleeper") == pytest.approx(10)


def test_a_finished_pod_gets_its_end_marked_and_never_changes_again(node):
    """The marker comes one tick after the end; from then on the values are frozen."""
    node.run_until(120)
    node.start_pod("job", GPU_0)
    node.run_until(150)
    node.end_pod("job", finished_at=node.unix(149))
    node.run_until(151)
    assert node.value("lowtide_pod_end_timestamp_seconds") is None

    node.run_until(153)
    final = node.pod_joules("job")
    node.run_until(250)

    assert node.value("lowtide_pod_end_timestamp_seconds", pod="job") == node.unix(149)
    assert node.pod_joules("job") == final
    assert node.value("lowtide_pod_gpu_share_ratio", pod="job") is None


def test_a_finished_pod_is_kept_and_then_retired_into_the_balance(make_node):
    """After the retention time its series go; its energy stays in the retired sum."""
    node = make_node(gpus=1, retention_seconds=60)
    node.run_until(120)
    node.start_pod("job", GPU_0)
    node.run_until(150)
    node.end_pod("job")
    node.run_until(153)
    final = node.pod_joules("job")

    node.run_until(210)
    kept = node.pod_joules("job")
    node.run_until(220)

    assert kept == final > 0
    assert node.series("lowtide_pod_energy_joules_total") == []
    assert node.value("lowtide_node_retired_energy_joules_total", component="gpu") == final
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_too_many_finished_pods_push_out_the_oldest(make_node):
    """The bound holds, the oldest go first, evictions are counted, no joule is lost."""
    node = make_node(gpus=1, retained_max=2)
    for name in ("a", "b", "c"):
        node.start_pod(name, GPU_0)
        node.run_until(node.seconds + 5)
        node.end_pod(name)
        node.run_until(node.seconds + 5)

    names = {labels["pod"] for labels, _ in node.series("lowtide_pod_energy_joules_total")}
    assert names == {"b", "c"}
    assert node.value("lowtide_retained_pods_evicted_total") == 1
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_a_reused_name_is_another_pod(node):
    """StatefulSet pods keep their name: the UID keeps their energy apart."""
    node.start_pod("train-0", GPU_0, uid="first")
    node.run_until(110)
    node.delete_pod("train-0")
    node.start_pod("train-0", GPU_0, uid="second")
    node.run_until(120)

    by_uid = {
        labels["pod_uid"]: value
        for labels, value in node.series("lowtide_pod_energy_joules_total")
        if labels["part"] == "active"
    }
    assert by_uid["first"] == pytest.approx(node.true_joules(0, 101, 110.5), rel=0.06)
    assert by_uid["second"] == pytest.approx(node.true_joules(0, 110.5, 120), rel=0.06)


@pytest.mark.parametrize("step", [-3600.0, -7.0, 7.0, 3600.0])
def test_a_clock_that_was_set_gives_a_returned_name_no_old_uid(node, step):
    """The API server is away when the name returns: its record is of the pod that left.

    That pod began at 100 s by the old clock. Set back, the node's clock makes it look younger than
    the departure, so no time may be compared across the step.
    """
    node.start_pod("train-0", GPU_0, uid="first")
    record = replace(node.pods.pods[0], started_at=node.unix(100))
    node.pods.pods = (record,)
    node.run_until(110)
    node.pods.is_up = False
    node.clock_ahead = step
    node.run_until(130)
    node.owners.table = ()
    node.run_until(133)
    node.allocate("train-0", GPU_0)
    node.run_until(150)
    node.pods.is_up = True
    node.pods.pods = (replace(record, uid="second", started_at=node.unix(133) + step),)
    node.run_until(160)

    by_uid = defaultdict(float)
    for labels, value in node.series("lowtide_pod_energy_joules_total"):
        by_uid[labels["pod_uid"]] += value
    assert by_uid["first"] == pytest.approx(node.true_joules(0, 100, 130.5), rel=0.06)
    assert by_uid["second"] == pytest.approx(node.true_joules(0, 133.5, 160), rel=0.06)


def test_what_a_counter_brings_late_goes_to_no_later_holder(node):
    """Unreadable for a minute, in which another pod takes the GPU; power stands in meanwhile.

    The power reading misses a fifth, so the counter brings the rest when it is back. The second pod
    gets what was drawn while it held the GPU, and none of what was missed of the first one.
    """
    gpu = node.control.gpu(0)
    gpu.gain = 1.25
    node.start_pod("first", GPU_0)
    node.run_until(110)
    gpu.energy_error = pynvml.NVML_ERROR_UNKNOWN
    node.run_until(160)
    node.end_pod("first")
    node.run_until(162)
    node.start_pod("second", GPU_0)
    node.run_until(165)
    gpu.energy_error = 0
    node.run_until(200)

    assert node.pod_joules("second") <= 1.001 * 1.25 * node.true_joules(0, 161.5, 200)
    assert node.unallocated_joules(component="gpu", reason="unmapped") > 0
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_a_terminal_pod_still_listed_does_not_hold_its_device(node):
    """The kubelet may list a finished pod beside the next holder of its GPU."""
    node.start_pod("old", GPU_0)
    node.run_until(110)
    node.end_pod("old")
    node.allocate("old", GPU_0)
    node.start_pod("new", GPU_0)

    node.run_until(111)
    old = node.pod_joules("old")
    node.run_until(120)

    assert node.pod_joules("old") == old
    assert node.value("lowtide_pod_gpu_share_ratio", pod="new") == 1


def test_energy_waits_for_a_uid_that_is_not_known_yet(node):
    """The kubelet is often first: nothing is shown until the UID is known, nothing is lost."""
    node.run_until(110)
    node.allocate("job", GPU_0)
    node.run_until(113)
    hidden = node.series("lowtide_pod_energy_joules_total")

    node.start_pod("job", uid="late")
    node.run_until(115)

    assert hidden == []
    uids = {labels["pod_uid"] for labels, _ in node.series("lowtide_pod_energy_joules_total")}
    assert uids == {"late"}
    # The idle floor is not learnt yet, so half of the interval in which the pod came is free.
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 110.5, 115), rel=0.01)


def test_without_an_api_server_pods_end_by_absence(make_node):
    """Degraded: no UID, the end comes thirty seconds after the kubelet last listed the pod."""
    node = make_node(gpus=1)
    node.pods.pods = None
    node.pods.is_up = False
    node.allocate("job", GPU_0)
    node.run_until(120)
    node.owners.table = ()
    node.run_until(145)
    early = node.value("lowtide_pod_end_timestamp_seconds")
    node.run_until(160)

    assert early is None
    assert node.value("lowtide_pod_end_timestamp_seconds", pod="job", pod_uid="") == node.unix(120)
    assert node.value("lowtide_source_up", source="api") == 0


def test_without_a_uid_a_reused_name_opens_a_new_account(make_node):
    """The first pod's final values stay as they are; its successor starts at zero."""
    node = make_node(gpus=1)
    node.pods.pods = None
    node.allocate("train-0", GPU_0)
    node.run_until(120)
    node.owners.table = ()
    node.run_until(160)
    node.allocate("train-0", GPU_0)
    node.run_until(170)

    starts = node.series("lowtide_pod_segment_start_timestamp_seconds")
    assert [value for _, value in starts] == [node.unix(160), node.unix(101)]
    assert [labels["pod_uid"] for labels, _ in starts] == ["2", ""]
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_a_silent_kubelet_costs_nothing_where_the_holder_stays(node):
    """36 s without an answer: the energy waits, and belongs to the pod that is named again.

    The pod is not shown meanwhile: samples would say that everything was counted up to them.
    """
    node.start_pod("job", GPU_0)
    node.run_until(110)
    start = node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job")
    node.owners.table = None

    node.run_until(146)
    hidden = node.series("lowtide_pod_energy_joules_total")
    age = node.value("lowtide_source_age_seconds", source="kubelet")
    node.allocate("job", GPU_0)
    node.run_until(180)

    assert hidden == []
    assert age == pytest.approx(36)
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 101, 180), rel=0.001)
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job") == start
    assert node.unallocated_joules(reason="unmapped") == 0


def test_an_end_that_was_told_while_the_kubelet_was_silent_is_remembered(node):
    """The pod ends in second 200 and is deleted at once; the kubelet answers again at 203.

    A load of 30 W above the floor does not show how long it ran. The end lies in the second from
    200 on, its middle is 1.5 s after the last answer: 1.5 s of the floor of 70 W and 30 J.
    """
    node.control.set_trace(0, [(0.0, 70.0), (130.0, 100.0), (200.0, 70.0)])
    node.run_until(130)
    node.start_pod("job", GPU_0)
    node.run_until(199)
    before = node.pod_joules("job")

    node.end_pod("job", finished_at=node.unix(200.0))
    node.owners.table = None
    node.run_until(201)
    node.pods.pods = ()
    node.run_until(202)
    node.owners.table = ()
    node.run_until(203)

    assert node.pod_joules("job") - before == pytest.approx(1.5 * 70.0 + 30.0, abs=0.1)


def test_a_silence_that_hides_a_change_of_holder_is_unmapped(node):
    """The time of the change in 20 s is unknown, and powers differ. Both begin a new segment."""
    node.start_pod("first", GPU_0)
    node.run_until(110)
    node.owners.table = None
    node.run_until(130)
    node.owners.table = ()
    node.delete_pod("first")
    node.start_pod("second", GPU_0)

    node.run_until(160)

    assert node.unallocated_joules(reason="unmapped") == pytest.approx(
        node.true_joules(0, 110, 131), rel=0.001
    )
    assert node.pod_joules("first") == 0
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="first") >= node.unix(131)
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="second") == node.unix(131)
    assert node.pod_joules("second") == pytest.approx(node.true_joules(0, 131, 160), rel=0.001)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_energy_does_not_wait_for_a_kubelet_without_end(make_node):
    """After the longest silence the energy is unmapped, and the node's sums go on."""
    node = make_node(silence_max_seconds=40.0)
    node.start_pod("job", GPU_0)
    node.run_until(110)
    node.owners.table = None

    node.run_until(170)
    unmapped = node.unallocated_joules(reason="unmapped")
    node.allocate("job", GPU_0)
    node.run_until(190)

    assert unmapped == pytest.approx(
        node.true_joules(0, 110, 170) + node.true_joules(1, 110, 170), rel=0.01
    )
    start = node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job")
    assert start == node.unix(171)
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 171, 190), rel=0.01)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_ticks_between_two_mapping_answers_lose_nothing(make_node):
    """Ten reads a second, one mapping a second: the energy waits for the answer."""
    node = make_node(gpus=1)
    node.loop = node.make_loop(period_seconds=0.1, mapping_period_seconds=1.0)
    give_job_shape(node, 120.35, 180.65)
    node.run_until(120.3, step=0.1)
    node.start_pod("job", GPU_0)
    node.run_until(180.6, step=0.1)
    node.end_pod("job")
    node.run_until(185, step=0.1)

    assert node.pod_joules("job", part="active") == pytest.approx(60.3 * 525, rel=0.001)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_hostile_names_are_labels_and_nothing_else(node):
    """Names are data: quotes, newlines and braces must not break the page."""
    name = 'x"} 1\nlowtide_gpu_up{uuid="'
    node.start_pod(name, GPU_0, uid='u"\\', namespace="n\n")

    node.run_until(105)

    assert node.pod_joules(name) > 0


def test_unknown_device_ids_are_reported_and_ignored(node, caplog):
    """A device of another vendor's plugin, or a path, belongs to no GPU of ours."""
    node.start_pod("odd", "amd0", "GPU-not-here", "::::", "")

    node.run_until(105)

    assert node.pod_joules("odd") == 0
    assert "device ids of no known GPU" in caplog.text
    assert caplog.text.count("device ids of no known GPU") == 1


def test_a_gpu_named_by_its_device_node_is_that_gpu(node):
    """GKE's device plugin names /dev/nvidia1 instead of a UUID."""
    node.start_pod("job", "nvidia1")

    node.run_until(105)

    assert node.value("lowtide_pod_gpu_share_ratio", pod="job", uuid=gpu_uuid(1)) == 1


def test_unallocated_energy_is_shown_at_zero_before_there_is_any(node):
    """A counter that appears with a value has lost its first step to every rate."""
    node.tick()

    shown = {
        (labels["component"], labels["part"], labels["reason"]): value
        for labels, value in node.series("lowtide_node_unallocated_energy_joules_total")
    }
    assert shown == {
        ("gpu", part, reason): 0.0
        for part in ("active", "idle_held")
        for reason in ("free", "foreign", "unmapped")
    }


def test_no_series_without_uid_comes_and_goes_at_the_start(make_node):
    """The API server answers a moment after the kubelet: the first scrape waits for the UID."""
    node = make_node(expects_uids=True)
    node.pods.pods = None
    node.allocate("job", GPU_0)
    node.run_until(103)
    early = node.series("lowtide_pod_energy_joules_total")
    node.pods.pods = (PodRecord(namespace="ml", name="job", uid="uid-job"),)
    node.run_until(110)

    assert early == []
    assert {labels["pod_uid"] for labels, _ in node.series("lowtide_pod_energy_joules_total")} == {
        "uid-job"
    }
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 101, 110), rel=0.02)


def test_an_api_server_that_never_answers_hides_no_pod_for_long(make_node):
    """After a quarter of a minute a pod without UID is better than none."""
    node = make_node(expects_uids=True)
    node.pods.pods = None
    node.allocate("job", GPU_0)
    node.run_until(120)

    assert node.pod_joules("job", pod_uid="") > 0


def test_energy_before_the_first_mapping_answer_is_not_lost(make_node):
    """A driver that comes between two answers: what its GPUs drew until the next is unmapped."""
    node = make_node(gpus=1)
    node.loop = node.make_loop(period_seconds=0.1, mapping_period_seconds=5.0)
    node.control.set_init_error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
    node.run_until(101, step=0.1)
    node.control.set_init_error(0)
    node.run_until(120, step=0.1)

    assert node.unallocated_joules(reason="unmapped") > 0
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0
