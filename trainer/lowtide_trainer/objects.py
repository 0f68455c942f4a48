"""State of a user's objects: models, optimisers, schedules and whatever else has a state.

The state is made of tensors and plain values, so that a checkpoint can be read without running
code. Wrappers of a model (DistributedDataParallel, torch.compile) are looked through: a checkpoint
fits with one process and with several.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from lowtide_trainer.errors import CheckpointMismatchError, UsageError

_PLAIN: Final = (str, bytes, int, float, bool, complex, type(None), Tensor, torch.Size, torch.dtype)


class StatefulObjects:
    """The objects whose state a checkpoint holds, by name or in order.

    An object has `state_dict` and `load_state_dict`, or is a `torch.Generator`.

    Raises:
        UsageError: an object has no state that can be saved.
    """

    def __init__(self, objects: Mapping[str, Any] | Sequence[Any]) -> None:
        named = objects.items() if isinstance(objects, Mapping) else enumerate(objects)
        self._objects = {str(name): _unwrapped(value) for name, value in named}
        for name, value in self._objects.items():
            if not isinstance(value, torch.Generator) and not (
                hasattr(value, "state_dict") and hasattr(value, "load_state_dict")
            ):
                raise UsageError(
                    f"state {name} is a {type(value).__name__}, which has no state_dict and "
                    "load_state_dict: give modules, optimisers, schedules or torch generators"
                )
        self._is_checked = False

    @property
    def parameters(self) -> int | None:
        """Return the number of trainable parameters, or `None` without a module."""
        modules = [value for value in self._objects.values() if isinstance(value, nn.Module)]
        if not modules:
            return None
        return sum(
            part.numel() for module in modules for part in module.parameters() if part.requires_grad
        )

    @property
    def device(self) -> torch.device | None:
        """Return the device of the first parameter, or `None` without one."""
        for value in self._objects.values():
            if isinstance(value, nn.Module):
                for part in value.parameters():
                    return part.device
        return None

    def to_content(self) -> dict[str, Any]:
        """Return the state of every object, and what identifies the objects.

        Raises:
            UsageError: a state holds something other than tensors and plain values.
        """
        states = {name: _state_of(value) for name, value in self._objects.items()}
        if not self._is_checked:
            for name, state in states.items():
                for kind in _foreign_kinds(state):
                    raise UsageError(
                        f"the state of {type(self._objects[name]).__name__} holds a {kind}: a "
                        "checkpoint holds tensors and plain values only, so convert it in "
                        "state_dict"
                    )
            self._is_checked = True
        return {"kinds": self._kinds(), "states": states}

    def load(self, content: Mapping[str, Any]) -> None:
        """Restore every object.

        Raises:
            CheckpointMismatchError: the content belongs to other objects.
        """
        there, here = content["kinds"], self._kinds()
        for name in sorted(there.keys() | here.keys()):
            if there.get(name) != here.get(name):
                raise CheckpointMismatchError(
                    f"the checkpoint belongs to another training: its state {name} is "
                    f"{there.get(name, 'absent')}, here it is {here.get(name, 'absent')}; give "
                    "each training its own checkpoint directory"
                )
        for name, value in self._objects.items():
            state = content["states"][name]
            if isinstance(value, torch.Generator):
                value.set_state(state)
                continue
            try:
                value.load_state_dict(state)
            except (RuntimeError, ValueError, KeyError) as error:
                first_line = str(error).strip().splitlines()[-1].strip()
                raise CheckpointMismatchError(
                    f"the checkpoint does not fit the {type(value).__name__} of this training "
                    f"({first_line}): give each training its own checkpoint directory"
                ) from error

    def _kinds(self) -> dict[str, str]:
        """Return each object's class, with the number of parameters of a module."""
        kinds = {}
        for name, value in self._objects.items():
            kinds[name] = type(value).__name__
            if isinstance(value, nn.Module):
                count = sum(part.numel() for part in value.parameters())
                kinds[name] += f" with {count} parameters"
        return kinds


def _unwrapped(value: Any) -> Any:
    """Return the user's own object inside the wrappers of frameworks."""
    while True:
        if isinstance(value, nn.parallel.DistributedDataParallel | nn.DataParallel):
            value = value.module
        elif isinstance(value, nn.Module) and hasattr(value, "_orig_mod"):
            value = value._orig_mod
        else:
            return value


def _state_of(value: Any) -> Any:
    return value.get_state() if isinstance(value, torch.Generator) else value.state_dict()


def _foreign_kinds(state: Any) -> Iterator[str]:
    """Yield the class names of values that a checkpoint does not hold."""
    if isinstance(state, Mapping):
        for key, value in state.items():
            yield from _foreign_kinds(key)
            yield from _foreign_kinds(value)
    elif isinstance(state, list | tuple | set):
        for value in state:
            yield from _foreign_kinds(value)
    elif not isinstance(state, _PLAIN):
        yield type(state).__name__
