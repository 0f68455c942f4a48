from pathlib import Path

import pytest
import yaml

from lowtide.trainingjob.models import TrainingJob
from lowtide_trainer.settings import parse_settings

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("densenet121", "inceptionv3", "interruptible", "minimal")


def read(name):
    documents = list(yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text()))
    (job,) = (document for document in documents if document["kind"] == "TrainingJob")
    return documents, job


def pod_of(job):
    return job["spec"]["template"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_valid_training_job(name):
    """The API takes it as it is, and its name is the file's."""
    _, job = read(name)

    assert TrainingJob.model_validate(job).metadata["name"] == name
    assert pod_of(job)["restartPolicy"] == "Never"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_starts_the_trainer_with_flags_that_it_takes(name):
    """Arguments and variables are read as the container would read them."""
    _, job = read(name)
    (container,) = pod_of(job)["containers"]
    environment = {entry["name"]: entry["value"] for entry in container.get("env", ())}

    settings = parse_settings(container["args"], environment)

    assert settings.model in ("densenet121", "inceptionv3")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "minimal"])
def test_an_example_runs_under_the_restricted_pod_security_standard(name):
    """What the standard asks for, and a writable /tmp because torch needs one."""
    _, job = read(name)
    pod = pod_of(job)
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert {"name": mounts["/tmp"], "emptyDir": {}} in pod["volumes"]


def test_the_interruptible_example_keeps_its_checkpoints():
    """A pause is allowed only with a volume that outlives the pod, mounted where they go."""
    documents, job = read("interruptible")
    (container,) = pod_of(job)["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    (claim,) = (one for one in documents if one["kind"] == "PersistentVolumeClaim")
    volumes = {volume["name"]: volume for volume in pod_of(job)["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}

    volume = volumes[mounts[environment["LOWTIDE_CHECKPOINT_DIR"]]]

    assert job["spec"]["schedule"]["interruption"]["allowed"] is True
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_the_compared_pair_differs_only_in_the_network():
    """Same data, settings and price: what is compared is the model."""
    texts = [(EXAMPLES / f"{name}.yaml").read_text().partition("apiVersion")[2].replace(name, "X")
             for name in ("densenet121", "inceptionv3")]  # fmt: skip

    assert texts[0] == texts[1]
