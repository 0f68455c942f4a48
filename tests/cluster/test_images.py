"""The images hold working programs that run as any unprivileged user."""

import os
from typing import Any

import pytest
from clients import Kubectl, RunningCluster
from singlenode import images as project_images
from singlenode.hosttorch import host_torch
from singlenode.progress import Progress

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.own_namespace]

HEAVY_VARIABLE = "LOWTIDE_TEST_TORCH_IMAGE"

RESTRICTED: dict[str, Any] = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def run_to_end(kubectl: Kubectl, container: dict[str, Any], **spec: Any) -> tuple[int, str]:
    """Run a pod of one restricted container; return its exit code and its log."""
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "once"},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "securityContext": RESTRICTED, **container}],
                **spec,
            },
        }
    )
    finished = "--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    kubectl("wait", finished, "pod/once", "--timeout=240s", timeout=250)
    (state,) = kubectl.json("get", "pod", "once")["status"]["containerStatuses"]
    return state["state"]["terminated"]["exitCode"], kubectl("logs", "once")


@pytest.mark.parametrize("program", ["operator", "exporter", "trainer"])
def test_program_starts_restricted(
    kubectl: Kubectl, namespace: str, images: dict[str, str], program: str
) -> None:
    """Each image starts its program as a numeric user, without rights, on a read-only root."""
    container = {"image": images[program], "args": ["--help"]}

    code, text = run_to_end(kubectl.within(namespace), container)

    assert code == 0, text
    assert f"lowtide-{program}" in text


def test_pod_trains_with_the_torch_of_the_host(
    cluster: RunningCluster, kubectl: Kubectl, namespace: str, images: dict[str, str]
) -> None:
    """Another user than root imports the host's torch beside the image's own trainer."""
    if cluster.layout is None:
        pytest.skip("the node is not this machine, so it has no torch to lend")
    lent = host_torch()
    container = {
        "image": images["trainer"],
        "command": [
            lent.python,
            "-c",
            "import os, torch, torchvision, sklearn, lowtide_trainer;"
            "print(os.getuid(), torch.ones(2).sum().item(), lowtide_trainer.__file__)",
        ],
        "env": lent.env,
        "volumeMounts": lent.volume_mounts,
    }

    code, text = run_to_end(kubectl.within(namespace), container, volumes=lent.volumes)

    assert code == 0, text
    user, total, file = text.split()
    assert (user, total) == ("65532", "2.0")
    assert file.startswith("/opt/lowtide/")


@pytest.mark.skipif(
    not os.environ.get(HEAVY_VARIABLE),
    reason=f"builds an image of several gigabytes: set {HEAVY_VARIABLE}=1",
)
def test_trainer_image_brings_its_own_torch(
    cluster: RunningCluster, kubectl: Kubectl, namespace: str
) -> None:
    """The image that users get trains with nothing mounted but a scratch directory."""
    if cluster.layout is None:
        pytest.skip("images can be loaded into this machine's cluster only")
    recipe = project_images.TRAINER_WITH_TORCH
    made = project_images.build([recipe], cluster.layout, Progress())
    project_images.load(made.values(), cluster.layout, cluster.programs)
    container = {
        "image": made[recipe.name].reference,
        "command": ["/opt/lowtide/bin/python", "-c", "import torch, torchvision, sklearn"],
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    }

    code, text = run_to_end(
        kubectl.within(namespace), container, volumes=[{"name": "scratch", "emptyDir": {}}]
    )

    assert code == 0, text
