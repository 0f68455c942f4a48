"""The operator as a process: how it ends when Kubernetes asks it to."""

import asyncio
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
TELLING = """
import sys
from kopf._cogs.aiokits import aiotasks
from lowtide_operator.main import main

stop = aiotasks.stop

async def telling(tasks, *, title, **others):
    if title == "Hung" and tasks:
        print("hung", [task.get_name() for task in tasks], flush=True)
    return await stop(tasks, title=title, **others)

aiotasks.stop = telling
sys.exit(main())
"""
"""The operator; it tells what kopf waited for in vain (kopf/_core/reactor/running.py: 5 s)."""


@pytest.mark.slow
def test_the_operator_loads_no_synchronous_client() -> None:
    """The sign-in libraries that come with it were a tenth of an idle operator's memory."""
    loaded = "[name for name in ('kubernetes.config', 'google.auth') if name in sys.modules]"
    program = f"import sys, lowtide_operator.main, kubernetes.config; print({loaded})"
    idle = program.replace(", kubernetes.config", "")
    found = [
        subprocess.run([sys.executable, "-c", one], capture_output=True, text=True, check=True)
        for one in (idle, program)
    ]
    assert [one.stdout.strip() for one in found] == ["[]", "['kubernetes.config', 'google.auth']"]


@pytest.mark.slow
async def test_a_sigterm_ends_an_idle_operator_at_once(
    api: Any, kubeconfig: Path, training_job: Callable[..., Any], tmp_path: Path
) -> None:
    """An upgrade of the chart waits for the old operator; an idle one has nothing to end."""
    api.create(TRAININGJOBS, training_job(schedule={"startNoEarlierThan": "2999-01-01T00:00:00Z"}))
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({"server": {"metricsPort": 0, "healthPort": 0}}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TELLING, "--settings", str(settings)), stdout=PIPE
    )
    try:
        await api.until(lambda: "plan" in (api.get(TRAININGJOBS, "net").get("status") or {}))

        process.terminate()
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert (told, process.returncode) == (b"", 0)
