"""Field values of NVML: one request for all that a tick needs of a GPU, and its answers.

`nvmlDeviceGetFieldValues` answers several fields at once, each with a return code of its own: the
code is looked at before the value. The request is kept and filled in place at every read. It is
read as plain memory: ten times a second, reading pynvml's structures member by member was the
largest single cost of the exporter.

Facts about fields: nvml.h, "Field Identifiers", "Power Scope" and `nvmlFieldValue_t`.
"""

import struct
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import pynvml

_GPU_SCOPE: Final = 0
"""Scope 1 is the module: on Grace it holds the CPU too and must never be read as a GPU."""
_FIELDS: Final = (
    (pynvml.NVML_FI_DEV_ENERGY, _GPU_SCOPE),
    (pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0),
    (pynvml.NVML_FI_DEV_POWER_AVERAGE, _GPU_SCOPE),
    (pynvml.NVML_FI_DEV_POWER_INSTANT, _GPU_SCOPE),
)


def make_buffer() -> Any:
    """Return the request that `read_fields` fills in place at every read."""
    buffer = (pynvml.c_nvmlFieldValue_t * len(_FIELDS))()
    for value, (field_id, scope) in zip(buffer, _FIELDS, strict=True):
        value.fieldId, value.scopeId = field_id, scope
    return buffer


FieldValue: TypeAlias = tuple[int, int, int]
"""One answer: how its eight bytes are to be read, its return code, and the bytes."""
_LAYOUT: Final = struct.Struct("=24xiiQ")
"""Of `nvmlFieldValue_t`; ids and times come first and are not needed."""
_READERS: Final[dict[int, Callable[[int], float]]] = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: lambda raw: _reread(raw, "=d"),
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: lambda raw: raw & 0xFFFF_FFFF,
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: lambda raw: raw,
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: lambda raw: raw,
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: lambda raw: _reread(raw, "=q"),
}


def _reread(raw: int, layout: str) -> float:
    """Return the number that eight bytes mean as another type."""
    (value,) = struct.unpack(layout, struct.pack("=Q", raw))
    assert isinstance(value, int | float)
    return value


def read_fields(handle: Any, buffer: Any) -> list[FieldValue]:
    """Fill `buffer` and return its values in the order of the request.

    Raises:
        NVMLError: the call itself failed.
    """
    code = pynvml.nvmlLib.nvmlDeviceGetFieldValues(handle, len(_FIELDS), buffer)
    if code != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(code)
    return list(_LAYOUT.iter_unpack(buffer))


def value_of(field: FieldValue) -> float | None:
    """Return a field's number, None where its return code is an error or its type is not known."""
    kind, code, raw = field
    reader = _READERS.get(kind)
    return None if code != pynvml.NVML_SUCCESS or reader is None else reader(raw)


def code_of(field: FieldValue) -> int:
    """Return a field's own return code."""
    return field[1]


def watts_of(field: FieldValue) -> float | None:
    """Return the power of a field in milliwatts, in watts."""
    value = value_of(field)
    return None if value is None else value / 1000
