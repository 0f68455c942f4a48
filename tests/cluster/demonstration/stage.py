"""Sets the stage of the demo on a running cluster: mock GPUs, images, the chart, the two jobs.

Everything that is started here is named by a pid file of the cluster, or lives in it, so removing
the cluster removes it all, whatever happened to the demo.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from demonstration import day
from demonstration.pace import Pace
from singlenode import hosttorch, images, processes
from singlenode.binaries import Binaries
from singlenode.commands import run
from singlenode.errors import ClusterError
from singlenode.layout import ADDRESS, KUBELET_ROOT, PROMETHEUS_URL, REPOSITORY, Layout

NAMESPACE = "default"
RELEASE_NAMESPACE = "lowtide-system"
STANDINS = REPOSITORY / "tests" / "standins"
EXAMPLES = ("densenet121", "inceptionv3")
GPUS = 2
SCRAPE_SECONDS = 2
IDLE_WATTS, WATTS_PER_CORE = 15, 250

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """State that the parts of the demo share."""

    layout: Layout
    programs: Binaries
    python: Path
    """The interpreter of the virtual environment."""

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Return what kubectl prints."""
        return run(
            [self.programs.kubectl, f"--kubeconfig={self.layout.kubeconfig}", *arguments],
            input_text=text,
        )

    def apply(self, *manifests: Manifest) -> None:
        """Create or change objects."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "-f", "-", text=json.dumps(bundle))

    def trainingjobs(self) -> list[Manifest]:
        """Return the two jobs as they are now."""
        items = json.loads(self.kubectl("get", "trainingjobs", "-n", NAMESPACE, "-o", "json"))
        found: list[Manifest] = items["items"]
        return found


def start_mock_gpus(stage: Stage, gpus: int = GPUS) -> Path:
    """Start the NVML stand-in, whose power follows the CPU use of the pods; return its folder."""
    directory = stage.layout.state / "mock-nvml"
    # On a cluster that outlives a change of the stand-in, its control file is of another shape.
    shutil.rmtree(directory, ignore_errors=True)
    run([stage.python, STANDINS / "nvml" / "build.py", directory], timeout_seconds=120)
    processes.start(
        [
            stage.python, STANDINS / "nvml" / "follow.py", "run", "--directory", directory,
            "--kubelet-socket", KUBELET_ROOT / "pod-resources" / "kubelet.sock",
            # Where this cluster's kubelet keeps them; the names of the folders tell the pods' UIDs.
            "--pod-logs-dir", stage.layout.state / "pod-logs",
            "--pod-logs-dir", stage.layout.state / "pod-logs",
            "--gpus", str(gpus), "--idle-watts", str(IDLE_WATTS),
            "--watts-per-core", str(WATTS_PER_CORE),
        ],
        pid_file=stage.layout.pids / "mock-nvml.pid",
        log_file=stage.layout.logs / "mock-nvml.log",
    )  # fmt: skip
    return directory


def stop_mock_gpus(stage: Stage) -> None:
    """Stop the NVML stand-in, if it runs."""
    processes.stop(stage.layout.pids / "mock-nvml.pid")


def install(
    stage: Stage,
    built: Mapping[str, images.Image],
    mock_nvml: Path,
    *,
    scrapes_itself: bool = False,
    counts_gpus: bool = False,
) -> None:
    """Install the chart with the built images and wait until both programs are ready.

    `scrapes_itself` installs it as for a cluster without Prometheus; with `counts_gpus` jobs are
    planned for no more GPUs at a time than the node has.
    """
    values = chart_values(built, mock_nvml, scrapes_itself=scrapes_itself)
    values["settings"]["capacityFromNodes"] = counts_gpus
    stage.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RELEASE_NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "grid-token", "namespace": RELEASE_NAMESPACE},
            "stringData": {"token": day.TOKEN},
        },
    )
    run(
        [
            stage.programs.clients / "helm", f"--kubeconfig={stage.layout.kubeconfig}",
            "upgrade", "--install", "lowtide", REPOSITORY / "charts" / "lowtide",
            "--namespace", RELEASE_NAMESPACE, "--values", "-", "--wait", "--timeout", "240s",
        ],
        input_text=yaml.safe_dump(values),
        timeout_seconds=270,
    )  # fmt: skip


def diagnosis(stage: Stage) -> str:
    """Return what explains a failure: pods, warnings, the programs' last words."""
    parts = []
    for arguments in (
        ("get", "pods", "--all-namespaces", "-o", "wide"),
        ("get", "events", "--all-namespaces", "--field-selector=type=Warning"),
        ("logs", "-n", RELEASE_NAMESPACE, "deployment/lowtide-operator", "--tail=15"),
        ("logs", "-n", RELEASE_NAMESPACE, "daemonset/lowtide-exporter", "--tail=15"),
    ):
        try:
            said = stage.kubectl(*arguments)
        except ClusterError as error:
            said = str(error)
        parts.append(f"$ kubectl {' '.join(arguments)}\n{said.rstrip()}")
    return "\n\n".join(parts)


def chart_values(
    built: Mapping[str, images.Image], mock_nvml: Path, *, scrapes_itself: bool
) -> Manifest:
    """Return the chart's values: everything at the pace of a day that lasts four minutes."""
    operator, exporter = built["operator"], built["exporter"]
    return {
        "credentials": [{"secretName": "grid-token"}],
        "workloads": {
            "kinds": ["Job", "JobSet", "TrainJob", "PyTorchJob", "RayJob"],
            "pauseQueued": {"enabled": True},
        },
        "directScrape": {"enabled": scrapes_itself},
        "settings": _operator_settings(scrapes_itself=scrapes_itself),
        "operator": {
            "image": {"repository": operator.repository, "tag": operator.tag},
            "podAnnotations": scraped(9090),
            # Beside two trainings on two cores: who measures must not starve.
            "resources": {"requests": {"cpu": "200m"}},
        },
        "exporter": {
            "image": {"repository": exporter.repository, "tag": exporter.tag},
            "podAnnotations": scraped(9400),
            "resources": {"requests": {"cpu": "100m"}},
            "scrapeIntervalSeconds": SCRAPE_SECONDS,
            # A job of two minutes: half a period of idle power at either end counts.
            "periodSeconds": 0.5,
            "nodeSelector": None,
            "extraEnv": [
                {"name": "LOWTIDE_NVML_LIBRARY", "value": "/mock/libnvidia-ml.so.1"},
                {"name": "LOWTIDE_ALLOW_MOCK", "value": "1"},
                {"name": "LOWTIDE_MOCK_STATE", "value": "/mock/state"},
                {"name": "LOWTIDE_KUBELET_PERIOD_SECONDS", "value": "0.5"},
            ],
            "extraVolumes": [{"name": "mock", "hostPath": {"path": str(mock_nvml)}}],
            "extraVolumeMounts": [{"name": "mock", "mountPath": "/mock", "readOnly": True}],
        },
    }


def _operator_settings(*, scrapes_itself: bool) -> Manifest:
    samples: Manifest = {"prometheus": {"url": PROMETHEUS_URL}}
    if scrapes_itself:  # the chart knows the exporters' address
        samples = {"exporters": {}, "prediction": {"periodSeconds": 2}}
    for name in samples.keys() - {"prediction"}:
        samples[name]["scrapeIntervalSeconds"] = SCRAPE_SECONDS
    grid = {
        "kind": "electricity-maps",
        "url": f"http://{ADDRESS}:{day.PORT}/v4",
        "tokenFile": "/etc/lowtide/credentials/grid-token/token",
        "refreshSeconds": 2,
    }
    return {
        "defaultZone": day.ZONE,
        # A flat tariff, in the replay's days: bills are told, and no plan changes by it.
        "prices": {
            day.ZONE: {
                "currency": "EUR",
                "slotsPerDay": 24,
                "providers": [{"kind": "tariff", "perKwh": 0.3}],
            }
        },
        "zones": {day.ZONE: {"signal": "Average", "slotsPerDay": 24, "providers": [grid]}},
        "schedule": {"startLatencySeconds": 5, "marginSeconds": 5, "lookAgainSeconds": 2},
        "forecast": {"refreshSeconds": 4, "retrySeconds": 1, "fetchTimeoutSeconds": 10},
        **samples,
        "measurement": {"pollSeconds": 1, "settleSeconds": 30, "repriceSeconds": 4},
        "cluster": {"podPollSeconds": 1, "runningLookSeconds": 2},
    }


def demo_job(name: str, trainer: images.Image, now: datetime, pace: Pace) -> Manifest:
    """Return a shipped example with the demo's image, its torch and a deadline minutes away."""
    text = (REPOSITORY / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    manifest: Manifest = deepcopy(yaml.safe_load(text))
    deadline = now + timedelta(seconds=pace.latest_start_seconds + pace.run_seconds)
    manifest["spec"].setdefault("schedule", {}).update(
        {
            "policy": "CarbonOptimal",
            "deadline": deadline.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "expectedDurationSeconds": pace.run_seconds,
        }
    )
    manifest["spec"]["schedule"].pop("maxDelaySeconds", None)
    template = manifest["spec"]["template"]["spec"]["template"]
    template.setdefault("metadata", {}).setdefault("annotations", {}).update(scraped(9401))
    lend_torch(template["spec"], trainer)
    return manifest


def lend_torch(pod: Manifest, trainer: images.Image) -> None:
    """Let the first container run the image without torch, with the host's torch mounted."""
    torch = hosttorch.host_torch()
    container = pod["containers"][0]
    container["image"], container["imagePullPolicy"] = trainer.reference, "Never"
    container["command"] = torch.trainer_command
    container.setdefault("env", []).extend(torch.env)
    _add(container.setdefault("volumeMounts", []), torch.volume_mounts, key="mountPath")
    _add(pod.setdefault("volumes", []), torch.volumes, key="name")


def _add(present: list[Manifest], more: Sequence[Mapping[str, Any]], *, key: str) -> None:
    """Add entries to a list in which the example may have some of them already."""
    taken = {entry[key] for entry in present}
    present.extend(dict(entry) for entry in more if entry[key] not in taken)


def scraped(port: int) -> dict[str, str]:
    """Return the annotations by which the cluster's Prometheus finds a pod."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)}
