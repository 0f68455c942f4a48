"""`lowtide-exporter measure-hardware`: what the meters of a real GPU do.

Read-only, a few minutes, one GPU. It answers the questions that decide thresholds: how often the
counter moves, whether it agrees with power, what a call costs, what the card draws idle.
"""
