"""Protobuf's wire format: just enough to read the kubelet's PodResources answers.

Written by hand because generated stubs are tied to one major version of protobuf, and a library
of several megabytes for five nested messages would double the exporter's code in memory (see
docs/decisions/podresources-decoder.md). Unknown fields are skipped, as protobuf demands.
Encoding specification: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

from lowtide.meters.errors import MalformedAnswerError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at `at` and the position after it.

    Raises:
        MalformedAnswerError: the data ends inside the number, or it is longer than ten bytes.
    """
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise MalformedAnswerError("the answer ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedAnswerError(f"number of more than ten bytes at offset {at - 10}")


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of one message: an int for numbers, bytes for all else.

    Raises:
        MalformedAnswerError: the data is not a protobuf message.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise MalformedAnswerError(f"field number 0 at offset {at}")
        if kind == _VARINT:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = read_varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise MalformedAnswerError(f"wire type {kind} at offset {at} is not in use")
        if at + size > end:
            raise MalformedAnswerError(f"field {number} of {size} bytes reaches beyond the answer")
        yield number, data[at : at + size]
        at += size


def read_text(value: int | bytes) -> str:
    """Return a text field.

    Raises:
        MalformedAnswerError: it is a number, or not UTF-8.
    """
    if isinstance(value, int):
        raise MalformedAnswerError(f"found the number {value} where a text belongs")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedAnswerError(f"text {value[:40]!r} is not UTF-8") from None


def read_message(value: int | bytes) -> bytes:
    """Return the bytes of a nested message.

    Raises:
        MalformedAnswerError: it is a number.
    """
    if isinstance(value, int):
        raise MalformedAnswerError(f"found the number {value} where a message belongs")
    return value


def read_numbers(value: int | bytes) -> tuple[int, ...]:
    """Return a repeated integer field, packed or not."""
    if isinstance(value, int):
        return (value,)
    numbers, at = [], 0
    while at < len(value):
        number, at = read_varint(value, at)
        numbers.append(number)
    return tuple(numbers)
