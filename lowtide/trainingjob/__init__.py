"""The TrainingJob: API types, generated CRD, and the schema of the trainer's report."""
