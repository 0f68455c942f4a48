"""Nodes whose jobs are named by files."""

import os

import pytest
from standins.nvml.control import gpu_uuid

from lowtide.meters.errors import SourceError
from lowtide_exporter.owners.job_directory import JobDirectory
from lowtide_exporter.readings import Allocation


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("4711\n", [Allocation("", "4711", "", ("0",))]),
        ("\n\n", []),
        (
            "4711\n4712\n4711\n",
            [Allocation("", "4711", "", ("0::0",)), Allocation("", "4712", "", ("0::1",))],
        ),
    ],
)
def test_job_files_name_the_jobs_of_a_gpu(tmp_path, lines, expected):
    """One id per line, each once; several share the GPU."""
    (tmp_path / "0").write_text(lines)
    (tmp_path / ".0.swp").write_text("junk\n")

    assert JobDirectory(str(tmp_path)).allocations() == tuple(expected)


def test_a_missing_job_directory_is_a_source_error(tmp_path):
    """The batch system may not have made it yet."""
    with pytest.raises(SourceError, match="job directory"):
        JobDirectory(str(tmp_path / "none")).allocations()


def test_a_file_of_garbage_costs_only_itself(tmp_path):
    """Bytes that are not text, and a file without end: the other GPUs' jobs are still known."""
    (tmp_path / "0").write_bytes(b"\xff\xfe\n")
    with (tmp_path / "1").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    (tmp_path / "2").write_text("4711\n")

    found = JobDirectory(str(tmp_path)).allocations()

    assert found[-1] == Allocation("", "4711", "", ("2",))
    assert len(found) == 3
    assert all(len(item.pod) <= 256 for item in found)


def test_a_file_that_vanishes_while_it_is_read_holds_no_job(tmp_path, monkeypatch):
    """The epilog of a job removes it at any time."""
    (tmp_path / "0").write_text("4711\n")
    found = sorted(tmp_path.iterdir())
    (tmp_path / "0").unlink()
    monkeypatch.setattr("pathlib.Path.iterdir", lambda _: iter(found))

    assert JobDirectory(str(tmp_path)).allocations() == ()


def test_links_and_pipes_are_not_read(tmp_path):
    """The exporter runs as root: a link must not make it read what its maker may not."""
    secret = tmp_path / "shadow"
    secret.write_text("root:secret\n")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "0").symlink_to(secret)
    os.mkfifo(jobs / "1")
    (jobs / "2").mkdir()
    (jobs / "3").write_text("4711\n")

    assert JobDirectory(str(jobs)).allocations() == (Allocation("", "4711", "", ("3",)),)


def test_energy_of_a_batch_job_is_counted_by_index_and_by_uuid(node, tmp_path):
    """Files may be named by either; two jobs on one GPU get half each."""
    node.pods.pods = None
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    node.owners = JobDirectory(str(jobs))
    node.loop = node.make_loop(period_seconds=1.0)
    node.control.set_trace(0, [(0, 400.0)])
    node.control.set_trace(1, [(0, 300.0)])
    (jobs / "0").write_text("a\nb\n")
    (jobs / gpu_uuid(1)).write_text("c\n")

    node.run_until(201)

    joules = {name: node.pod_joules(name) for name in "abc"}
    assert joules == {
        "a": pytest.approx(20_000),
        "b": pytest.approx(20_000),
        "c": pytest.approx(30_000),
    }
