"""Energy arithmetic: counters to joules, device energy to owners, joules to grams. Pure.

The functions exported here serve programs with power samples or two counter readings and no
exporter; docs/explanation/metrics.md says which rule is right when.
"""

from lowtide.energy.power import PowerEnergy, Rule, counter_energy, integrate_power

__all__ = ["PowerEnergy", "Rule", "counter_energy", "integrate_power"]
