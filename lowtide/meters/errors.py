"""Errors of what is read: a meter, a kubelet, an API server.

SourceError                 a source cannot be read now; the others go on
├── MockRefusedError        the NVML library is a stand-in, which was not allowed
└── MalformedAnswerError    a source answered with something that cannot be understood
"""


class SourceError(Exception):
    """A source cannot be read now; the others go on."""


class MockRefusedError(SourceError):
    """The NVML library is a stand-in, and only an explicit flag allows that."""


class MalformedAnswerError(SourceError):
    """A source answered with something that cannot be understood."""


class UnknownMeterError(ValueError):
    """A setting names no meter that exists."""
