"""Size of the pages of a list: bounded in bytes, whatever tenants write into their objects.

A fixed number of objects bounds nothing: 500 of them may hold 1.5 MB each. A page that grows over
the bound is given up while it arrives, and asked for again with fewer objects; the pages after it
are sized by what came. Parsed objects take some ten times the bytes of their text.
"""

from typing import Final

from lowtide_operator.cluster.errors import UnreachableError

PAGE_OBJECTS: Final = 500
"""Objects in one page at most."""
PAGE_BYTES: Final = 8_000_000
"""Bytes of one page at most, if it holds more than the fewest objects."""
FEWEST_OBJECTS: Final = 2
"""Objects in a page of the largest ones; etcd takes none over 1.5 MB unless it is told to."""
LARGEST_BYTES: Final = 32_000_000
"""Bytes of a page of the fewest objects at most."""
SHRINKS_BY: Final = 8


class PageSize:
    """How many objects the next page should hold."""

    def __init__(self, most: int = PAGE_OBJECTS) -> None:
        self._most = most
        self.objects = most

    @property
    def bytes_at_most(self) -> int:
        """How long the next page may be."""
        return PAGE_BYTES if self.objects > FEWEST_OBJECTS else LARGEST_BYTES

    def was(self, objects: int, length_bytes: int) -> None:
        """Note a page that came: the next one aims at half of the bound."""
        if objects and length_bytes:
            fitting = PAGE_BYTES // 2 * objects // length_bytes
            self.objects = min(self._most, max(FEWEST_OBJECTS, fitting))

    def was_exceeded(self) -> None:
        """Note a page that was given up.

        Raises:
            UnreachableError: it held the fewest objects, and no API server makes such.
        """
        if self.objects <= FEWEST_OBJECTS:
            raise UnreachableError(
                f"{self.objects} objects of a list take more than {LARGEST_BYTES} bytes"
            )
        self.objects = max(FEWEST_OBJECTS, self.objects // SHRINKS_BY)
