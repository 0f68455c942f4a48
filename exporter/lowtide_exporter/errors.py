"""The exporter's exceptions.

ExporterError
├── SettingsError        a flag or environment variable is wrong (exit code 2)
└── SourceError          a meter or an informant cannot be read now
    ├── MockRefusedError the NVML library is a stand-in and that was not allowed
    └── MalformedAnswerError  a source answered with something that cannot be understood
"""


class ExporterError(Exception):
    """Base of every error that the exporter raises on purpose."""


class SettingsError(ExporterError):
    """A setting is wrong; the message names it, the value seen and what would be right."""


class SourceError(ExporterError):
    """A source cannot be read now; the others go on."""


class MockRefusedError(SourceError):
    """The NVML library is a stand-in, and only an explicit flag allows that."""


class MalformedAnswerError(SourceError):
    """A source answered with something that cannot be understood."""
