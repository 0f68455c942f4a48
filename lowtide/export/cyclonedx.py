"""Machine-learning bill of materials, CycloneDX 1.6, with environmental considerations.

`co2CostEquivalent` is what the energy emitted, in tonnes; embodied emissions have no field there
and are a property. Who provided the energy is unknown, so `energyProviders` is empty.
"""

import json
import uuid
from typing import Any

import lowtide
from lowtide.export.figures import Occasion, require_energy, texts_of
from lowtide.metrics.job_figures import JobFigures

GRAMS_PER_TONNE = 1e6


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the document as JSON.

    Raises:
        ExportError: the job's energy is unknown.
    """
    consumption: dict[str, Any] = {
        "activity": "fine-tuning" if occasion.training_type == "fine-tuning" else "training",
        "energyProviders": [],
        "activityEnergyCost": {
            "value": require_energy(job, "CycloneDX's environmental considerations"),
            "unit": "kWh",
        },
    }
    if job.operational_grams is not None:
        consumption["co2CostEquivalent"] = {
            "value": job.operational_grams / GRAMS_PER_TONNE,
            "unit": "tCO2eq",
        }
    facts = {f"lowtide:{name}": value for name, value in texts_of(job).items()}
    if job.embodied_grams is not None:
        facts["lowtide:embodied_grams"] = repr(job.embodied_grams)
    consumption["properties"] = [{"name": name, "value": text} for name, text in facts.items()]
    card: dict[str, Any] = {
        "considerations": {"environmentalConsiderations": {"energyConsumptions": [consumption]}}
    }
    if job.dataset is not None:
        card["modelParameters"] = {"datasets": [{"type": "dataset", "name": job.dataset}]}
    if job.accuracy is not None:
        card["quantitativeAnalysis"] = {
            "performanceMetrics": [{"type": "top-1 accuracy", "value": repr(job.accuracy)}]
        }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{document_uuid(job)}",
        "version": 1,
        "metadata": {
            "timestamp": occasion.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {
                "components": [
                    {"type": "application", "name": "lowtide", "version": lowtide.__version__}
                ]
            },
        },
        "components": [
            {
                "type": "machine-learning-model",
                "bom-ref": f"job/{job.name}",
                "name": job.model or job.name,
                "modelCard": card,
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def document_uuid(job: JobFigures) -> uuid.UUID:
    """Return an identifier that is the same for every export of a job."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://lowtide.dev/jobs/{job.uid or job.name}")
