"""Randomness: one seed for everything, and generators that go on exactly where they stopped.

A resumed training gives the weights of the uninterrupted one only if Python's, numpy's and
torch's generators continue with the next number and every operation is deterministic. The states
are kept as plain values and tensors, so that a checkpoint needs no pickled classes.
"""

import os
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def make_deterministic(seed: int) -> None:
    """Seed every generator and choose deterministic algorithms.

    Operations that torch has only in a non-deterministic form (some backward passes on GPUs)
    warn and run.
    """
    # cuBLAS reads this when its first handle is made; torch demands it for deterministic products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling fresh memory guards against kernels that read it; it costs time and none here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def generator_states() -> dict[str, Any]:
    """Return where every generator stands."""
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
    """Let every generator go on from `generator_states()`.

    States of GPUs are passed over where their number differs: that training is resumed on other
    hardware, where equal bits cannot be had anyway.
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
