"""Fixtures of the backtest's tests."""

from builders import forecast, job, now

__all__ = ["forecast", "job", "now"]
