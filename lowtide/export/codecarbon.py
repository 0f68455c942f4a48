"""One row of CodeCarbon's `emissions.csv`, version 3: kWh, kg and watts.

A cell whose figure is unknown is empty. `emissions` are operational; embodied emissions are no part
of that table. CodeCarbon's energies include the overhead of the data centre, so those here do where
it is known. `codecarbon_version` stays empty: CodeCarbon measured nothing.
"""

import csv
import io
from typing import Final

from lowtide.export.figures import MOCK_MARK, Occasion, require_energy
from lowtide.metrics.job_figures import JobFigures
from lowtide.units import joules_to_kwh

COLUMNS: Final = (
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions",
    "emissions_rate", "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy",
    "ram_energy", "energy_consumed", "water_consumed", "country_name", "country_iso_code", "region",
    "cloud_provider", "cloud_region", "os", "python_version", "codecarbon_version", "cpu_count",
    "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude", "ram_total_size",
    "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent",
    "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue",
)  # fmt: skip
COMPONENTS: Final = {"cpu": ("cpu", "package"), "gpu": ("gpu",), "ram": ("ram", "dram", "memory")}
"""Components of Lowtide in each of CodeCarbon's."""


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the header and one row.

    Raises:
        ExportError: the job's energy is unknown.
    """
    overhead = 1.0 if job.pue is None or job.energy_includes_pue else job.pue
    seconds, grams = job.duration_seconds, job.operational_grams
    kilograms = None if grams is None else grams / 1000
    row: dict[str, object] = {
        "timestamp": job.finished_at or occasion.created.strftime("%Y-%m-%dT%H:%M:%S"),
        "project_name": f"{job.name} ({MOCK_MARK})" if job.mock else job.name,
        "run_id": job.uid,
        "duration": seconds,
        "emissions": kilograms,
        "emissions_rate": None if kilograms is None or not seconds else kilograms / seconds,
        "energy_consumed": require_energy(job, "CodeCarbon's table") * overhead,
        "region": job.zone,
        "gpu_model": job.environment,
        "pue": job.pue,
    }
    for part, components in COMPONENTS.items():
        joules = [share.energy_joules for share in job.shares if share.component in components]
        if joules:
            row[f"{part}_energy"] = joules_to_kwh(sum(joules)) * overhead
            row[f"{part}_power"] = sum(joules) * overhead / seconds if seconds else None
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return out.getvalue()
