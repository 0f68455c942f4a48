"""Headless Service by which the pods of a job find its first one."""

from typing import Any

from demonstration import stage

PORT = 29400


def service(job: str) -> dict[str, Any]:
    """Return the Service of a TrainingJob; its pods name it as their subdomain."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": job, "namespace": stage.NAMESPACE},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"lowtide.dev/trainingjob": job},
            "ports": [{"name": "rendezvous", "port": PORT}],
        },
    }


def address(job: str) -> str:
    """Return host and port of the first pod of a TrainingJob's first Job."""
    return f"{job}-1-0.{job}.{stage.NAMESPACE}.svc.cluster.local:{PORT}"
