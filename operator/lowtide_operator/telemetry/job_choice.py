"""Choice of the jobs that have series of their own on the metrics page. Pure.

Every series costs the operator, Prometheus and its disk something at each scrape, for as long as it
is there. Of the jobs that wait or ended long ago the sums by state tell enough.
"""

from collections.abc import Iterable
from typing import Final

from lowtide.trainingjob.conditions import ConditionType
from lowtide_operator.objects.records import Record
from lowtide_operator.objects.summary import ENDED_STATES

JOBS_MAX: Final = 250
"""Jobs with series of their own: a scrape of so many takes less than a tenth of a second."""
WAITING: Final = frozenset({"", "Waiting"})
_AT_RISK: Final = (str(ConditionType.DEADLINE_AT_RISK), "True")


def shown_jobs(records: Iterable[Record], ended_after: float) -> list[Record]:
    """Return the jobs with series of their own.

    First those that run, then those whose deadline is at risk, those that ended after the Unix time
    `ended_after` (the last ones first), and those that wait (the next ones first).
    """
    ranked = []
    for record in records:
        summary = record.summary
        figures = summary.figures
        if summary.state in ENDED_STATES:
            ended = figures.get("end_timestamp_seconds", 0.0)
            if ended > ended_after:
                ranked.append(((2, -ended), record))
        elif summary.state not in WAITING:
            ranked.append(((0, -figures.get("start_timestamp_seconds", 0.0)), record))
        else:
            risk = 1 if _AT_RISK in summary.conditions else 3
            start = figures.get("planned_start_timestamp_seconds", float("inf"))
            ranked.append(((risk, start), record))
    ranked.sort(key=lambda one: (one[0], one[1].key))
    return [record for _, record in ranked[:JOBS_MAX]]
