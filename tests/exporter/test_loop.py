"""The loop: sources that fail in unforeseen ways, ticks that hang, and never in step."""

import dataclasses
import threading
from itertools import pairwise

import pytest
from standins.nvml.control import gpu_uuid

from lowtide.meters.errors import SourceError
from lowtide.meters.interfaces import HostMeters
from lowtide.meters.readings import HostUse
from lowtide.ownership import OwnerReference
from lowtide_exporter.page.server import Renderer
from lowtide_exporter.source_watch import SourceWatch

GPU_0 = gpu_uuid(0)


class Broken:
    """A source with a bug: whatever is called fails with an error of no known kind."""

    def __init__(self):
        self.close = lambda: None

    def __getattr__(self, name):
        def fail(*_):
            raise ZeroDivisionError(f"a bug in {name}")

        return fail


def source_up(node, source):
    return node.value("lowtide_source_up", source=source)


def test_a_bug_in_the_kubelets_answer_takes_nothing_else_down(node):
    """Energy is still read; the source is down and the reason is in the log."""
    node.owners = Broken()
    node.loop = node.make_loop(period_seconds=1.0)

    node.run_until(105)

    assert source_up(node, "kubelet") == 0
    assert source_up(node, "nvml") == 1
    assert node.unallocated_joules(reason="unmapped") > 0


def test_a_bug_in_the_gpu_meters_leaves_the_cpus_measured(node, caplog):
    """One line in the log, and the other sources go on."""
    meters, node.meters = node.meters, Broken()
    host = HostMeters(Broken(), Broken())
    node.loop = node.make_loop(period_seconds=1.0, host=host, host_period_seconds=1.0)

    node.run_until(110)
    node.meters = meters

    assert source_up(node, "nvml") == 0
    assert source_up(node, "rapl") == 0
    assert source_up(node, "kubelet") == 1
    assert caplog.text.count("ZeroDivisionError('a bug in read')") == 2  # NVML's and RAPL's


def test_a_bug_in_the_measurement_of_shared_gpus_leaves_the_static_rule(node, caplog):
    """Said once; energy is counted as without activity."""
    node.start_pod("job", GPU_0)
    node.loop = node.make_loop(period_seconds=1.0, activity=Broken())

    node.run_until(110)

    assert node.pod_joules("job") > 0
    assert caplog.text.count("shared GPUs cannot be measured") == 1


def test_a_kubelet_that_cannot_tell_replicas_still_tells_holders(node, caplog):
    """Old kubelets refuse GetAllocatableResources: the replicas held are those that are counted."""

    def refuse():
        raise SourceError("kubelet: GetAllocatableResources failed: UNIMPLEMENTED")

    node.owners.advertised_replicas = refuse
    node.start_pod("a", f"{GPU_0}::0")
    node.start_pod("b", f"{GPU_0}::1")

    node.run_until(180)

    assert source_up(node, "kubelet") == 1
    assert node.value("lowtide_pod_gpu_share_ratio", pod="a") == 0.5
    assert node.pod_joules("a") > 0
    assert caplog.text.count("those held are counted") == 1


def test_a_tick_that_hangs_in_the_driver_is_seen_on_the_page(node):
    """The driver's lock is held for a minute: ages grow, the lag is told, the sources are down."""
    entered, release, stop = threading.Event(), threading.Event(), threading.Event()
    node.run_until(105)
    read = node.meters.read

    def hang(at):
        entered.set()
        assert release.wait(240)
        return read(at)

    node.meters.read = hang
    moments = iter((0.0, 1.0, 60.0))
    renderer = Renderer(node.loop.snapshot, lambda: node.loop.ticks, lambda: next(moments))
    renderer.render("", [], compress=False)
    runner = threading.Thread(target=node.loop.run, args=(stop,))
    runner.start()
    assert entered.wait(240)
    at_first = renderer.render("", [], compress=False)[1].decode()
    node.control.set_clock(165.0)

    page = renderer.render("", [], compress=False)[1].decode()
    stop.set()
    release.set()
    runner.join(240)

    assert 'lowtide_source_up{source="nvml"} 1.0' in at_first
    assert 'lowtide_source_up{source="nvml"} 0.0' in page
    assert 'lowtide_source_age_seconds{source="nvml"} 60.0' in page
    assert "lowtide_poll_lag_seconds 60.0" in page


def test_ticks_are_never_in_step_with_a_sensor(node):
    """Each comes up to a tenth of a period late, by chance, and none makes the next one late."""
    waits, draws = [], iter((0.0, 1.0, 0.5))

    class Stop:
        is_set = staticmethod(lambda: len(waits) == 3)

        def wait(self, seconds):
            waits.append(seconds)
            node.control.set_clock(node.control.now_seconds() + seconds)

    node.loop = node.make_loop(period_seconds=1.0, jitter=lambda: next(draws))
    node.loop.run(Stop())

    assert waits == [pytest.approx(1.0), pytest.approx(1.1), pytest.approx(0.95)]


def test_missing_cpu_meters_are_looked_for_every_minute_at_least(node):
    """A counter of CPU energy may wrap in six minutes: no longer pause than one."""
    asked = []

    class Failing:
        def read(self, now):
            asked.append(now)
            raise SourceError("RAPL: away")

    host = HostMeters(Failing(), Broken())
    node.loop = node.make_loop(period_seconds=1.0, host=host, host_period_seconds=30.0)
    node.run_until(400)

    assert max(b - a for a, b in pairwise(asked)) == pytest.approx(60)


def test_the_use_of_cpus_is_read_twice_a_second_at_most(node):
    """At ten ticks a second a file per pod would be most of what the exporter costs."""
    asked = []

    class Zones:
        def read(self, now):
            return ()

    class Use:
        def read(self, now):
            asked.append(now)
            return HostUse(pods={}, busy_seconds=0.0, cores=2, memory_bytes=1)

    node.loop = node.make_loop(period_seconds=0.1, host=HostMeters(Zones(), Use()))
    node.run_until(110, step=0.1)

    assert min(b - a for a, b in pairwise(asked)) >= 0.5
    assert len(asked) >= 16


@pytest.mark.slow
def test_a_source_that_appears_during_a_scrape_does_not_break_it():
    """The loop notes sources while scrapes read them."""
    watch = SourceWatch()
    stop = threading.Event()

    def note():
        number = 0
        while not stop.is_set():
            number += 1
            watch.note(f"source-{number % 5000}", float(number))

    writer = threading.Thread(target=note)
    writer.start()
    try:
        for _ in range(60):
            assert all(status.is_up for status in watch.statuses(0.0).values())
    finally:
        stop.set()
        writer.join()


class _KnownOwners:
    """Top owners by the controller's uid; what is not there is not known yet."""

    def __init__(self, known):
        self.known = known

    def of(self, namespace, controller):
        return self.known.get(controller.uid)


def test_a_pod_is_shown_under_its_top_owner_also_when_it_is_known_after_the_end(node):
    """The look-up of a pod of seconds may take longer than the pod; its series stays the same."""
    job = OwnerReference("batch", "v1", "Job", "net-w-0", "u-job")
    trainjob = OwnerReference("trainer.kubeflow.org", "v1alpha1", "TrainJob", "net", "u-tj")
    owners = _KnownOwners({})
    node.loop = node.make_loop(period_seconds=1.0, top_owners=owners)
    node.start_pod("short", gpu_uuid(0))
    node.pods.pods = tuple(dataclasses.replace(pod, controller=job) for pod in node.pods.pods)
    node.run_until(105)
    assert node.value("lowtide_pod_owner_info", pod="short", owner_kind="") == 1

    node.pods.pods = tuple(dataclasses.replace(pod, is_terminal=True) for pod in node.pods.pods)
    node.owners.table = ()
    node.run_until(115)
    assert node.value("lowtide_pod_end_timestamp_seconds", pod="short") is not None
    owners.known = {"u-job": trainjob}
    node.run_until(117)

    ((labels, _),) = node.series("lowtide_pod_owner_info")
    assert (labels["owner_kind"], labels["owner_name"]) == ("TrainJob", "net")
    assert labels["owner_uid"] == "u-tj"
