"""Lends the host's torch to a pod, read-only, so that no image has to carry gigabytes of it.

The pod mounts the packages of the virtual environment that this interpreter runs in, and the
interpreter itself where it is not the distribution's own: compiled packages fit one version of
Python only. Both lie outside any home directory in the container, so any user can read them.
"""

import json
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PYTHON = Path("/opt/host/python")
_PACKAGES = Path("/opt/host/site-packages")
_IMAGE_PACKAGES = Path("/opt/lowtide/site-packages")
"""Where the trainer's image keeps its own packages (tools/images/Dockerfile)."""


@dataclass(frozen=True, slots=True)
class HostTorch:
    """Fields of a pod's manifest, each in the form of the Pod API."""

    volumes: list[dict[str, Any]]
    volume_mounts: list[dict[str, Any]]
    env: list[dict[str, str]]
    python: str
    """The interpreter, as the pod sees it."""

    @property
    def trainer_command(self) -> list[str]:
        """The container's `command` for the trainer under that interpreter."""
        start = "import sys; from lowtide_trainer.main import main; sys.exit(main())"
        return [self.python, "-c", start]

    def to_json(self) -> str:
        """Return everything for a program that is not Python."""
        return json.dumps(
            {
                "volumes": self.volumes,
                "volumeMounts": self.volume_mounts,
                "env": self.env,
                "python": self.python,
                "trainerCommand": self.trainer_command,
            }
        )


def host_torch() -> HostTorch:
    """Return what a pod needs to import torch from the running interpreter's environment."""
    mounts = {"host-packages": (Path(sysconfig.get_path("platlib")), _PACKAGES)}
    env = [{"name": "PYTHONPATH", "value": f"{_IMAGE_PACKAGES}:{_PACKAGES}"}]
    prefix = Path(sys.base_prefix).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path("/usr/bin") / version  # the images are made of the host's distribution
    if prefix != Path("/usr"):
        mounts["host-python"] = (prefix, _PYTHON)
        python = _PYTHON / "bin" / version
        # An interpreter with a shared library looks for it where it was installed.
        env.append({"name": "LD_LIBRARY_PATH", "value": str(_PYTHON / "lib")})
    return HostTorch(
        volumes=[
            {"name": "scratch", "emptyDir": {}},
            *(
                {"name": name, "hostPath": {"path": str(source), "type": "Directory"}}
                for name, (source, _) in mounts.items()
            ),
        ],
        volume_mounts=[
            # Importing torch fails without a temporary directory, as with a read-only root.
            {"name": "scratch", "mountPath": "/tmp"},
            *(
                {"name": name, "mountPath": str(target), "readOnly": True}
                for name, (_, target) in mounts.items()
            ),
        ],
        env=env,
        python=str(python),
    )
