"""Lowtide: carbon-aware training jobs, measured and accounted for.

The library knows grids, plans, energy arithmetic and metrics. It is pure (no Kubernetes, no
torch) except for `lowtide.grid.providers`, which talks HTTP, and `lowtide.cli`.
"""

__version__ = "0.1.0"
