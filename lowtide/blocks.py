"""Block of code that is opened by `with`, and is told which error ended it, if one did.

One rule for all that open around somebody's code: whatever the code raises goes on, and the block
ends in the same way with and without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class CodeBlock(ABC):
    """Base of objects that are closed by the end of a `with` statement."""

    @abstractmethod
    def end_with(self, error: BaseException | None) -> None:
        """End the block; `error` is what the code in it raised, `None` after a normal end."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the block; what its code raised goes on."""
        self.end_with(error)
