"""A Slurm of one node in a folder: Debian's own daemons, on loopback ports and nowhere else."""

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "sinfo")
_PATIENCE_SECONDS: Final = 120.0


def missing_programs() -> list[str]:
    """Return which programs of Slurm are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=_paths()) is None]


class SlurmSite:
    """Controller and one node with GPUs, started and stopped with the block."""

    def __init__(self, folder: Path, *, prolog: str, epilog: str, gpus: int = 2) -> None:
        self.folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "PATH": _paths(),
            "SLURM_CONF": os.fspath(folder / "slurm.conf"),
        }
        for name in ("state", "spool"):
            (folder / name).mkdir()
        for index in range(gpus):
            # Slurm takes devices only; these are further names of /dev/null.
            os.mknod(folder / f"nvidia{index}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        for name, text in (("prolog", prolog), ("epilog", epilog)):
            script = folder / name
            script.write_text(f"#!/bin/bash\n{text}")
            script.chmod(0o755)
        (folder / "gres.conf").write_text(f"Name=gpu File={folder}/nvidia[0-{gpus - 1}]\n")
        self._write_configuration(gpus)

    def _write_configuration(self, gpus: int) -> None:
        host, (controller, node) = socket.gethostname().partition(".")[0], _free_ports()
        settings = {
            "ClusterName": "one",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": controller,
            "SlurmdPort": node,
            "SlurmUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.folder}/munge.socket",
            "CredType": "cred/munge",
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "spool",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd.pid",
            "SlurmctldLogFile": self.folder / "slurmctld.log",
            "SlurmdLogFile": self.folder / "slurmd.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "MpiDefault": "none",
            "SelectType": "select/cons_tres",
            "SchedulerParameters": "sched_interval=1,bf_interval=1",
            "ReturnToService": 2,
            "Prolog": self.folder / "prolog",
            "Epilog": self.folder / "epilog",
            "GresTypes": "gpu",
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        lines += [
            f"NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} Gres=gpu:{gpus}",
            f"PartitionName=all Nodes={host} Default=YES State=UP",
        ]
        (self.folder / "slurm.conf").write_text("\n".join(lines) + "\n")

    def __enter__(self) -> "SlurmSite":
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        try:
            self._start(
                "munged",
                "--foreground",
                "--force",
                f"--socket={self.folder}/munge.socket",
                f"--key-file={key}",
                f"--pid-file={self.folder}/munged.pid",
                f"--log-file={self.folder}/munged.log",
                f"--seed-file={self.folder}/munge.seed",
            )
            self._await(lambda: (self.folder / "munge.socket").exists(), "munged")
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._await(
                lambda: self.run("sinfo", "-h", "-o", "%t", check=False).strip() == "idle", "a node"
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def run(self, *command: str, check: bool = True, cwd: Path | None = None) -> str:
        """Return what a client of Slurm writes to its standard output."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, cwd=cwd, timeout=300
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}\n{self.log()}")
        return done.stdout

    def log(self) -> str:
        """Return the ends of the daemons' logs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}\n{log.read_text()[-2000:]}" for log in logs)

    def _start(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            self._daemons.append(
                subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)
            )

    def _await(self, is_there: object, what: str) -> None:
        assert callable(is_there)
        until = time.monotonic() + _PATIENCE_SECONDS
        while not is_there():
            if time.monotonic() > until or any(d.poll() is not None for d in self._daemons):
                raise AssertionError(f"{what} did not come up\n{self.log()}")
            time.sleep(0.1)


def _paths() -> str:
    """Return where programs are looked for: daemons are not on the path of every user."""
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def _free_ports() -> Sequence[int]:
    """Return two ports of loopback that are free now."""
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
