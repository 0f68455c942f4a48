"""Logs of carbontracker: the block `Actual consumption` of its output log.

The tool's figures are modelled from mean power and a mean intensity of the country; the last block
of a log is the one that counts, and a prediction is never read as a measurement.
"""

import re
from typing import Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.records.conversion import figures_from
from lowtide.records.errors import ReportError
from lowtide.records.tables import parse_number
from lowtide.units import kwh_to_joules

BLOCK: Final = re.compile(
    r"Actual consumption(?: for (?P<epochs>\d{1,9}) epoch\(s\))?:\s{1,20}"
    r"Time:\s{0,20}(?P<time>\S{1,40})\s{1,20}"
    r"Energy:\s{0,20}(?P<energy>\S{1,40}) kWh\s{1,20}"
    r"CO2eq:\s{0,20}(?P<co2>\S{1,40}) g\b"
)
TIME: Final = re.compile(r"(?P<h>\d{1,7}):(?P<m>\d{2}):(?P<s>\d{1,2}(?:\.\d+)?)")


def is_carbontracker_log(text: str) -> bool:
    """Return whether a text is the output log of carbontracker."""
    return "CarbonTracker:" in text or "carbontracker" in text[:4096]


def read_carbontracker_log(text: str, name: str, where: str) -> JobFigures:
    """Return the run of a log, called by its file's name.

    Raises:
        ReportError: it is no such log, or it holds no finished measurement.
    """
    if not is_carbontracker_log(text):
        raise ReportError(f"{where} is not a carbontracker log, the only log that is read")
    blocks = list(BLOCK.finditer(text))
    if not blocks:
        raise ReportError(
            f"{where} has no block 'Actual consumption' of carbontracker: give its output log "
            "(…_carbontracker_output.log) of a run that ended"
        )
    found = blocks[-1]
    clock = TIME.fullmatch(found["time"])
    if clock is None:
        raise ReportError(f"{where}: the time {found['time']!r} is not hours:minutes:seconds")
    try:
        energy, grams = parse_number(found["energy"]), parse_number(found["co2"])
    except ValueError as error:
        raise ReportError(f"{where}: {error}") from error
    given = {
        "name": name,
        "energy_joules": kwh_to_joules(energy),
        "operational_grams": grams,
        "duration_seconds": int(clock["h"]) * 3600 + int(clock["m"]) * 60 + float(clock["s"]),
        "intensity_source": "carbontracker",
    }
    if found["epochs"]:
        given["epochs"] = int(found["epochs"])
    return figures_from(given, where)
