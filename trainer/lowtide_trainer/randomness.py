"""Randomness: one seed for everything, and generators that resume exactly where they stopped.

A resumed training reaches the weights of the uninterrupted one only if Python's, numpy's and
torch's generators continue with the next number and every operation is deterministic. Their states
are plain values and tensors, so that a checkpoint needs no pickled classes.
"""

import os
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def make_deterministic(seed: int) -> None:
    """Seed every generator and choose deterministic algorithms.

    Operations without a deterministic form in torch (some backward passes on GPUs) warn and run.
    """
    # cuBLAS reads this when its first handle is created; torch requires it for determinism.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling fresh memory guards against kernels that read it; no kernel here does, and it is slow.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def generator_states() -> dict[str, Any]:
    """Return the state of every generator."""
    version, internal, gauss = random.getstate()
    numpy_state = np.random.get_state(legacy=False)
    return {
        "python": (version, internal, gauss),
        "numpy": {
            "key": torch.from_numpy(numpy_state["state"]["key"].astype(np.int64)),
            "pos": int(numpy_state["state"]["pos"]),
            "has_gauss": int(numpy_state["has_gauss"]),
            "gauss": float(numpy_state["gauss"]),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_generator_states(states: Mapping[str, Any]) -> None:
    """Restore every generator from `generator_states()`.

    GPU states are skipped where the number of GPUs differs: equal bits are impossible on other
    hardware anyway.
    """
    random.setstate(states["python"])
    numpy_state = states["numpy"]
    np.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {
                "key": numpy_state["key"].numpy().astype(np.uint32),
                "pos": numpy_state["pos"],
            },
            "has_gauss": numpy_state["has_gauss"],
            "gauss": numpy_state["gauss"],
        }
    )
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
