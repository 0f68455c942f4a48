"""Key of a TrainingJob: its namespace and its name."""

from typing import NamedTuple


class Key(NamedTuple):
    """Namespace and name of a TrainingJob."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
