"""Meaning of a table's column: the figure that its header names, and the unit it is in.

A header is taken only where it names both: `energy_kwh`, `energy (kWh)`, `CO2e (lbs)`, `Hours`. A
bare `energy` could be anything and is left out with that reason. Unit prefixes whose case decides
(`MWh` and `mWh`) are read only where the case is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import PROPERTIES
from lowtide.units import GRAMS_PER_POUND, JOULES_PER_KWH, JOULES_PER_WH

ENERGY: Final[Mapping[str, float]] = {
    "j": 1, "joule": 1, "joules": 1, "kj": 1e3, "wh": JOULES_PER_WH, "kwh": JOULES_PER_KWH,
    "gwh": 1e6 * JOULES_PER_KWH,
}  # fmt: skip
MASS: Final[Mapping[str, float]] = {
    "g": 1, "gram": 1, "grams": 1, "kg": 1e3, "kilograms": 1e3, "t": 1e6, "tonne": 1e6,
    "tonnes": 1e6, "lb": GRAMS_PER_POUND, "lbs": GRAMS_PER_POUND, "pounds": GRAMS_PER_POUND,
}  # fmt: skip
TIME: Final[Mapping[str, float]] = {
    "ms": 1e-3, "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "min": 60, "mins": 60,
    "minutes": 60, "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "d": 86400,
    "days": 86400,
}  # fmt: skip
POWER: Final[Mapping[str, float]] = {"w": 1, "watt": 1, "watts": 1, "kw": 1e3}
ENERGY_CASED: Final[Mapping[str, float]] = {
    "MWh": 1e3 * JOULES_PER_KWH, "mWh": 1e-3 * JOULES_PER_WH, "MJ": 1e6, "mJ": 1e-3, "GJ": 1e9,
}  # fmt: skip
"""Units that are another unit in other letters."""
POWER_CASED: Final[Mapping[str, float]] = {"MW": 1e6, "mW": 1e-3}
SHARE: Final[Mapping[str, float]] = {"%": 0.01, "percent": 0.01, "pct": 0.01, "fraction": 1}


@dataclass(frozen=True, slots=True)
class Meaning:
    """The figure of a column: its field or property, and the factor to base units."""

    field: str
    factor: float = 1.0
    rank: int = 0
    """Of several columns that give one field, the lowest rank is taken."""
    currency: str | None = None
    includes_pue: bool = False


WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "energy_joules": (
        "energy", "energy_consumed", "energy_consumption", "total_energy", "electricity",
        "consumption", "energy_used", "train_energy", "training_energy",
    ),
    "duration_seconds": (
        "time", "duration", "runtime", "run_time", "train_time", "training_time", "wall_time",
        "walltime", "elapsed", "elapsed_time",
    ),
    "operational_grams": (
        "co2", "co2e", "co2eq", "co2_eq", "carbon", "emissions", "emission", "co2_emissions",
        "co2e_emissions", "co2eq_emissions", "carbon_emissions", "operational",
        "operational_emissions",
    ),
    "embodied_grams": ("embodied", "embodied_emissions", "embodied_carbon"),
    "stated_power_watts": ("power", "mean_power", "avg_power", "average_power"),
}  # fmt: skip
UNITS: Final[Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]] = {
    "energy_joules": (ENERGY, ENERGY_CASED),
    "duration_seconds": (TIME, {}),
    "operational_grams": (MASS, {}),
    "embodied_grams": (MASS, {}),
    "stated_power_watts": (POWER, POWER_CASED),
}
"""Units of a field in small letters, and those whose case decides."""
ACCURACY: Final = (
    "accuracy", "test_accuracy", "test_acc", "val_accuracy", "val_acc", "validation_accuracy",
    "eval_accuracy", "acc", "top1", "top_1", "top1_accuracy", "top_1_accuracy", "acc1",
    "accuracy_top1",
)  # fmt: skip
TOP5: Final = ("top5", "top_5", "top5_accuracy", "top_5_accuracy", "acc5")
COUNTS: Final = (
    "parameter_count", "parameters_count", "params", "n_params", "num_params", "n_parameters",
    "num_parameters",
)  # fmt: skip
"""Headers that count parameters one by one; `parameters` is Lowtide's own and in millions."""
COST: Final = ("cost", "price", "cost_amount", "compute_cost", "cloud_compute_cost")
PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "run", "run_name", "experiment"),
    "model": ("model", "model_name", "architecture", "network"),
    "dataset": ("dataset", "data_set"),
    "environment": ("environment", "hardware", "gpu", "device", "gpu_model"),
    "uid": ("uid", "run_id", "id"),
    "epochs": ("epochs", "epoch", "num_epochs", "n_epochs", "num_train_epochs"),
    "zone": ("zone", "grid_zone"),
    "cost_currency": ("currency",),
}
ALONE: Final[Mapping[str, tuple[str, float]]] = {
    "kwh": ("energy_joules", JOULES_PER_KWH),
    "wh": ("energy_joules", JOULES_PER_WH),
    "joules": ("energy_joules", 1),
    "hours": ("duration_seconds", 3600),
    "minutes": ("duration_seconds", 60),
    "seconds": ("duration_seconds", 1),
}
"""Headers that are a unit alone."""

OWN: Final = frozenset(field.name for field in fields(JobFigures)) - {
    "metrics", "shares", "properties", "letters", "qualities", "unavailable", "epoch_joules",
}  # fmt: skip
"""Fields that may stand in a table under their own name."""
IN_BRACKETS: Final = re.compile(r"^(.*?)\s*[(\[]\s*([^()\[\]]+?)\s*[)\]]$")
CURRENCY: Final = re.compile(r"[A-Z]{3}")
PUE: Final = re.compile(r"^(.*?)\s*(?:[·*×x]|\bincl(?:uding|\.)?)\s*PUE$", re.IGNORECASE)


def meaning_of(header: str) -> Meaning | str:
    """Return what a header names, or the reason why its column is left out."""
    if header in OWN or (header in PROPERTIES and header not in ACCURACY):
        return Meaning(header)
    if (overhead := PUE.match(header)) is not None:
        found = meaning_of(overhead[1])
        if isinstance(found, Meaning) and found.field == "energy_joules":
            return Meaning(found.field, found.factor, includes_pue=True)
        return "no figure of a run"
    bracketed = IN_BRACKETS.match(header)
    words = _normal(bracketed[1] if bracketed else header)
    unit = bracketed[2] if bracketed else None
    if unit is None and words in COUNTS:
        return Meaning("parameters", 1e-6)
    for field, names in PLAIN.items():
        if unit is None and words in names:
            return Meaning(field, rank=names.index(words))
    if unit is None and words in ALONE:
        return Meaning(*ALONE[words])
    return _measured(words, unit)


def _measured(words: str, unit: str | None) -> Meaning | str:
    for names, field in ((ACCURACY, "accuracy"), (TOP5, "accuracy_top5")):
        bare, share = _split(words, unit, (SHARE, {}))
        if bare in names:
            if unit is not None and share is None:
                return f"the unit {unit} is not one of an accuracy"
            return Meaning(field, 1.0 if share is None else share, rank=names.index(bare))
    for field, known in WORDS.items():
        bare, factor = _split(words, unit, UNITS[field])
        if bare in known and factor is not None:
            return Meaning(field, factor)
        if bare in known:
            return f"its unit is not {'known' if unit else 'named'}: write {_example(field)}"
    bare, code = _currency(words, unit)
    if bare in COST:
        return (
            "no currency is named: write cost (USD)"
            if code is None
            else Meaning("cost_amount", currency=code)
        )
    return "no figure of a run"


def _split(
    words: str, unit: str | None, units: tuple[Mapping[str, float], Mapping[str, float]]
) -> tuple[str, float | None]:
    """Return the words without a unit at their end, and the factor of the unit."""
    small, cased = units
    if unit is None:
        head, _, last = words.rpartition("_")
        return (head, small[last]) if head and last in small else (words, None)
    # CO2 (gCO2eq) and CO2 (kg CO2e) name what is weighed a second time.
    plain = re.sub(r"\s*CO2-?(?:eq?)?$", "", unit.replace("₂", "2"), flags=re.IGNORECASE)
    return words, cased.get(plain, small.get(plain.casefold()))


def _currency(words: str, unit: str | None) -> tuple[str, str | None]:
    if unit is not None:
        return words, unit if CURRENCY.fullmatch(unit) else None
    head, _, last = words.rpartition("_")
    if head in COST and len(last) == 3 and last.isalpha():
        return head, last.upper()
    return words, None


def _example(field: str) -> str:
    return {
        "energy_joules": "energy_kwh",
        "duration_seconds": "time (h)",
        "operational_grams": "co2_kg",
        "embodied_grams": "embodied_kg",
        "stated_power_watts": "power (W)",
    }[field]


def _normal(text: str) -> str:
    """Return a header's words in small letters, joined by underscores."""
    plain = text.replace("₂", "2").replace("%", " percent ")
    return re.sub(r"[^a-z0-9]+", "_", plain.casefold()).strip("_")
