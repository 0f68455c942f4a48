"""Fixtures of the planner's tests."""

from builders import forecast, job, now

__all__ = ["forecast", "job", "now"]
