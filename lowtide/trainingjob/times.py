"""Times as the status and its sentences hold them: whole seconds, UTC."""

from datetime import datetime, timedelta


def whole_seconds(moment: datetime) -> datetime:
    """Return `moment` without the part of a second, as Kubernetes stores times."""
    return moment.replace(microsecond=0)


def nearest_second(moment: datetime) -> datetime:
    """Return the second nearest to `moment`; for times that are computed anew at every look."""
    return whole_seconds(moment + timedelta(seconds=0.5))


def clock_text(moment: datetime, *, after: datetime | None = None) -> str:
    """Return a UTC time for a sentence, without seconds where they are zero.

    With `after` on the same day only the time of day is said.
    """
    seconds = ":%S" if moment.second else ""
    same_day = after is not None and after.date() == moment.date()
    day = "" if same_day else "%Y-%m-%dT"
    return moment.strftime(f"{day}%H:%M{seconds}Z")
