"""Lowtide: carbon-aware training jobs, measured and accounted for.

The library knows grids, plans, energy arithmetic and metrics. It is pure (no Kubernetes, no torch)
except for `lowtide.grid.providers`, which talks HTTP, `lowtide.meters` and `lowtide.local`, which
read this machine, and `lowtide.cli`.

`measure` measures a block of code: `with lowtide.measure() as m: ...`, then `m.energy_joules`.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""Type checkers take it as true; `typing` takes longer than a training may take to start."""

if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "measure"]


def measure(**options: Any) -> Any:
    """Return a `lowtide.local.in_process.MeasuredBlock`, which documents the options.

    The rooms below must not import those above, so it is found by name when it is asked for.
    """
    from importlib import import_module

    return import_module("lowtide.local.in_process").MeasuredBlock(**options)
