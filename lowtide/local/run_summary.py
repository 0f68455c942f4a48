"""Summary of one measured run for people and for machines, from its document."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lowtide.records.inference import inference_words
from lowtide.units import format_duration, format_energy, format_mass

_WORDS: Final = {
    "exclusive": "whole GPU",
    "sm_share": "shared, by SM utilisation",
    "equal_share": "shared, equally by process",
    "mig_static": "MIG instance, by size",
    "cpu_share": "by CPU time",
    "cpu_pinned": "by CPU time, pinned cores",
    "memory_share": "by memory held",
    "coefficients": "modelled",
}
_QUALITIES: Final = {
    "counter": "counter, checked",
    "unchecked": "counter",
    "suspect": "counter, doubtful",
    "power_integrated": "power, integrated",
    "model": "no meter",
}


def summary_lines(document: Mapping[str, Any], notes: Sequence[str]) -> list[str]:
    """Return what a run used, line by line; what is not known is said to be."""
    status, name = document.get("status", {}), document["metadata"]["name"]
    energy = status.get("energy") or {}
    seconds = _seconds(status)
    total = energy.get("totalJoules")
    length = format_duration(seconds) if seconds >= 10 else f"{seconds:.2f} s"
    kind = str(energy.get("kind") or "").lower()
    mock = ", by a stand-in for a GPU: nothing real" if energy.get("mock") else ""
    if total is None:
        lines = [f"{name}: {length}, energy not measured"]
    else:
        lines = [f"{name}: {_joules(total)} in {length} ({kind}{mock})"]
    for part in energy.get("components", ()):
        method = _WORDS.get(part["method"], part["method"])
        quality = _QUALITIES.get(part["quality"], part["quality"])
        what = f"{part['component']:<5} {_joules(part['joules']):>9}   {method}; {quality}"
        lines.append("  " + what + ("" if part["part"] == "active" else "; idle"))
    if words := inference_words(status):
        lines.append(f"  inference   {words}")
    zone = (document.get("spec", {}).get("grid") or {}).get("zone")
    lines += _carbon(status, zone) + _cost(status)
    return lines + [f"  note: {note}" for note in notes]


def summary_document(document: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    """Return the same in base units: the name, the command's end, notes, and the status."""
    return {
        "name": document["metadata"]["name"],
        "notes": list(notes),
        "status": document.get("status", {}),
    }


def _carbon(status: Mapping[str, Any], zone_of_spec: str | None) -> list[str]:
    carbon, avoided = status.get("carbon") or {}, status.get("counterfactual") or {}
    grams = carbon.get("operationalGrams")
    if grams is None:
        is_priceless = zone_of_spec is None or not status.get("energy")
        said = f"no intensity of zone {zone_of_spec} for the time of the run is known"
        return [] if is_priceless else [f"  carbon is not known: {said}"]
    mean, zone = carbon.get("meanGramsPerKwh"), carbon.get("zone")
    estimated = ", partly estimated" if carbon.get("provisional") else ""
    line = f"  carbon {format_mass(float(grams)):>8}   {mean} g/kWh on average in {zone}{estimated}"
    if carbon.get("embodiedGrams"):
        line += f"; embodied {format_mass(float(carbon['embodiedGrams']))}"
    if carbon.get("pue"):
        line += f"; PUE {carbon['pue']} ({str(carbon.get('pueKind') or '').lower()})"
    lines = [line]
    if carbon.get("pueMessage"):
        lines.append(f"  note: {carbon['pueMessage']}")
    waited = bool((status.get("plan") or {}).get("segments"))
    if waited and avoided.get("avoidedGrams") and avoided.get("avoidedPercent"):
        mass, share = float(avoided["avoidedGrams"]), float(avoided["avoidedPercent"])
        word = "less" if mass >= 0 else "more"
        lines.append(
            f"  waiting {format_mass(abs(mass)):>7}   {word} than at once ({abs(share):.0f} %)"
        )
    return lines


def _cost(status: Mapping[str, Any]) -> list[str]:
    """Return what it cost: hours of the machine and its energy are never added."""
    cost = status.get("cost") or {}
    words = {"instance": "for the hours of the machine", "energy": "for the energy"}
    return [
        f"  cost {float(cost[part]):>10.4f} {cost.get('currency')}   {said}"
        for part, said in words.items()
        if cost.get(part) is not None
    ]


def _seconds(status: Mapping[str, Any]) -> float:
    from datetime import datetime

    spans = [
        (datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"]))
        for one in status.get("attempts", ())
        if one.get("start") and one.get("end")
    ]
    return sum((end - start).total_seconds() for start, end in spans)


def _joules(joules: float) -> str:
    return f"{joules:.0f} J" if joules < 3600 else format_energy(joules)
