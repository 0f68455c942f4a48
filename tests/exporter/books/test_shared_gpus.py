"""MIG, time-slicing and MPS: shares by size and load, whole energy conserved."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pynvml
import pytest
from standins.nvml.control import gpu_uuid

from lowtide.meters.dcgm import DcgmPage, parse_activity
from lowtide.meters.errors import MalformedAnswerError, SourceError
from lowtide_exporter.activity import ActivityReader

GPU_0 = gpu_uuid(0)
UID_A, UID_B = (f"0000000{i}-0000-4000-8000-000000000000" for i in (1, 2))


class Page:
    """A DCGM page that a test sets; None means that it does not come."""

    def __init__(self):
        self.activity = {}

    def read(self, _):
        if self.activity is None:
            raise SourceError("DCGM: no page")
        return self.activity


@pytest.fixture
def shared(make_node, tmp_path):
    """A node with one GPU, process ids below a procfs tree, and a DCGM page."""
    node = make_node(gpus=1)
    node.page, node.procfs = Page(), tmp_path / "proc"

    def attach(mps=()):
        reader = ActivityReader(
            processes=node.meters,
            dcgm=node.page,
            procfs=str(node.procfs),
            mps_gpus=frozenset(mps),
            process_period_seconds=5.0,
        )
        node.loop = node.make_loop(period_seconds=1.0, activity=reader)

    attach()
    node.attach = attach
    return node


def add_process(node, pid, uid=None):
    """Make a host process, in a pod's cgroup or outside."""
    directory = node.procfs / str(pid)
    directory.mkdir(parents=True)
    pod = f"kubepods-pod{uid.replace('-', '_')}.slice/cri-containerd-1.scope" if uid else "ssh"
    (directory / "cgroup").write_text(f"0::/kubepods.slice/{pod}\n")


def conserved(node):
    return node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def learn_floor(node, idle, busy, at=120.0):
    """Draw the floor until `at`, the load from then on; the floor is learnt meanwhile."""
    node.control.set_trace(0, [(0.0, idle), (at, busy)])
    node.run_until(at)


class TestTimeSlicing:
    """Replicas of one GPU, as `GPU-uuid::N`."""

    def start(self, node, idle=80.0, busy=480.0):
        learn_floor(node, idle, busy)
        node.owners.replicas = {GPU_0: 4}
        node.start_pod("a", f"{GPU_0}::0", uid=UID_A)
        node.start_pod("b", f"{GPU_0}::1", uid=UID_B)

    def test_active_energy_follows_the_processes(self, shared):
        """60 and 20 percent of the SMs: 3 to 1 of 400 W; each holds a quarter of the 80 W floor.

        Over 100 s: a gets 30,000 J active and 2,000 J idle, b 10,000 J and 2,000 J.
        """
        add_process(shared, 11, UID_A)
        add_process(shared, 12, UID_B)
        self.start(shared)
        shared.control.set_processes(0, [(11, 60), (12, 20)])
        shared.run_until(130)
        before = {name: shared.pod_joules(name) for name in "ab"}

        shared.run_until(230)

        gained = {name: shared.pod_joules(name) - before[name] for name in "ab"}
        assert gained["a"] == pytest.approx(32_000, rel=0.02)
        assert gained["b"] == pytest.approx(12_000, rel=0.02)
        assert shared.pod_joules("a", method="sm_share", part="active") > 0
        assert conserved(shared)

    def test_the_share_of_a_process_outside_pods_goes_to_no_pod(self, shared):
        """A process of the host uses the GPU beside the pods: its share is foreign, not theirs."""
        for pid, uid in ((11, UID_A), (12, UID_B), (13, None)):
            add_process(shared, pid, uid)
        self.start(shared)
        shared.control.set_processes(0, [(11, 25), (12, 25), (13, 50)])
        shared.run_until(130)
        before = shared.unallocated_joules(reason="foreign")

        shared.run_until(230)

        foreign = shared.unallocated_joules(reason="foreign") - before
        assert foreign == pytest.approx(20_000, rel=0.02)
        assert conserved(shared)

    def test_without_host_process_ids_shares_are_equal(self, shared):
        """The ids that NVML gives are not in our /proc: nothing is concluded from them."""
        self.start(shared)
        shared.control.set_processes(0, [(11, 60), (12, 20)])
        shared.run_until(230)

        a, b = shared.pod_joules("a"), shared.pod_joules("b")
        assert a == pytest.approx(b, rel=0.02)
        assert shared.pod_joules("a", method="sm_share") == 0

    def test_without_uids_of_the_pods_shares_are_equal(self, shared):
        """Processes are found by UID: without an API server they must not look like strangers'."""
        add_process(shared, 11, UID_A)
        add_process(shared, 12, UID_B)
        shared.pods.pods = None
        learn_floor(shared, 80.0, 480.0)
        shared.control.set_processes(0, [(11, 60), (12, 20)])
        shared.owners.replicas = {GPU_0: 4}
        shared.allocate("a", f"{GPU_0}::0")
        shared.allocate("b", f"{GPU_0}::1")

        shared.run_until(230)

        a, b = shared.pod_joules("a", part="active"), shared.pod_joules("b", part="active")
        assert a == pytest.approx(b, rel=0.02)
        assert 400 * 105 <= a + b <= 400 * 110  # the last five seconds may still wait
        assert shared.unallocated_joules(reason="foreign") == 0

    def test_a_pods_idle_bill_does_not_depend_on_its_neighbours(self, shared):
        """One of four replicas costs a quarter of the floor, alone or not; the rest is free."""
        learn_floor(shared, 80.0, 80.0)
        shared.owners.replicas = {GPU_0: 4}
        shared.start_pod("a", f"{GPU_0}::0", uid=UID_A)
        shared.run_until(121)
        before = shared.pod_joules("a", part="idle_held")
        shared.run_until(171)
        alone = shared.pod_joules("a", part="idle_held") - before
        shared.start_pod("b", f"{GPU_0}::1", uid=UID_B)
        shared.run_until(172)
        before = shared.pod_joules("a", part="idle_held")
        shared.run_until(372)

        beside = shared.pod_joules("a", part="idle_held") - before
        assert alone == pytest.approx(1000)
        assert beside == pytest.approx(4000, rel=0.03)  # the last five seconds may still wait
        assert shared.value("lowtide_pod_gpu_share_ratio", pod="a") == 0.25

    def test_clients_of_mps_are_never_asked_for(self, shared):
        """They share one context: SM shares would be blurred, so active energy is equal."""
        shared.attach(mps=("all",))
        add_process(shared, 11, UID_A)
        shared.control.set_processes(0, [(11, 60)])
        self.start(shared)
        shared.run_until(230)

        assert shared.pod_joules("a") == pytest.approx(shared.pod_joules("b"), rel=0.02)

    def test_process_lists_are_asked_for_rarely(self, shared):
        """Every five seconds, and only while the GPU is shared."""
        shared.run_until(130)
        alone = shared.control.calls
        shared.run_until(140)
        plain = shared.control.calls - alone
        self.start(shared)
        shared.run_until(150)
        before = shared.control.calls
        shared.run_until(170)

        assert shared.control.calls - before <= 2 * plain + 2 * 4 + 10


class TestMig:
    """Instances of one GPU with 132 multiprocessors."""

    def start(self, node):
        learn_floor(node, 100.0, 600.0)
        node.control.set_instances(0, [(7, 1, 16), (1, 4, 64)])
        node.small = node.control.instance_uuid(0, 0)
        node.large = node.control.instance_uuid(0, 1)
        node.start_pod("small", node.small, uid=UID_A)
        node.start_pod("large", node.large, uid=UID_B)
        node.run_until(135)

    def gain(self, node, seconds=100):
        before = {name: node.pod_joules(name) for name in ("small", "large")}
        node.run_until(node.seconds + seconds)
        return {name: node.pod_joules(name) - before[name] for name in before}

    def test_without_activity_size_decides(self, shared):
        """16 and 64 SM: 500 W active is 20:80; the floor goes by 16 and 64 of 132.

        Over 100 s: 10,000 + 1,212 J and 40,000 + 4,848 J.
        """
        self.start(shared)

        gained = self.gain(shared)

        assert gained["small"] == pytest.approx(10_000 + 10_000 * 16 / 132, rel=0.001)
        assert gained["large"] == pytest.approx(40_000 + 10_000 * 64 / 132, rel=0.001)
        assert shared.pod_joules("small", method="mig_static") > 0
        assert conserved(shared)

    def test_activity_weighs_size(self, shared):
        """Small fully busy (16), large a quarter busy (16): half each of the active energy."""
        self.start(shared)
        shared.page.activity = {(GPU_0, 7): 1.0, (GPU_0, 1): 0.25}
        shared.run_until(145)

        gained = self.gain(shared)

        assert gained["small"] == pytest.approx(25_000 + 10_000 * 16 / 132, rel=0.02)
        assert gained["large"] == pytest.approx(25_000 + 10_000 * 64 / 132, rel=0.02)
        assert shared.pod_joules("small", method="mig_weighted") > 0
        assert shared.value("lowtide_source_up", source="dcgm") == 1

    def test_sharing_inside_an_instance_is_first_by_instance_then_by_replica(self, shared):
        """Small (16 SM) and one of four replicas of large (64 SM), both busy: 20 to 80 of 500 W.

        Over 100 s: 10,000 and 40,000 J active; the floor goes by 16 and by a quarter of 64.
        """
        learn_floor(shared, 100.0, 600.0)
        shared.control.set_instances(0, [(7, 1, 16), (1, 4, 64)])
        large = shared.control.instance_uuid(0, 1)
        shared.owners.replicas = {large: 4}
        shared.start_pod("small", shared.control.instance_uuid(0, 0), uid=UID_A)
        shared.start_pod("large", f"{large}::2", uid=UID_B)
        shared.page.activity = {(GPU_0, 7): 1.0, (GPU_0, 1): 1.0}
        shared.run_until(145)

        gained = self.gain(shared)

        assert gained["small"] == pytest.approx(10_000 + 10_000 * 16 / 132, rel=0.001)
        assert gained["large"] == pytest.approx(40_000 + 10_000 * 16 / 132, rel=0.001)
        assert conserved(shared)

    def test_a_page_that_does_not_come_leaves_the_static_rule(self, shared):
        """The label changes with the method; the source is down."""
        self.start(shared)
        shared.page.activity = None
        shared.run_until(145)

        gained = self.gain(shared)

        assert gained["large"] / gained["small"] == pytest.approx(4, rel=0.01)
        assert shared.value("lowtide_source_up", source="dcgm") == 0

    def test_free_instances_and_uncut_slices_are_free(self, shared):
        """Only the small instance is held: 116 of 132 SM of the floor are free."""
        self.start(shared)
        shared.end_pod("large")
        shared.run_until(140)
        before = shared.unallocated_joules(part="idle_held", reason="free")
        shared.run_until(240)

        free = shared.unallocated_joules(part="idle_held", reason="free") - before
        assert free == pytest.approx(10_000 * 116 / 132, rel=0.001)

    def test_a_lost_gpu_keeps_its_instances(self, shared, caplog):
        """The holder of one does not hold an unknown device, and gets the energy of the gap."""
        self.start(shared)
        before = shared.pod_joules("large")
        shared.control.gpu(0).error = pynvml.NVML_ERROR_GPU_IS_LOST
        shared.run_until(145)
        shared.control.gpu(0).error = 0
        shared.run_until(165)

        assert "device ids of no known GPU" not in caplog.text
        assert shared.pod_joules("large") - before == pytest.approx(
            30 * (400 + 100 * 64 / 132), rel=0.001
        )

    def test_a_new_layout_is_found_at_once(self, shared):
        """New instances have new UUIDs; the first unknown id makes us look."""
        self.start(shared)
        shared.end_pod("small")
        shared.end_pod("large")
        shared.run_until(141)
        shared.control.set_instances(0, [(2, 3, 48)])
        shared.start_pod("next", shared.control.instance_uuid(0, 0))

        shared.run_until(144)

        assert shared.value("lowtide_pod_gpu_share_ratio", pod="next") == pytest.approx(48 / 132)
        assert conserved(shared)


OLD_PAGE = """\
# HELP DCGM_FI_PROF_GR_ENGINE_ACTIVE Ratio of time the graphics engine is active.
# TYPE DCGM_FI_PROF_GR_ENGINE_ACTIVE gauge
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",UUID="GPU-1",GPU_I_PROFILE="1g.10gb",GPU_I_ID="7"} 0.5
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",UUID="GPU-1",GPU_I_PROFILE="4g.40gb",GPU_I_ID="1"} 1.0
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-1",GPU_I_ID="7"} 412.0
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="1",UUID="GPU-2",Hostname="n1"} 0.9
"""
NEW_PAGE = """\
DCGM_FI_PROF_SM_UTIL_RATIO{gpu="0",UUID="GPU-1",GPU_I_ID="7",hostname="n1"} 0.25
DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO{gpu="0",UUID="GPU-1",GPU_I_ID="7",hostname="n1"} 0.5
"""


@pytest.mark.parametrize(
    ("page", "activity"),
    [
        pytest.param(OLD_PAGE, {("GPU-1", 7): 0.5, ("GPU-1", 1): 1.0}, id="before DCGM 4.6"),
        pytest.param(NEW_PAGE, {("GPU-1", 7): 0.25}, id="DCGM 4.6, SM activity wins"),
        pytest.param("", {}, id="nothing"),
    ],
)
def test_both_spellings_of_dcgm_are_read(page, activity):
    """Whole GPUs have no instance id and do not appear."""
    assert parse_activity(page) == activity


def test_a_page_of_another_kind_is_refused():
    """An error page of a proxy does not mean an activity of zero."""
    with pytest.raises(MalformedAnswerError, match="not a metrics page"):
        parse_activity("<html>{oops</html>")


def test_a_value_that_is_not_a_number_is_not_known():
    """Unlike zero, which would take the instance's energy away."""
    page = OLD_PAGE.replace('GPU_I_ID="7"} 0.5', 'GPU_I_ID="7"} NaN')

    assert parse_activity(page) == {("GPU-1", 1): 1.0}


@pytest.mark.parametrize("blank", ["140737488355328.0", "NaN", "-1", "2147483632"])
def test_a_blank_is_not_known_and_the_next_best_field_counts(blank):
    """DCGM's blank numbers are far above 1 (dcgm_structs.h): they do not mean full load."""
    page = NEW_PAGE.replace("0.25", blank)

    assert parse_activity(page) == {("GPU-1", 7): 0.5}


def test_a_broken_dcgm_is_left_alone_after_three_failures():
    """Then it costs a timeout per minute, not per tick."""

    class Broken(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self):
            Broken.asked += 1
            self.send_error(500)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    page = DcgmPage(f"http://127.0.0.1:{server.server_port}/metrics")
    for second in range(50):
        with pytest.raises(SourceError, match="DCGM"):
            page.read(float(second))
    server.shutdown()
    server.server_close()
    thread.join()

    assert Broken.asked == 3
