"""Totals over a restart of the exporter: continued where that is sound, begun anew where not."""

import errno
import json

import pytest
from standins.nvml.control import gpu_uuid

from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import StateFile
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
    """Run a pod with a state file."""
    node.loop = node.make_loop(period_seconds=1.0, state=state)
    node.run_until(115)
    node.start_pod("job", GPU_0)
    node.run_until(until)
    node.loop.save()


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

    assert node.series("lowtide_pod_owner_info") == [
        (
            {
                "namespace": "ml",
                "pod": "job",
                "pod_uid": "uid-job",
                "trainingjob_uid": "uid-of-net",
            },
            1,
        )
    ]


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
    """Nobody saw when: the gap's energy is unmapped, and no segment of a pod covers it."""
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


def test_the_end_of_a_pod_in_a_long_gap_is_waited_for(node, state):
    """The API server answers after the kubelet: with the end known, the gap is no loss.

    The pod held its GPU for 20.5 of 61 s (its end is told in whole seconds; the answer came a
    second late) and gets as much of the gap's energy: nobody saw it fall to idle.
    """
    node.control.set_trace(0, [(0.0, 300.0)])
    prepare(node, state)
    before = node.pod_joules("job")
    node.end_pod("job", finished_at=node.unix(150))
    answer, node.pods.pods = node.pods.pods, None

    restart(node, state, seconds=60, expects_uids=True)
    node.tick()
    unanswered = node.pod_joules("job")
    node.pods.pods = answer
    node.run_until(195)

    assert unanswered == before
    assert node.pod_joules("job") - before == pytest.approx(20.5 * 300, rel=0.02)
    assert node.unallocated_joules(reason="unmapped") == pytest.approx(40.5 * 300, rel=0.02)


def test_a_pod_that_came_during_a_long_gap_gets_its_own_time_of_it(node, state):
    """Nobody held the GPU before; in the nine minutes until the pod came, others may have.

    600 W over a gap of 600 s, of which the pod held 60.5 s (its start is told in whole seconds).
    """
    node.control.set_trace(0, [(0.0, 600.0)])
    node.loop = node.make_loop(period_seconds=1.0, state=state)
    node.run_until(102)
    node.loop.save()
    node.allocate("late", GPU_0)
    node.pods.pods = (
        PodRecord(namespace="ml", name="late", uid="uid-late", started_at=node.unix(641)),
    )

    restart(node, state, seconds=600)
    node.tick()

    assert node.pod_joules("late") == pytest.approx(600 * 60.5, rel=0.001)
    assert node.unallocated_joules(reason="unmapped") == pytest.approx(600 * 539.5, rel=0.001)
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


def test_a_counter_reset_during_the_gap_counts_from_the_restart(node, state):
    """The driver was reloaded meanwhile: the new value is what was drawn since."""
    prepare(node, state)
    before = node.pod_joules("job")
    node.control.gpu(0).reset_at_seconds = 140.0

    restart(node, state, seconds=20)
    node.tick()

    drawn = node.true_joules(0, 140, 150)
    assert node.pod_joules("job") - before == pytest.approx(drawn, rel=0.02)
    assert node.value("lowtide_gpu_counter_resets_total", uuid=GPU_0) == 1


def test_finished_pods_stay_finished(node, state):
    """Their marker and values survive; retention goes on where it was."""
    prepare(node, state)
    node.end_pod("job", finished_at=node.unix(130))
    node.run_until(140)
    final = node.pod_joules("job")
    node.loop.save()

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
        pytest.param({"gpus": 5}, "cannot be read", id="malformed"),
        pytest.param({"living": [{}]}, "cannot be read", id="half an account"),
        pytest.param({"zones": [[]]}, "cannot be read", id="half a zone"),
    ],
)
def test_unusable_state_starts_new_segments(node, state, tmp_path, caplog, change, reason):
    """It is said why, and counters begin at zero with a new segment start."""
    prepare(node, state)
    path = tmp_path / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    used = restart(node, state, seconds=5)
    node.tick()

    assert not used
    assert reason in caplog.text
    assert node.pod_joules("job") == 0
    assert node.value("lowtide_pod_segment_start_timestamp_seconds") == node.unix(135)


def test_state_of_an_unknown_boot_is_not_used(node, tmp_path, caplog):
    """Without the boot's id nobody knows whether the counters are still the same."""
    state = StateFile(str(tmp_path / "state.json"), "")
    prepare(node, state)

    assert not restart(node, state, seconds=5)
    assert "id of this boot" in caplog.text


def test_state_of_an_older_version_is_taken_up(node, state, tmp_path):
    """What later versions added is missing: totals go on all the same."""
    prepare(node, state)
    before = node.pod_joules("job")
    path = tmp_path / "state.json"
    old = json.loads(path.read_text())
    del old["host"]
    for gpu in old["gpus"]:
        gpu["slots"] = [row[:7] for row in gpu["slots"]]
    for account in old["living"]:
        del account["ended_unix"]
    path.write_text(json.dumps(old))

    assert restart(node, state, seconds=5)
    node.tick()

    assert node.pod_joules("job") > before


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
