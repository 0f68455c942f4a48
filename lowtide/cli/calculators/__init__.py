"""The calculators behind `lowtide calc`: one module per family of metrics."""
