"""SCI, SAM, APC and their relatives, ratings, scaling and comparison. Pure.

What the programs do not call themselves, and other code may rely on, is named here.
"""

from lowtide.metrics.ai import AiUnit, Persona, sci_ai
from lowtide.metrics.apc import PUBLISHED_PRICE_PER_WH
from lowtide.metrics.closest import ApcGrid, cell_value
from lowtide.metrics.sci import Basis, Emissions, add_components, aggregate
from lowtide.metrics.strep import compound_index
from lowtide.metrics.windows import IntensitySlot, average_over, best_window, rolling_averages

__all__ = [
    "PUBLISHED_PRICE_PER_WH",
    "AiUnit",
    "ApcGrid",
    "Basis",
    "Emissions",
    "IntensitySlot",
    "Persona",
    "add_components",
    "aggregate",
    "average_over",
    "best_window",
    "cell_value",
    "compound_index",
    "rolling_averages",
    "sci_ai",
]
