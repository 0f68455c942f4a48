"""Names of workloads as people type them for kubectl: `job/net`, `deployment/web`, `pod/x`.

A word before the slash that is no kind is a namespace, as for TrainingJobs; a namespace that is
called like a kind is given with --namespace.
"""

from typing import Final

from lowtide.cli.jobs import NAME_PATTERN, JobsNotFoundError, KubectlTarget, kubectl_json
from lowtide.lenient_fields import mapping, mappings
from lowtide.records.fields import text
from lowtide.trainingjob.workload_kinds import KINDS

WORDS: Final = {
    **{kind.kind.lower(): kind.kind for kind in KINDS},
    "pod": "Pod",
    "po": "Pod",
    "cronjob": "CronJob",
    "cj": "CronJob",
    "deployment": "Deployment",
    "deploy": "Deployment",
    "replicaset": "ReplicaSet",
    "statefulset": "StatefulSet",
    "sts": "StatefulSet",
    "daemonset": "DaemonSet",
    "ds": "DaemonSet",
    "mpijob": "MPIJob",
    "rayservice": "RayService",
    "raycluster": "RayCluster",
    "notebook": "Notebook",
    "workflow": "Workflow",
}
"""Kind by the word for it, in the singular; the plural is understood too."""


def split_workload(reference: str) -> tuple[str, str] | None:
    """Return kind and name of a workload, `None` where the text names no kind.

    Raises:
        JobsNotFoundError: the name is not valid.
    """
    word, slash, name = reference.partition("/")
    # job.batch/net is how kubectl itself writes it.
    word = word.partition(".")[0].lower()
    kind = WORDS.get(word) or WORDS.get(word.removesuffix("s"))
    if not slash or kind is None:
        return None
    if not NAME_PATTERN.match(name):
        raise JobsNotFoundError(f"{name!r} is not a valid name of a {kind}")
    return kind, name


def namespace_in_use(cluster: KubectlTarget) -> str:
    """Return the namespace that was given, else that of kubectl's context, else `default`."""
    if cluster.namespace is not None:
        return cluster.namespace
    try:
        config = kubectl_json(["config", "view", "--minify"], cluster)
    except JobsNotFoundError:
        return "default"
    contexts = list(mappings(config.get("contexts")))
    chosen = mapping(contexts[0].get("context")) if contexts else {}
    return text(chosen.get("namespace")) or "default"
