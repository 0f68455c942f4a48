"""Front matter of a Hugging Face model card: `co2_eq_emissions` with its five fields.

Hugging Face counts the grams of the training; embodied emissions are not among them, and the source
says so. See https://huggingface.co/docs/hub/model-cards-co2.
"""

import yaml

from lowtide.export.figures import ExportError, Occasion, method_sentence, numbers_of
from lowtide.metrics.job_figures import JobFigures


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the front matter, to be put before or merged into a model card.

    Raises:
        ExportError: the job's operational emissions are unknown.
    """
    grams = job.operational_grams
    if grams is None:
        raise ExportError(f"{job.name} has no operational emissions, which a model card states")
    fields = {
        "emissions": grams,
        "source": f"{method_sentence(job)}; without embodied emissions",
        "training_type": occasion.training_type,
        "geographical_location": job.zone,
        "hardware_used": job.environment,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    energy = numbers_of(job).get("energy_kwh")
    comment = "" if energy is None else f"# {energy:.6g} kWh\n"
    body = yaml.safe_dump({"co2_eq_emissions": known}, sort_keys=False, allow_unicode=True)
    return f"---\n{comment}{body}---\n"
