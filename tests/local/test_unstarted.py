"""Commands that cannot be started: the status is the one that Bash ends with."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lowtide.unstarted import exit_status

NOBODY = 65534


@contextmanager
def without_root() -> Iterator[None]:
    """Root may read every folder; another user does the same here as they would."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def our_status(command: str) -> int:
    """The status of a command that the kernel refuses to start."""
    with without_root():
        with pytest.raises(OSError) as refused:
            os.posix_spawnp(command, [command], os.environ)
        return exit_status(command, refused.value)


def bash_status(command: str) -> int:
    """The status that Bash ends with, run by a user without root."""
    bash = shutil.which("bash", path="/bin:/usr/bin")
    if bash is None:
        pytest.skip("needs bash")
    user = {"user": NOBODY} if os.geteuid() == 0 else {}
    return subprocess.run([bash, "-c", command], capture_output=True, timeout=60, **user).returncode


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A path with every kind of folder that holds no command for this user."""
    # Not pytest's own folder for temporary files, which only its own user may enter.
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        for folder in ("sealed", "open", "open/a-folder"):
            (top / folder).mkdir()
        for file in ("sealed/hidden", "open/plain", "file"):
            (top / file).write_text("echo")
        (top / "sealed" / "hidden").chmod(0o755)
        (top / "sealed").chmod(0)
        path = [str(top / folder) for folder in ("missing", "sealed", "file", "open")]
        monkeypatch.setenv("PATH", os.pathsep.join(path))
        yield top
        (top / "sealed").chmod(0o755)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("misspelt", 127),  # the kernel's answer is that of the sealed folder
        ("hidden", 127),  # in the sealed folder, which Bash cannot see either
        ("a-folder", 127),
        ("plain", 126),
        ("{folders}/missing/command", 127),
        ("{folders}/sealed/hidden", 126),
        ("{folders}/open/plain", 126),
        ("{folders}/open/a-folder", 126),
    ],
)
def test_status_is_the_one_of_bash(folders: Path, command: str, status: int) -> None:
    """A folder that may not be read is passed over; a path that was given is not."""
    command = command.format(folders=folders)

    assert our_status(command) == status
    assert bash_status(command) == status
