"""Totals over a restart of the exporter: continued where that is sound, begun anew where not."""

import errno
import hashlib
import json
from dataclasses import replace

import pytest
from standins.nvml.control import gpu_uuid

from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import StateFile
from lowtide_exporter.page.catalogue import FAMILIES, MetricType
from lowtide_exporter.readings import PodRecord

GPU_0 = gpu_uuid(0)
ENERGY = "lowtide_pod_energy_joules_total"


@pytest.fixture
def state(tmp_path):
    """A state file of this boot."""
    return StateFile(str(tmp_path / "state.json"), "boot-1")


def restart(node, state, seconds=0.0, **ledger_options):
    """Kill the exporter and start it again after a while, on the same node."""
    node.ledger = NodeLedger(**ledger_options)
    node.seconds += seconds
    node.control.set_clock(node.seconds)
    node.loop = node.make_loop(period_seconds=1.0, state=state)
    return node.loop.restore()


def prepare(node, state, until=130):
    """Run a pod with a state file: 75 W before it, 525 W from half a second before it is seen."""
    node.control.set_trace(0, [(0.0, 75.0), (115.5, 525.0)])
    node.loop = node.make_loop(period_seconds=1.0, state=state)
    node.run_until(115)
    node.start_pod("job", GPU_0)
    node.run_until(until)
    node.loop.save(is_complete=True)


def test_totals_continue_and_the_gap_is_the_holders(node, state):
    """Twenty seconds without an exporter: the counter kept them for the pod that held the GPU.

    The pod came between two reads, so half a second of that interval is its own.
    """
    prepare(node, state)
    start = node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job")

    used = restart(node, state, seconds=20)
    node.tick()
    node.run_until(160)

    assert used
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 115.5, 160), rel=0.005)
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job") == start
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_the_job_of_a_pod_is_told_until_the_pod_is_no_longer_exported(node, state):
    """Over a restart and after its end: the operator may ask for the first time then."""
    node.loop = node.make_loop(period_seconds=1.0, state=state)
    node.start_pod("job", GPU_0, trainingjob_uid="uid-of-net")
    node.start_pod("other", gpu_uuid(1))
    node.run_until(20)
    node.loop.save()
    restart(node, state, seconds=5)
    node.tick()
    node.end_pod("job")
    node.run_until(60)

    assert (
        {
            "namespace": "ml",
            "pod": "job",
            "pod_uid": "uid-job",
            "trainingjob_uid": "uid-of-net",
            "owner_kind": "Pod",
            "owner_name": "job",
            "owner_uid": "uid-job",
        },
        1,
    ) in node.series("lowtide_pod_owner_info")


def test_no_value_falls_over_a_restart(node, state):
    """What a scrape after the restart sees is at least what the last one before it saw."""
    prepare(node, state)
    before = {tuple(sorted(labels.items())): v for labels, v in node.series(ENERGY)}

    restart(node, state, seconds=5)
    node.tick()
    after = {tuple(sorted(labels.items())): v for labels, v in node.series(ENERGY)}

    assert all(after[labels] >= value for labels, value in before.items())


def test_a_pod_keeps_its_account_while_the_api_server_is_silent(node, state):
    """Its UID is in the state: it must not look like a new pod without one."""
    prepare(node, state)
    node.pods.pods = None

    restart(node, state, seconds=5)
    node.tick()
    node.run_until(150)

    uids = {labels["pod_uid"] for labels, _ in node.series(ENERGY)}
    assert uids == {"uid-job"}
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 115.5, 150), rel=0.005)


def test_a_change_of_holder_during_a_long_gap_is_not_guessed(node, state):
    """The time of the change is unknown: the gap's energy is unmapped, and in no pod's segment."""
    prepare(node, state)
    node.delete_pod("job")
    node.start_pod("next", GPU_0)

    restart(node, state, seconds=60)
    node.tick()
    node.run_until(200)

    starts = node.series("lowtide_pod_segment_start_timestamp_seconds")
    assert {labels["pod"]: value >= node.unix(190) for labels, value in starts} == {
        "job": True,
        "next": True,
    }
    assert node.pod_joules("job") == 0
    assert node.pod_joules("next") == pytest.approx(node.true_joules(0, 190, 200), rel=0.01)
    assert node.unallocated_joules(reason="unmapped") > 0
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_a_pod_that_came_or_went_in_a_gap_gets_nothing_of_it(node, state):
    """Others may have held the GPU meanwhile, at other powers: known times do not help."""
    prepare(node, state)
    node.end_pod("job", finished_at=node.unix(150))
    node.allocate("late", GPU_0)
    late = PodRecord(namespace="ml", name="late", uid="uid-late", started_at=node.unix(170))
    node.pods.pods = (*node.pods.pods, late)

    restart(node, state, seconds=60, expects_uids=True)
    node.tick()
    node.run_until(200)

    gap = node.true_joules(0, 130, 190)
    assert node.unallocated_joules(reason="unmapped") == pytest.approx(gap, rel=0.02)
    assert node.pod_joules("job") == 0
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job") >= node.unix(190)
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="late") == node.unix(190)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_a_name_that_returns_during_a_restart_is_not_the_pod_that_left(node, state):
    """The API server is silent: the next pod of the name must not get the UID of the last one.

    The gap waits 15 s for its first answer, is unmapped then, and the next pod counts from there.
    """
    prepare(node, state)
    node.owners.table = ()
    node.pods.is_up = False
    node.run_until(140)
    before = node.pod_joules("job", pod_uid="uid-job")
    node.loop.save(is_complete=True)
    node.allocate("job", GPU_0)
    node.pods.pods = None

    restart(node, state, seconds=20, expects_uids=True)
    node.run_until(180)
    node.pods.is_up = True
    record = PodRecord(namespace="ml", name="job", uid="uid-next", started_at=node.unix(150))
    node.pods.pods = (record,)
    node.run_until(190)

    assert node.pod_joules("job", pod_uid="uid-job") == before
    assert node.pod_joules("job", pod_uid="uid-next") == pytest.approx(525 * 14, rel=0.001)


def test_a_name_that_came_back_without_a_uid_keeps_its_account_over_a_restart(node, state):
    """Two pods of one name, told apart by an absence only: the second stays the second."""
    node.pods.pods = None
    node.loop = node.make_loop(period_seconds=1.0, state=state)
    node.control.set_trace(0, [(0.0, 75.0), (115.0, 525.0)])
    node.run_until(115)
    node.allocate("web", GPU_0)
    node.run_until(130)
    node.owners.table = ()
    node.run_until(132)
    first = node.pod_joules("web")
    node.allocate("web", GPU_0)
    node.run_until(140)
    node.loop.save(is_complete=True)

    restart(node, state, seconds=2)
    node.pods.pods = None
    node.tick()
    node.run_until(160)

    assert node.pod_joules("web", pod_uid="") == first
    assert node.pod_joules("web", pod_uid="2") == pytest.approx(525.0 * 28, rel=0.03)


def test_a_name_that_came_back_is_doubted_over_a_restart_too(node, state):
    """The API server is away from 128 s on; the name leaves at 130 and is another pod's at 133 s.

    The exporter is restarted in good order at 140 s, and the API server tells the UID at 160 s:
    525 W from 134 s on, when the second pod is first listed, are the second pod's.
    """
    prepare(node, state, until=128)
    first = replace(node.pods.pods[0], started_at=node.unix(115))
    node.pods.pods, node.pods.is_up = (first,), False
    node.run_until(130)
    node.owners.table = ()
    node.run_until(133)
    before = node.pod_joules("job", pod_uid="uid-job")
    node.allocate("job", GPU_0)
    node.run_until(140)
    node.loop.save(is_complete=True)
    node.pods.pods = None

    restart(node, state, seconds=2, expects_uids=True)
    node.run_until(160)
    node.pods.is_up = True
    node.pods.pods = (replace(first, uid="uid-next", started_at=node.unix(133)),)
    node.run_until(170)

    assert node.pod_joules("job", pod_uid="uid-job") == before
    assert node.pod_joules("job", pod_uid="uid-next") == pytest.approx(525 * 36.5, rel=0.02)


def test_a_gap_waits_for_the_first_answer_of_the_api_server(node, state):
    """Whether the name still means the same pod is known then; the gap is the pod's."""
    prepare(node, state)
    answer, node.pods.pods = node.pods.pods, None
    restart(node, state, seconds=60, expects_uids=True)
    node.tick()
    hidden = node.series(ENERGY)
    node.pods.pods = answer
    node.run_until(200)

    assert hidden == []
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 115.5, 200), rel=0.005)


def killed(node, state, seconds):
    """Save the state, go on for as long, and kill the exporter without a last word."""
    node.loop.save()
    node.run_until(node.seconds + seconds)


def counters(node):
    """Every counter on the page."""
    snapshot = node.loop.snapshot().samples
    return {
        (family.name, labels): value
        for family in FAMILIES
        if family.kind is MetricType.COUNTER
        for labels, value in snapshot.get(family.name, ())
    }


def test_after_a_kill_pods_begin_new_segments_and_every_counter_begins_at_zero(node, state):
    """The file is older than what was shown: totals that went on from it would fall."""
    prepare(node, state)
    killed(node, state, 20)
    shown = node.pod_joules("job")

    used = restart(node, state, seconds=10)
    node.tick()
    first = counters(node)
    node.run_until(200)

    assert shown > 0
    assert not used
    assert {value for (name, _), value in first.items() if "joules" in name} == {0.0}
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job") == node.unix(160)
    assert node.pod_joules("job") == pytest.approx(node.true_joules(0, 160, 200), rel=0.001)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_values_that_were_final_before_a_kill_are_kept_and_leave_the_balance_alone(node, state):
    """They cannot have changed since the file was written; they are not energy of this run."""
    prepare(node, state)
    node.end_pod("job", finished_at=node.unix(130))
    node.run_until(140)
    final = node.pod_joules("job")
    killed(node, state, 20)

    restart(node, state, seconds=10)
    node.tick()
    node.run_until(200)

    assert node.pod_joules("job") == final
    assert node.value("lowtide_pod_end_timestamp_seconds", pod="job") == node.unix(130)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_values_that_became_final_after_the_file_was_written_are_not_shown_otherwise(node, state):
    """The pod ended between the save and the kill: nothing may change behind its end marker."""
    prepare(node, state)
    killed(node, state, 5)
    node.end_pod("job", finished_at=node.unix(135))
    node.run_until(145)

    restart(node, state, seconds=10)
    node.tick()
    node.run_until(200)

    assert node.series(ENERGY) == []


def test_the_idle_floor_survives_a_kill(node, state):
    """A GPU that is always held would not learn it again."""
    prepare(node, state)
    learnt = node.value("lowtide_gpu_idle_power_watts", uuid=GPU_0)
    killed(node, state, 5)

    restart(node, state, seconds=10)
    node.tick()

    assert learnt is not None
    assert node.value("lowtide_gpu_idle_power_watts", uuid=GPU_0) == learnt


def test_a_state_is_used_once(node, state, tmp_path):
    """Killed before its first save, the next run must not go on from the old file again."""
    prepare(node, state)

    assert restart(node, state, seconds=5)
    node.tick()
    assert not restart(node, state, seconds=5)
    assert not (tmp_path / "state.json").exists()


def test_a_counter_reset_in_a_gap_is_a_loss_that_is_told(node, state):
    """The driver was reloaded meanwhile: what was drawn before that is not known."""
    prepare(node, state)
    node.control.gpu(0).reset_at_seconds = 140.0

    restart(node, state, seconds=20)
    node.tick()
    node.run_until(170)

    assert node.value("lowtide_gpu_energy_resets_total", uuid=GPU_0) == 1
    assert node.value("lowtide_pod_segment_start_timestamp_seconds", pod="job") > node.unix(149)
    assert node.pod_joules("job") == pytest.approx(525 * 19, rel=0.001)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_finished_pods_stay_finished(node, state):
    """Their marker and values survive; retention goes on where it was."""
    prepare(node, state)
    node.end_pod("job", finished_at=node.unix(130))
    node.run_until(140)
    final = node.pod_joules("job")
    node.loop.save(is_complete=True)

    restart(node, state, seconds=10)
    node.tick()
    node.run_until(160)

    assert node.pod_joules("job") == final
    assert node.value("lowtide_pod_end_timestamp_seconds", pod="job") == node.unix(130)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"boot_id": "boot-2"}, "booted since", id="another boot"),
        pytest.param({"monotonic_seconds": 0.0}, "s old", id="too old"),
        pytest.param({"format": 99}, "another format", id="another version"),
        pytest.param({"gpus": 5}, "cannot be used", id="malformed"),
        pytest.param({"living": [{}]}, "cannot be used", id="half an account"),
        pytest.param({"zones": [[]]}, "cannot be used", id="half a zone"),
    ],
)
def test_unusable_state_starts_new_segments(node, state, tmp_path, caplog, change, reason):
    """The log says why, and counters begin at zero with a new segment start."""
    prepare(node, state)
    path = tmp_path / "state.json"
    _, body = path.read_bytes().split(b"\n")
    body = json.dumps(json.loads(body) | change).encode()
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)

    used = restart(node, state, seconds=5)
    node.tick()

    assert not used
    assert reason in caplog.text
    assert node.pod_joules("job") == 0
    assert node.value("lowtide_pod_segment_start_timestamp_seconds") == node.unix(135)


def test_state_of_an_unknown_boot_is_not_used(node, tmp_path, caplog):
    """Without the boot's id it is unknown whether the counters are still the same."""
    state = StateFile(str(tmp_path / "state.json"), "")
    prepare(node, state)

    assert not restart(node, state, seconds=5)
    assert "id of this boot" in caplog.text


def test_a_file_with_one_wrong_bit_is_not_used(node, state, tmp_path, caplog):
    """Numbers that are only slightly wrong would go on for months."""
    prepare(node, state)
    path = tmp_path / "state.json"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    assert not restart(node, state, seconds=5)
    assert "checksum" in caplog.text
    node.tick()
    assert node.value("lowtide_gpu_up", uuid=GPU_0) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00" * 100])
def test_a_damaged_file_is_not_used(node, state, tmp_path, content):
    """Whatever is in it, the exporter starts."""
    (tmp_path / "state.json").write_text(content)
    node.loop = node.make_loop(period_seconds=1.0, state=state)

    assert not node.loop.restore()
    node.tick()
    assert node.value("lowtide_gpu_up", uuid=GPU_0) == 1


def test_a_full_disk_is_a_metric_and_the_old_file_stays(node, state, tmp_path, monkeypatch):
    """Energy goes on; the state source is down; what was saved before is still whole."""
    prepare(node, state)
    old = (tmp_path / "state.json").read_text()

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    node.run_until(140)
    node.loop.save()

    assert node.value("lowtide_source_up", source="state") == 0
    assert (tmp_path / "state.json").read_text() == old
