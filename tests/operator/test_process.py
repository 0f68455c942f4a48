"""The operator as a process: how it ends when Kubernetes asks it to."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
HANGING_SECONDS = 5
"""kopf waits this long for a task that does not end (kopf/_core/reactor/running.py)."""


@pytest.mark.slow
async def test_a_sigterm_ends_an_idle_operator_at_once(
    api: Any, kubeconfig: Path, training_job: Callable[..., Any], tmp_path: Path
) -> None:
    """An upgrade of the chart waits for the old operator; an idle one has nothing to end."""
    api.create(TRAININGJOBS, training_job(schedule={"startNoEarlierThan": "2999-01-01T00:00:00Z"}))
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({"server": {"metricsPort": 0, "healthPort": 0}}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lowtide_operator.main", "--settings", str(settings)
    )
    try:
        await api.until(lambda: "plan" in (api.get(TRAININGJOBS, "net").get("status") or {}))

        process.terminate()
        async with asyncio.timeout(HANGING_SECONDS):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert code == 0
