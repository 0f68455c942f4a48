"""Manifest of a job for the GSF Impact Framework (1.x), to recompute it with that tool.

One observation per job: its energy, the energy-weighted mean intensity of the grid, the overhead of
the data centre where it is known, its embodied emissions and its functional units; the pipeline
multiplies, adds and divides as SCI does. The mean is exact here only because it comes from
time-resolved grams; it must not be used with another energy. An undefined score has no manifest.
"""

import csv
import io
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.report.disclosure import DisclosureError
from lowtide.units import joules_to_kwh

UNITS_FIELD: Final = "functional-units"


def impact_manifest(job: JobFigures) -> dict[str, Any]:
    """Return the manifest of a job, keys in the order of the framework's examples.

    Raises:
        DisclosureError: a figure that the manifest needs is not known.
    """
    needed = {
        "start": job.started_at,
        "duration": job.duration_seconds,
        "energy above zero": job.energy_joules or None,
        "operational emissions": job.operational_grams,
        "embodied emissions": job.embodied_grams,
        "functional units": job.functional_units or None,
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise DisclosureError(f"{job.name} has no manifest: {', '.join(missing)} not known")
    energy_kwh = joules_to_kwh(job.energy_joules or 0.0)
    overhead = {} if job.pue is None else {"pue": job.pue}
    intensity = (job.operational_grams or 0.0) / energy_kwh / (job.pue or 1.0)
    description = (
        f"{job.functional_unit or 'unit'}; {(job.signal or 'kind not stated').lower()} intensity, "
        f"location-based, zone {job.zone or 'not stated'}, energy-weighted mean over the run"
    )
    if job.mock:
        description = f"STAND-IN GPU, NUMBERS ARE NOT REAL; {description}"
    return {
        "name": job.name,
        "description": description,
        "tags": None,
        "initialize": {
            "plugins": {
                "operational": _plugin(
                    "Multiply",
                    {
                        "input-parameters": ["energy", *overhead, "grid/carbon-intensity"],
                        "output-parameter": "carbon-operational",
                    },
                ),
                "total": _plugin(
                    "Sum",
                    {
                        "input-parameters": ["carbon-operational", "carbon-embodied"],
                        "output-parameter": "carbon",
                    },
                ),
                "score": _plugin("Sci", {"functional-unit": UNITS_FIELD}),
            }
        },
        "tree": {
            "children": {
                job.name: {
                    "pipeline": {"compute": ["operational", "total", "score"]},
                    "inputs": [
                        {
                            "timestamp": job.started_at,
                            "duration": job.duration_seconds,
                            "energy": energy_kwh,
                            **overhead,
                            "grid/carbon-intensity": intensity,
                            "carbon-embodied": job.embodied_grams,
                            UNITS_FIELD: job.functional_units,
                        }
                    ],
                }
            }
        },
    }


def manifest_csv(job: JobFigures) -> str:
    """Return the observations of a job's manifest as a table for the CSV plugins.

    Raises:
        DisclosureError: a figure that the manifest needs is not known.
    """
    child = impact_manifest(job)["tree"]["children"][job.name]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(child["inputs"][0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(child["inputs"])
    return out.getvalue()


def _plugin(method: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"path": "builtin", "method": method, "config": config}
