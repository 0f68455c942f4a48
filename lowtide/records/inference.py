"""Inference of a run in words: what a unit used, how fast it was answered, how much was."""

from lowtide.lenient_fields import mapping
from lowtide.records.fields import Manifest, number, text
from lowtide.units import format_significant


def inference_words(status: Manifest) -> str:
    """Return one line about the inference in a status; empty where there is none."""
    found = mapping(mapping(status.get("training")).get("inference"))
    requests = number(found.get("requests"))
    if requests is None:
        return ""
    parts = [
        f"{format_significant(joules)} J/{unit.lower()}"
        for unit in ("Sample", "Token", "Request")
        if (joules := number(found.get(f"joulesPer{unit}"))) is not None
    ]
    if (rate := number(found.get("samplesPerSecond"))) is not None:
        parts.append(f"{format_significant(rate)} samples/s")
    if (rate := number(found.get("tokensPerSecond"))) is not None:
        parts.append(f"{format_significant(rate)} tokens/s")
    latencies = [
        f"{format_significant(1000 * seconds)} ms ({word})"
        for key, word in (("latencyP50Seconds", "median"), ("latencyP95Seconds", "95 of 100"))
        if (seconds := number(found.get(key))) is not None
    ]
    if latencies:
        parts.append("latency " + ", ".join(latencies))
    warmup = number(found.get("warmupRequests"))
    after = "" if not warmup else f" after {warmup:.0f} of warm-up"
    parts.append(f"{requests:.0f} requests{after}")
    if message := text(found.get("message")):
        parts.append(message)
    return "; ".join(parts)
