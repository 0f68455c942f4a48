"""Start of the operator: it waits until the API server serves the definition that it needs."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from lowtide_operator.app import App
from lowtide_operator.cluster.definition import OutdatedDefinitionError, outdated
from lowtide_operator.cluster.errors import ClusterError

LOG: Final = logging.getLogger(__name__)
CRD_RETRY_SECONDS: Final = 5.0
CRD_PUBLISHED_SECONDS: Final = 20.0
"""Longest time from a change of the definition until the API server publishes its schema."""


async def until_served(app: App) -> None:
    """Wait for the CustomResourceDefinition: kopf would otherwise watch nothing for ever.

    Raises:
        OutdatedDefinitionError: it is too old for this operator.
    """
    namespaces = app.settings.cluster.namespaces or (None,)
    patient_until = time.monotonic() + CRD_PUBLISHED_SECONDS
    while True:
        try:
            if await _any_serves(app, namespaces):
                reason = outdated(await app.cluster.served_schemas())
                if reason is None:
                    return
                # A definition that was just changed is published a little later.
                if time.monotonic() > patient_until:
                    raise OutdatedDefinitionError(reason)
            else:
                LOG.warning("the API server does not know TrainingJobs yet: install crds/")
        except OutdatedDefinitionError:
            raise
        except ClusterError as error:
            LOG.warning("TrainingJobs cannot be listed yet: %s", error)
        await asyncio.sleep(CRD_RETRY_SECONDS)


async def _any_serves(app: App, namespaces: Sequence[str | None]) -> bool:
    """Return whether TrainingJobs can be listed in any of the namespaces.

    Raises:
        ClusterError: in none, for the last one's reason.
    """
    for place, namespace in enumerate(namespaces, start=1):
        try:
            if await app.cluster.serves_training_jobs(namespace):
                return True
        except ClusterError:
            if place == len(namespaces):
                raise
    return False
