"""Machine-learning bill of materials, SPDX 3.0.1 with its AI profile, as JSON-LD.

SPDX has a field for the energy of the training and none for its emissions, which are in the text on
the training. What SPDX asks for and a job does not know is `NOASSERTION`.
"""

import json

import lowtide
from lowtide.export.cyclonedx import document_uuid
from lowtide.export.figures import Occasion, method_sentence, require_energy
from lowtide.metrics.job_figures import JobFigures
from lowtide.units import format_mass

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the document.

    Raises:
        ExportError: the job's energy is unknown.
    """
    kwh = require_energy(job, "SPDX's AI profile")
    base = f"urn:uuid:{document_uuid(job)}"
    info, agent, package = "_:creation", f"{base}#agent", f"{base}#model"
    kind = "finetuning" if occasion.training_type == "fine-tuning" else "training"
    model: dict[str, object] = {
        "type": "ai_AIPackage",
        "spdxId": package,
        "creationInfo": info,
        "name": job.model or job.name,
        "suppliedBy": agent,
        "software_packageVersion": "NOASSERTION",
        "software_downloadLocation": "NOASSERTION",
        "software_primaryPurpose": "model",
        "ai_energyConsumption": {
            "type": "ai_EnergyConsumption",
            f"ai_{kind}EnergyConsumption": [
                {
                    "type": "ai_EnergyConsumptionDescription",
                    "ai_energyQuantity": kwh,
                    "ai_energyUnit": "kilowattHour",
                }
            ],
        },
        "ai_informationAboutTraining": _about(job),
    }
    if job.accuracy is not None:
        model["ai_metric"] = [
            {"type": "DictionaryEntry", "key": "top-1 accuracy", "value": repr(job.accuracy)}
        ]
    graph = [
        {
            "type": "CreationInfo",
            "@id": info,
            "specVersion": "3.0.1",
            "created": occasion.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "createdBy": [agent],
        },
        {
            "type": "SoftwareAgent",
            "spdxId": agent,
            "creationInfo": info,
            "name": f"lowtide {lowtide.__version__}",
        },
        {
            "type": "SpdxDocument",
            "spdxId": f"{base}#document",
            "creationInfo": info,
            "profileConformance": ["core", "software", "ai"],
            "rootElement": [package],
        },
        model,
    ]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=2, ensure_ascii=False) + "\n"


def _about(job: JobFigures) -> str:
    parts = [method_sentence(job)]
    for grams, word in ((job.operational_grams, "operational"), (job.embodied_grams, "embodied")):
        if grams is not None:
            parts.append(f"{word} emissions {format_mass(grams)} CO2eq")
    return "; ".join(parts)
