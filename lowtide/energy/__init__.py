"""Energy arithmetic: counters to joules, device energy to owners, joules to grams. Pure."""
