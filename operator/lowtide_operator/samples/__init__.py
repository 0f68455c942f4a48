"""Samples of energy: where they are read from, how they are kept, which pods they belong to."""
