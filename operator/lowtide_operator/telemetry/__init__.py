"""Telemetry of the operator itself: its metrics page and its health."""
