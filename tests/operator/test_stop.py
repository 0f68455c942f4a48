"""Stop of the operator beside tasks of its loop that are not kopf's."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import kopf
import pytest
from standins.kubernetes.fake_api import TRAININGJOBS

from lowtide_operator.main import serve
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.tasks_of_others import TasksOfOthers


@pytest.mark.usefixtures("kubeconfig")
async def test_kopf_does_not_cancel_a_task_that_is_not_its_own(
    api: Any,
    training_job: Callable[..., dict[str, Any]],
    quick_settings: Callable[..., OperatorSettings],
) -> None:
    """A task that began after kopf goes on after the end of the whole operator."""
    stop = threading.Event()
    api.create(TRAININGJOBS, training_job(schedule={"policy": "Immediate"}))
    operator = asyncio.create_task(serve(quick_settings(), stop=stop))
    await api.until(lambda: api.get(TRAININGJOBS, "net").get("status", {}).get("plan"))
    younger = asyncio.create_task(asyncio.Event().wait())
    stop.set()
    await operator
    assert not younger.done()
    younger.cancel()


async def test_tasks_of_others_are_all_but_those_of_the_package() -> None:
    """What kopf runs is told by the file that its coroutine is written in."""
    mine = asyncio.create_task(asyncio.Event().wait())
    of_kopf = asyncio.create_task(kopf.run_tasks([mine]))
    others = TasksOfOthers(kopf)
    assert mine in others
    assert of_kopf not in others
    assert "a text" not in others
    assert set(others) == asyncio.all_tasks() - {of_kopf}
    assert len(others) == len(asyncio.all_tasks()) - 1
    for task in (mine, of_kopf):
        task.cancel()
