"""Report of a training that has just begun, as text.

It is what `report.to_message` makes of the same values, and is made without the modules that read a
report: a program that has loaded nothing else starts in milliseconds. Pure.
"""

from __future__ import annotations

from lowtide.names import OUTCOME_RUNNING
from lowtide.trainingjob.report_values import (
    PLAIN_CHECKS,
    SCHEMA_VERSION,
    check_seconds,
    json_key,
    plain_json,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def first_message(
    values: Mapping[str, object], started_at: str, training_seconds: float
) -> tuple[str, list[str]]:
    """Return the message of a running training and a fault for each value that is left out.

    `values` are fields of `PLAIN_CHECKS`; `started_at` is UTC in milliseconds, as RFC 3339 text.
    """
    members = [f'"schemaVersion":{SCHEMA_VERSION}', f'"outcome":"{OUTCOME_RUNNING}"']
    faults = []
    for attribute, check in PLAIN_CHECKS.items():
        value = values.get(attribute)
        if value is None:
            continue
        key = json_key(attribute)
        try:
            members.append(f'"{key}":{plain_json(check(value))}')
        except ValueError as error:
            faults.append(f"{key} is left out: {error}")
    members.append(f'"startedAt":"{started_at}"')
    members.append(f'"trainingSeconds":{plain_json(check_seconds(training_seconds))}')
    return "{" + ",".join(members) + "}", faults
