"""Variables of the environment by which processes of one training know of one another."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ENV_NOTES: Final = "LOWTIDE_EXEC_NOTES"
"""Directory in which training processes leave notes for `lowtide-trainer exec`."""
ENV_TORCHRUN: Final = "TORCHELASTIC_RUN_ID"
"""torchrun and `accelerate launch` with several processes set it."""
