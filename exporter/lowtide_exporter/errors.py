"""Errors of the exporter itself; those of what it reads are in `lowtide.meters.errors`."""


class ExporterError(Exception):
    """Base of every error that the exporter raises on purpose."""


class ExporterSettingsError(ExporterError):
    """A setting is wrong; the message names it, the value seen and what would be right."""
