"""Status of a TrainingJob, section by section: pure functions from facts to what is written."""
