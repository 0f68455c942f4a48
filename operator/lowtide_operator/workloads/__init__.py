"""Kinds of workload that a TrainingJob can start; batch/v1 Job for now."""
