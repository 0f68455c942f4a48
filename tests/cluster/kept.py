"""The chart on the cluster, kept from one module to the next that installs it the same way.

To install and to remove it takes half a minute. The next module finds no TrainingJob, no replayed
grid, and an operator that has just started.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from clients import Kubectl
from demonstration import day, stage
from measured import Installed

OPERATOR = "deployment/lowtide-operator"

Installation = Callable[[bool], AbstractContextManager[Installed]]


class KeptRelease:
    """At most one installation at a time: of its kind, whether the operator scrapes by itself."""

    def __init__(self, kubectl: Kubectl, installation: Installation) -> None:
        self._kubectl = kubectl
        self._installation = installation
        self._stack = ExitStack()
        self._kept: tuple[bool, Installed] | None = None

    def get(self, *, scrapes_itself: bool = False) -> Installed:
        """Return the installation of this kind, as a new one would be."""
        if self._kept is not None and self._kept[0] is scrapes_itself:
            self._clear(self._kept[1])
            return self._kept[1]
        self.remove()
        made = self._stack.enter_context(self._installation(scrapes_itself))
        self._kept = scrapes_itself, made
        return made

    def _clear(self, release: Installed) -> None:
        """Remove what the module before left, and let another operator begin."""
        self._kubectl("delete", "trainingjobs", "--all", "--all-namespaces")
        day.end(release.on.layout)
        there = self._kubectl.within(stage.RELEASE_NAMESPACE)
        there("rollout", "restart", OPERATOR)
        there("rollout", "status", OPERATOR, "--timeout=240s", timeout=270)

    def remove(self) -> None:
        """Remove the installation, if there is one."""
        self._kept = None
        self._stack.close()
