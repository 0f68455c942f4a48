"""Share of a job in what making its GPUs emitted, by the spec or the settings' table."""

from collections.abc import Mapping
from math import fsum
from typing import Any

from lowtide.accounts.settings import EmbodiedSettings
from lowtide.metrics.embodied import DEFAULT_LIFESPAN_SECONDS, embodied_share
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.spec import Hardware


def embodied_share_of(
    own: Hardware, held_seconds: Mapping[str, float], table: Mapping[str, EmbodiedSettings]
) -> tuple[float | None, dict[str, Any]]:
    """Return the job's embodied share of the hardware in grams, and the fields that explain it."""
    if not held_seconds:
        return None, {}
    grams, sources = [], []
    made_of: set[tuple[str, int]] = set()
    for model, seconds in sorted(held_seconds.items()):
        row = embodied_of(model, table)
        each = own.embodied_grams or (None if row is None else row.grams_per_gpu)
        if each is None:
            return None, {}
        life = own.lifespan_seconds or (
            DEFAULT_LIFESPAN_SECONDS if row is None else row.lifespan_seconds
        )
        share = embodied_share(
            total_embodied_grams=float(each),
            reserved_seconds=seconds,
            lifespan_seconds=float(life),
        )
        grams.append(share.value or 0.0)
        stated = own.source or "spec.hardware" if own.embodied_grams else None
        sources.append(stated or ("" if row is None else row.source))
        made_of.add((each, life))
    fields: dict[str, Any] = {"embodied_source": shortened("; ".join(dict.fromkeys(sources)), 256)}
    if len(made_of) == 1:
        each, life = made_of.pop()
        fields |= {"embodied_grams_per_gpu": each, "embodied_lifespan_seconds": life}
    return fsum(grams), fields


def embodied_of(model: str, table: Mapping[str, EmbodiedSettings]) -> EmbodiedSettings | None:
    """Return the row of a GPU model: the longest key that begins its name, else `default`."""
    matching = [key for key in table if model.startswith(key)]
    return table.get(max(matching, key=len)) if matching else table.get("default")
