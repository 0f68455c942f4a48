"""The chart's release of what is held, against a small API server, when the operator is gone."""

import asyncio
import functools
import json
from pathlib import Path
from typing import Any

import pytest
from standins.kubernetes.fake_api import JOB_SETS, JOBS, PODS

from lowtide.trainingjob.workload_kinds import KINDS
from lowtide_operator import release
from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.release import QUIET_LOOKS, free_all, main, release_all

JOB_UID = "batch.kubernetes.io/controller-uid"


def add_held(api: Any, name: str) -> str:
    """Create a suspended Job that carries our mark; return its uid."""
    body = {
        "metadata": {
            "name": name,
            "labels": {"lowtide.dev/held": "true"},
            "annotations": {"lowtide.dev/latest-start": "2026-12-01T08:00:00Z"},
        },
        "spec": {"suspend": True},
    }
    return str(api.create(JOBS, body)["metadata"]["uid"])


def add_pod(api: Any, uid: str, **metadata: str) -> None:
    labels = {JOB_UID: uid}
    body = {"metadata": {"name": "rests-x", "labels": labels, **metadata}}
    api.create(PODS, {**body, "status": {"phase": "Running"}})


def is_free(api: Any, name: str) -> bool:
    body = api.get(JOBS, name)
    return body["spec"]["suspend"] is False and "lowtide.dev/held" not in body["metadata"]["labels"]


async def test_a_paused_workload_is_freed_after_its_last_pod_and_the_others_at_once(
    api: Any, kubeconfig: Path
) -> None:
    """Two pods would write one checkpoint; each look says why one still waits."""
    add_held(api, "waits")
    add_pod(api, add_held(api, "rests"), deletionTimestamp="2026-11-30T06:00:00Z")
    client = await connect(workers=1)
    try:
        cluster = Cluster(client, Leadership(), timeout_seconds=10)
        assert await free_all(cluster, KINDS, [None]) == {
            "Job default/rests": "pod rests-x of it is still there",
            "Job default/waits": "",
        }
        assert is_free(api, "waits")
        assert not is_free(api, "rests")
        api.delete(PODS, "rests-x")
        assert await release_all(cluster, KINDS, [None], apart_seconds=0) == 0
        assert is_free(api, "rests")
    finally:
        await client.close()


async def test_what_stays_held_is_named_and_the_exit_code_says_so(
    api: Any, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Helm tells of a hook that failed."""
    add_pod(api, add_held(api, "rests"))
    client = await connect(workers=1)
    try:
        cluster = Cluster(client, Leadership(), timeout_seconds=10)
        looks = QUIET_LOOKS + 1
        found = await release_all(cluster, KINDS, [None], most_looks=looks, apart_seconds=0)
    finally:
        await client.close()
    assert found == 1
    said = "Job default/rests is still held: pod rests-x of it is still there\n"
    assert capsys.readouterr().err == said
    assert not is_free(api, "rests")


async def test_a_kind_of_another_team_is_freed_by_its_entry(
    api: Any, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its flag is where the settings say; a kind that is not listed stays held."""
    at_once = functools.partial(release_all, apart_seconds=0)
    monkeypatch.setattr(release, "release_all", at_once)
    add_held(api, "of-another-release")
    body = {"metadata": {"name": "grid", "labels": {"lowtide.dev/held": "true"}}}
    api.create(JOB_SETS, {**body, "spec": {"rest": True}})
    sweep = {
        "kind": "Sweep",
        "group": "jobset.x-k8s.io",
        "version": "v1alpha2",
        "plural": "jobsets",
        "suspend": "spec.rest",
        "pods": ["jobset.sigs.k8s.io/jobset-uid={uid}"],
    }
    asked = ["--kinds=Sweep", f"--custom={json.dumps([sweep])}"]

    assert await asyncio.to_thread(main, asked) == 0
    freed = api.get(JOB_SETS, "grid")
    assert freed["spec"]["rest"] is False
    assert "lowtide.dev/held" not in freed["metadata"]["labels"]
    assert not is_free(api, "of-another-release")


def test_a_malformed_entry_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, before anything is asked."""
    with pytest.raises(SystemExit) as ended:
        main(['--custom=[{"kind": "Sweep"}]'])
    assert ended.value.code == 2
    assert "--custom" in capsys.readouterr().err


def test_a_cluster_that_cannot_be_asked_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, and not a traceback."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1
