"""One request for all the values that a tick needs of a GPU, and how its answers are read.

`nvmlDeviceGetFieldValues` answers several fields at once, each with a return code of its own: the
code is looked at before the value. The request is kept and filled in place at every read.

Facts about fields: nvml.h, "Field Identifiers" and "Power Scope".
"""

from typing import Any, Final

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


def read_fields(handle: Any, buffer: Any) -> Any:
    """Fill `buffer`; pynvml's own wrapper builds a new one each time and costs twice as much."""
    code = pynvml.nvmlLib.nvmlDeviceGetFieldValues(handle, len(_FIELDS), buffer)
    if code != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(code)
    return buffer


_VALUE_MEMBERS: Final = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
}


def value_of(field_value: Any, unit: float) -> float | None:
    """Return a field's value in units of `unit`, None where its own return code is an error."""
    if field_value.nvmlReturn != pynvml.NVML_SUCCESS:
        return None
    raw = getattr(field_value.value, _VALUE_MEMBERS[field_value.valueType])
    return raw if unit == 1 else raw * unit  # type: ignore[no-any-return]
