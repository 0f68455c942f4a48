import errno
import os
import resource
from contextlib import contextmanager

import pytest
import torch

from lowtide_trainer.checkpoint import CheckpointStore
from lowtide_trainer.common_save import save_together
from lowtide_trainer.errors import CheckpointError, CheckpointNotSavedError
from lowtide_trainer.ranks import Ranks
from lowtide_trainer.reporter import Reporter


def content(number):
    return {"number": number, "weights": torch.full((500,), float(number)), "order": (1, 2)}


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints")


@pytest.fixture
def directory(tmp_path, store):
    return tmp_path / "checkpoints"


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@contextmanager
def files_limited_to(size):
    """Let every write beyond `size` bytes fail, as the kernel does for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_empty_directory_has_no_checkpoint(store):
    """A first attempt begins anew."""
    assert store.load_newest() is None


def test_the_newest_checkpoint_comes_back(store):
    """The saved state is read, with its figures of the report."""
    store.save(content(1), batches=5)
    saved = store.save(content(2), batches=10)

    loaded = store.load_newest()

    assert loaded.content["number"] == 2
    assert torch.equal(loaded.content["weights"], torch.full((500,), 2.0))
    assert loaded.info == saved
    assert (saved.name, saved.batches) == ("checkpoint-0000000010.pt", 10)


def test_two_are_kept(store, directory):
    """The newest, and one to fall back on."""
    for number in (1, 2, 3):
        store.save(content(number), batches=number)

    assert names(directory) == ["checkpoint-0000000002.pt", "checkpoint-0000000003.pt"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda raw: raw[: len(raw) // 2], id="cut off"),
        pytest.param(lambda raw: b"", id="empty"),
        pytest.param(lambda raw: raw[:1500] + bytes([raw[1500] ^ 1]) + raw[1501:], id="one bit"),
        pytest.param(lambda raw: b"\0" * len(raw), id="zeros"),
    ],
)
def test_a_damaged_file_is_set_aside_for_the_one_before(store, directory, damage, caplog):
    """Nothing is trained on with altered weights, and no cleaning up is needed first."""
    store.save(content(1), batches=1)
    newest = directory / store.save(content(2), batches=2).name
    newest.write_bytes(damage(newest.read_bytes()))

    loaded = store.load_newest()

    assert loaded.content["number"] == 1
    assert names(directory) == ["checkpoint-0000000001.pt", "damaged.pt"]
    assert "is damaged and set aside" in caplog.text
    assert "resuming from the older checkpoint" in caplog.text


def test_every_cut_and_every_altered_byte_is_noticed(store, directory):
    """A file altered anywhere is either refused or gives exactly what was saved."""
    path = directory / store.save(content(1), batches=1).name
    whole = path.read_bytes()
    noticed = 0

    for place in range(0, len(whole), 61):
        for altered in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :],
        ):
            path.write_bytes(altered)
            loaded = store.load_newest()
            noticed += loaded is None
            assert loaded is None or (
                loaded.content["number"] == 1
                and loaded.content["order"] == (1, 2)
                and torch.equal(loaded.content["weights"], torch.ones(500))
            )

    assert noticed > len(whole) / 61


def test_a_failed_write_leaves_the_one_before_untouched(store, directory):
    """The limit stops the second file in its middle; nothing half written stays."""
    store.save(content(1), batches=1)

    with files_limited_to(1000), pytest.raises(CheckpointNotSavedError, match="File too large"):
        store.save(content(2), batches=2)

    assert names(directory) == ["checkpoint-0000000001.pt"]
    assert store.load_newest().content["number"] == 1


def test_a_full_disk_makes_an_old_checkpoint_give_way(store, directory, monkeypatch):
    """Of two kept, the older is removed and the write tried again."""
    store.save(content(1), batches=1)
    store.save(content(2), batches=2)
    flush = os.fsync

    def full_until_the_oldest_is_gone(descriptor):
        if (directory / "checkpoint-0000000001.pt").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full_until_the_oldest_is_gone)

    store.save(content(3), batches=3)

    assert names(directory) == ["checkpoint-0000000002.pt", "checkpoint-0000000003.pt"]


def test_a_full_disk_never_costs_the_last_checkpoint(store, directory, monkeypatch):
    """The only one left stays, even if the new one finds no room."""
    store.save(content(1), batches=1)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(CheckpointNotSavedError, match="No space left on device"):
        store.save(content(2), batches=2)
    assert names(directory) == ["checkpoint-0000000001.pt"]


def test_a_file_half_written_by_a_killed_attempt_is_cleared_away(store, directory):
    """It is never read, and the next save removes it."""
    (directory / "checkpoint-0000000009.pt.partial").write_bytes(b"half")

    assert store.load_newest() is None
    store.save(content(1), batches=1)

    assert names(directory) == ["checkpoint-0000000001.pt"]


def test_a_checkpoint_runs_no_code_when_it_is_read(store, directory, tmp_path):
    """A file with a pickled call in it is refused, not obeyed."""

    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"format": 1, "call": Call()}, directory / "checkpoint-0000000001.pt")

    assert store.load_newest() is None
    assert not (tmp_path / "ran").exists()


def test_training_starts_anew_if_every_checkpoint_is_damaged(store, directory, caplog):
    """The sentence does not promise an older one that is not there."""
    for number in (1, 2):
        store.save(content(number), batches=number)
        (directory / f"checkpoint-{number:010d}.pt").write_bytes(b"cut off")

    assert store.load_newest() is None
    sentences = [record.getMessage() for record in caplog.records]
    assert sentences[-1] == f"no checkpoint in {directory} can be read: training starts anew"
    assert not any("older" in sentence for sentence in sentences)


def test_a_whole_file_of_another_program_is_not_taken_for_damaged(store, directory):
    """It may be the user's work: the trainer says so and touches nothing."""
    torch.save({"weights": 1}, directory / "checkpoint-0000000001.pt")

    with pytest.raises(CheckpointError, match="was not written by this version"):
        store.load_newest()
    assert names(directory) == ["checkpoint-0000000001.pt"]


def test_a_directory_that_cannot_be_made_is_said_at_once(tmp_path):
    """The error does not wait for an hour of training."""
    (tmp_path / "file").touch()

    with pytest.raises(CheckpointError, match="cannot be created"):
        CheckpointStore(tmp_path / "file" / "checkpoints")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_to_is_said_at_once(tmp_path):
    """The sentence says what to change in the Pod."""
    tmp_path.chmod(0o500)

    with pytest.raises(CheckpointError, match="fsGroup"):
        CheckpointStore(tmp_path)


def test_the_time_of_saving_begins_with_collecting_the_state(store):
    """Two seconds on the device and one on the disk are three that a pause waits."""
    clock = [10.0]

    def collect():
        clock[0] += 2
        return content(1)

    class SlowDisk:
        def save(self, *arguments, **values):
            clock[0] += 1
            return store.save(*arguments, **values)

    reporter = Reporter(write=lambda report: None)

    save_together(
        collect,
        batches=1,
        store=SlowDisk(),
        ranks=Ranks(alone=True),
        reporter=reporter,
        monotonic=lambda: clock[0],
    )

    assert reporter.report().checkpoint.duration_seconds == 3.0
