"""Backups that are overwritten in place: whenever a kill comes, one whole backup is left."""

import errno
import os

import pytest

from lowtide_trainer.callbacks.kept_backup import KeptBackup

NAMES = ("weights", "epoch", "counts")


def write(folder, content, names=NAMES):
    for name in names:
        (folder / name).write_text(content)


def contents(folder):
    return [(folder / name).read_text() for name in NAMES if (folder / name).exists()]


@pytest.fixture
def backup(tmp_path):
    """Two backups were written, the second over the first."""
    found = KeptBackup(tmp_path, NAMES)
    for content in ("first", "second"):
        found.step_aside()
        write(tmp_path, content)
    return found


@pytest.mark.parametrize("moved", range(len(NAMES) + 1))
def test_a_kill_while_the_last_backup_steps_aside_loses_nothing(backup, tmp_path, moved):
    KeptBackup(tmp_path, NAMES[:moved]).step_aside()

    backup.complete()

    assert contents(tmp_path) == ["second"] * 3


@pytest.mark.parametrize("written", range(len(NAMES)))
def test_a_kill_while_the_next_backup_is_written_leaves_the_one_before(backup, tmp_path, written):
    backup.step_aside()
    write(tmp_path, "third", NAMES[:written])

    backup.complete()

    assert contents(tmp_path) == ["second"] * 3


def test_a_backup_that_was_written_to_its_end_stays(backup, tmp_path):
    backup.complete()

    assert contents(tmp_path) == ["second"] * 3


def test_a_backup_that_knows_nothing_of_lowtide_stays(tmp_path):
    """A training of Keras alone left no counts, and none before it."""
    write(tmp_path, "its own", NAMES[:2])

    KeptBackup(tmp_path, NAMES).complete()

    assert contents(tmp_path) == ["its own"] * 2


def test_the_one_before_is_there_once(backup, tmp_path):
    assert backup.return_before()
    assert contents(tmp_path) == ["first"] * 3
    assert not backup.return_before()
    assert contents(tmp_path) == ["first"] * 3


def test_room_is_asked_for_before_anything_is_written(backup, tmp_path, monkeypatch):
    backup.require_room(4096)

    def refuse(descriptor, offset, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}'"):
        backup.require_room(4096)
    assert not (tmp_path / "room.tmp").exists()
