"""Finds and removes mounts by the directory that they lie below."""

from pathlib import Path

from singlenode.commands import run
from singlenode.errors import CommandFailedError


def mount_points_below(directory: Path) -> list[Path]:
    """Return the mount points at or below `directory`, in the order they were mounted."""
    # proc(5): the mount point is field 5 of mountinfo, blanks written as octal.
    points = [
        Path(line.split()[4].encode().decode("unicode_escape"))
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return [point for point in points if point.is_relative_to(directory)]


def unmount_below(directory: Path) -> None:
    """Unmount everything at or below `directory`, the latest mount first."""
    for point in reversed(mount_points_below(directory)):
        try:
            run(["umount", point])
        except CommandFailedError:
            # Still busy, though every process is gone: the kernel lets go in its own time.
            run(["umount", "--lazy", point])
