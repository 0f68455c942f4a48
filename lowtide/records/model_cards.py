"""Model cards of Hugging Face: `co2_eq_emissions` and the first accuracy of the front matter."""

from typing import Any

from lowtide.metrics.job_figures import JobFigures
from lowtide.records.conversion import figures_from, number, text
from lowtide.records.errors import ReportError

FENCE = "---"


def front_matter(card: str, where: str) -> str:
    """Return the YAML between the two fences at the start of a card.

    Raises:
        ReportError: there is none.
    """
    lines = card.splitlines()
    if not lines or lines[0].strip() != FENCE:
        raise ReportError(f"{where} is not a model card: its first line must be ---")
    for index, line in enumerate(lines[1:], start=1):
        if line.strip() == FENCE:
            return "\n".join(lines[1:index])
    raise ReportError(f"{where} is not a model card: a second line --- must end its metadata")


def figures_of_card(data: Any, where: str) -> JobFigures:
    """Return the run of a card's metadata; `emissions` are grams by the format's definition.

    Raises:
        ReportError: a field cannot be used, or the card gives no emissions.
    """
    if not isinstance(data, dict) or data.get("co2_eq_emissions") is None:
        raise ReportError(f"{where} has no co2_eq_emissions in its metadata")
    entry = data["co2_eq_emissions"]
    details = entry if isinstance(entry, dict) else {"emissions": entry}
    result = _first(_first(data.get("model-index")).get("results"))
    given: dict[str, Any] = {
        "name": _first(data.get("model-index")).get("name") or data.get("model_name") or where,
        "model": data.get("model_name"),
        "dataset": _object(result.get("dataset")).get("name") or _first_text(data.get("datasets")),
        "accuracy": _accuracy(result.get("metrics")),
        "environment": details.get("hardware_used"),
        "intensity_source": details.get("source"),
    }
    if details.get("emissions") is not None:
        grams = number(details["emissions"], where, "co2_eq_emissions.emissions")
        given["operational_grams"] = grams
    checked = {
        key: value if key in ("accuracy", "operational_grams") else text(value, where, key)
        for key, value in given.items()
        if value is not None
    }
    return figures_from(checked, where)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(value: Any) -> dict[str, Any]:
    return _object(value[0]) if isinstance(value, list) and value else {}


def _first_text(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _accuracy(metrics: Any) -> Any:
    for entry in metrics if isinstance(metrics, list) else ():
        if _object(entry).get("type") == "accuracy":
            return entry.get("value")
    return None
