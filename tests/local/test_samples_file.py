"""File of samples: what survives a kill, a full disk and a month."""

import json
import subprocess
import sys

import pytest

from lowtide.local.samples_file import RunFileError, SamplesWriter, is_written, read_samples

BEGIN = {"kind": "begin", "attempt": 1, "at": 100.0, "gpus": {"GPU-1": "X"}, "mock": False}


def sample(at: float, millijoules: int) -> dict:
    key = "gpu|active|exclusive|counter"
    return {"kind": "sample", "at": at, "mj": {key: millijoules}, "held": {"X": at - 100}}


def end(at: float, status: int = 0) -> dict:
    return {"kind": "end", "at": at, "status": status, "notes": ["a note"]}


def test_what_is_written_is_read_back(tmp_path):
    writer = SamplesWriter(tmp_path / "run.samples")
    for line in (BEGIN, sample(101, 5000), sample(102, 9000), end(102.5, 3)):
        writer.write(line, 1.0)
    writer.close()

    (attempt,) = read_samples(tmp_path / "run.samples")

    assert attempt.started_at == 100.0
    assert attempt.samples[-1][1] == {"gpu|active|exclusive|counter": 9000}
    assert (attempt.ended_at, attempt.exit_status, attempt.notes) == (102.5, 3, ("a note",))


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_line_that_was_cut_is_left_out_and_the_next_attempt_begins_on_its_own_line(tmp_path, cut):
    path = tmp_path / "run.samples"
    writer = SamplesWriter(path)
    for line in (BEGIN, sample(101, 5000), sample(102, 9000)):
        writer.write(line, 1.0)
    writer.close()
    path.write_bytes(path.read_bytes()[:-cut])

    again = SamplesWriter(path)
    again.write({**BEGIN, "attempt": 2, "at": 200.0}, 2.0)
    again.close()

    first, second = read_samples(path)
    assert [at for at, _, _ in first.samples] == [101]
    assert first.ended_at is None
    assert first.last_seen == 101
    assert second.number == 2


def test_a_file_of_a_long_run_stays_small_and_keeps_its_first_and_last_sample(tmp_path):
    path = tmp_path / "run.samples"
    writer = SamplesWriter(path, lines_max=64)
    writer.write(BEGIN, 0.0)
    for second in range(1, 5001):
        writer.write(sample(100 + second, second * 1000), 0.0)
    writer.close()

    (attempt,) = read_samples(path)

    assert len(path.read_text().splitlines()) <= 65
    assert attempt.samples[-1][0] == 5100
    assert attempt.samples[-1][1]["gpu|active|exclusive|counter"] == 5_000_000
    times = [at for at, _, _ in attempt.samples]
    assert times == sorted(times)


def test_a_second_program_does_not_write_the_same_run(tmp_path):
    path = tmp_path / "run.samples"
    writer = SamplesWriter(path)

    assert is_written(path)
    with pytest.raises(RunFileError, match="another process"):
        SamplesWriter(path)

    writer.close()
    assert not is_written(path)


def test_a_full_disk_is_said_and_the_next_sample_heals_it(tmp_path):
    path = tmp_path / "run.samples"
    program = f"""
import resource
from pathlib import Path
from lowtide.local.samples_file import RunFileError, SamplesWriter
writer = SamplesWriter(Path({str(path)!r}))
writer.write({BEGIN!r}, 1.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
try:
    writer.write({sample(101, 5000)!r}, 1.0)
except RunFileError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write({sample(102, 9000)!r}, 1.0)
writer.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "cannot be written" in done.stdout
    (attempt,) = read_samples(path)
    assert attempt.samples[-1][1]["gpu|active|exclusive|counter"] == 9000


@pytest.mark.parametrize(
    "line",
    ["", "null", "[]", '{"kind":"sample"}', '{"kind":"sample","at":"x","mj":{},"held":{}}', "\x00"],
)
def test_lines_that_are_none_do_not_lose_the_others(tmp_path, line):
    path = tmp_path / "run.samples"
    path.write_text("\n".join([json.dumps(BEGIN), line, json.dumps(sample(101, 5000)), ""]))

    (attempt,) = read_samples(path)

    assert [at for at, _, _ in attempt.samples] == [101]


def test_no_file_is_no_attempt(tmp_path):
    assert read_samples(tmp_path / "none.samples") == []
    assert not is_written(tmp_path / "none.samples")
