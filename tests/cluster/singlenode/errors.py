"""Errors of the test cluster, each told in one sentence.

ClusterError
├── UnsupportedMachineError   this machine cannot run the cluster, and why
├── OccupiedError             another cluster is on this machine
├── CommandFailedError        a program that was called returned an error
├── NotReadyError             something that was started did not answer in time
└── ForbiddenContextError     KUBECONFIG names a cluster that tests may not touch
"""


class ClusterError(Exception):
    """Base of all errors of the test cluster; the message is meant for people."""


class UnsupportedMachineError(ClusterError):
    """The machine lacks something that cannot be installed."""


class OccupiedError(ClusterError):
    """Another cluster is running, starting or stopping on this machine."""


class CommandFailedError(ClusterError):
    """A program that was called ended with an error; the message ends with what it said."""


class NotReadyError(ClusterError):
    """Something that was started did not answer in time."""


class ForbiddenContextError(ClusterError):
    """KUBECONFIG names a cluster that tests may not touch."""
