"""Checkpoint that the ranks of a training save together; every loop of Lowtide's own saves so.

All ranks collect, the first one writes, and all learn what came of it. How long saving took counts
from the beginning of the collecting, because a pause waits for that too: this is the only place
that says so.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lowtide.trainingjob.report import CheckpointInfo
from lowtide_trainer.checkpoint import CheckpointStore
from lowtide_trainer.errors import CheckpointNotSavedError
from lowtide_trainer.ranks import Ranks
from lowtide_trainer.reporter import Reporter


def save_together(
    collect: Callable[[], Mapping[str, Any]],
    *,
    batches: int,
    store: CheckpointStore | None,
    ranks: Ranks,
    reporter: Reporter,
    monotonic: Callable[[], float] = time.monotonic,
) -> CheckpointInfo:
    """Save and report a checkpoint after `batches` batches; called on all ranks together.

    `collect` returns the content, and may exchange with the other ranks. Only the first rank has
    a `store`.

    Raises:
        CheckpointNotSavedError: it could not be written; raised on all ranks.
    """
    began = monotonic()
    content = collect()
    info: CheckpointInfo | None = None
    failure: CheckpointNotSavedError | None = None
    if store is not None:
        try:
            saved = store.save(content, batches=batches)
            info = replace(saved, duration_seconds=monotonic() - began)
        except CheckpointNotSavedError as error:
            failure = error
    info, failure = ranks.from_first((info, failure))
    if info is None:
        reporter.checkpoint_failed()
        raise failure or CheckpointNotSavedError("the first process saved no checkpoint")
    reporter.checkpoint_saved(info)
    return info
