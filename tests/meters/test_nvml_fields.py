"""The driver's field values as plain memory mean what pynvml's structures say."""

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.meters import nvml_fields
from lowtide.meters.nvml_fields import make_buffer, read_fields, value_of, watts_of

NUMBERS = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: ("dVal", st.floats(allow_nan=False)),
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: ("uiVal", st.integers(0, 2**32 - 1)),
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: ("ulVal", st.integers(0, 2**64 - 1)),
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: ("ullVal", st.integers(0, 2**64 - 1)),
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: ("sllVal", st.integers(-(2**63), 2**63 - 1)),
}


class FilledDriver:
    """A driver that answers with `kind`, `code` and what `fill` writes into the value."""

    def __init__(self, kind, code, fill):
        self.kind, self.code, self.fill = kind, code, fill

    def nvmlDeviceGetFieldValues(self, handle, count, buffer):
        for item in buffer:
            item.timestamp, item.latencyUsec = 2**62, 7
            item.valueType, item.nvmlReturn = self.kind, self.code
            self.fill(item.value)
        return pynvml.NVML_SUCCESS


def ask(driver):
    """Return the first field value that this driver gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nvml_fields.pynvml, "nvmlLib", driver)
        return read_fields(None, make_buffer())[0]


@given(st.sampled_from(sorted(NUMBERS)).flatmap(lambda k: st.tuples(st.just(k), NUMBERS[k][1])))
def test_every_type_of_value_is_read_as_pynvml_writes_it(case):
    """The layout and each of the five types agree with the library's own structures."""
    kind, number = case
    member = NUMBERS[kind][0]
    field = ask(FilledDriver(kind, 0, lambda value: setattr(value, member, number)))

    assert value_of(field) == number
    assert watts_of(field) == number / 1000


def test_an_unsigned_int_ignores_what_lies_beside_it():
    """The driver fills four of eight bytes; the others may hold anything."""

    def fill(value):
        value.ullVal = 2**64 - 1
        value.uiVal = 250_000

    assert watts_of(ask(FilledDriver(pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, 0, fill))) == 250


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param(3, pynvml.NVML_ERROR_NOT_SUPPORTED, id="its own return code is an error"),
        pytest.param(99, pynvml.NVML_SUCCESS, id="a type of a driver to come"),
    ],
)
def test_a_value_that_cannot_be_read_is_absent(kind, code):
    """It is never zero, and no error of the tick."""
    field = ask(FilledDriver(kind, code, lambda value: setattr(value, "ullVal", 5)))

    assert value_of(field) is None
    assert watts_of(field) is None
