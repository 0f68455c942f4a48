"""A job's figures as OpenMetrics text, for a push gateway or a node exporter's text files.

Base units, one gauge per figure, and `lowtide_run_info` with the circumstances as labels.
"""

from collections.abc import Mapping
from typing import Final

from lowtide.export.figures import Occasion, texts_of
from lowtide.metrics.job_figures import JobFigures

UNITS: Final = ("joules", "seconds", "grams", "ratio", "watts")
"""Units that a name may end in; such a family states its unit."""


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the exposition, which ends in `# EOF`."""
    figures = {
        "lowtide_run_energy_joules": ("Energy of the run.", job.energy_joules),
        "lowtide_run_duration_seconds": ("Time in which it ran.", job.duration_seconds),
        "lowtide_run_power_watts": ("Mean power while it ran.", job.mean_power_watts),
        "lowtide_run_operational_grams": ("Emissions of its energy.", job.operational_grams),
        "lowtide_run_embodied_grams": ("Its share of the hardware.", job.embodied_grams),
        "lowtide_run_sci_grams": ("SCI per functional unit.", job.score_grams_per_unit),
        "lowtide_run_avoided_grams": ("Avoided by waiting, may be negative.", job.avoided_grams),
        "lowtide_run_accuracy_ratio": ("Accuracy on validation data.", job.accuracy),
    }
    texts = texts_of(job)
    circumstances = {name: value for name, value in texts.items() if not name.endswith("_at")}
    lines = [
        "# TYPE lowtide_run info",
        "# HELP lowtide_run Circumstances of the run.",
        f"lowtide_run_info{_labels(circumstances)} 1",
    ]
    labels = _labels({"job": job.name})
    for name, (text, value) in figures.items():
        if value is None:
            continue
        unit = name.rpartition("_")[2]
        lines.append(f"# TYPE {name} gauge")
        if unit in UNITS:
            lines.append(f"# UNIT {name} {unit}")
        lines += [f"# HELP {name} {text}", f"{name}{labels} {float(value)!r}"]
    if job.cost_amount is not None:
        money = {"currency": job.cost_currency or "", "kind": job.cost_kind or ""}
        lines += [
            "# TYPE lowtide_run_cost gauge",
            "# HELP lowtide_run_cost Price of the machine's hours or of the energy, by kind.",
            f"lowtide_run_cost{_labels({'job': job.name} | money)} {float(job.cost_amount)!r}",
        ]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _labels(pairs: Mapping[str, str]) -> str:
    quoted = (f'{name}="{_escaped(value)}"' for name, value in pairs.items())
    return "{" + ",".join(quoted) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
