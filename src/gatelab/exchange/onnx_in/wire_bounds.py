"""What a file of protobuf holds, counted on its bytes: a parser may need a hundred times the memory of a hostile file.

A message is a sequence of fields: a key (number × 8 + wire type) and a varint (type 0), 8 bytes (1), a length and as
many bytes (2), or 4 bytes (5). Source: the encoding guide of Protocol Buffers.
"""

from typing import Any

from gatelab.errors import UserError

__all__ = ["check_wire"]

_MOST_FIELDS = 1_000_000
_DEEPEST = 64
_MOST_PACKED = 2**26
"""Bytes of packed varints, each of which may become 8 bytes."""
_FIXED = {1: 8, 5: 4}


def check_wire(content: bytes, descriptor: Any, where: str) -> None:
    """Refuse bytes that are no message, or one of too many fields, too deep, or with text that is none.

    Args:
        content: the message.
        descriptor: what protobuf knows of its kind, ``ModelProto.DESCRIPTOR``.
        where: the file in errors.

    Raises:
        UserError: in one line.
    """
    fields = packed = 0
    waiting = [(descriptor, 0, len(content), 1)]
    while waiting:
        kind, place, end, depth = waiting.pop()
        known = kind.fields_by_number
        while place < end:
            fields += 1
            if fields > _MOST_FIELDS:
                raise UserError(f"{where}: too large: more than {_MOST_FIELDS} nodes, names and values")
            key, place = _varint(content, place, end, where)
            number, wire = key >> 3, key & 7
            if wire == 0:
                _, place = _varint(content, place, end, where)
                continue
            length, place = (_FIXED[wire], place) if wire in _FIXED else _length(wire, content, place, end, where)
            if number == 0 or length > end - place:
                raise UserError(f"{where}: damaged or no ONNX file: it ends within a field (byte {place})")
            field = known.get(number) if wire == 2 else None
            if field is None:
                pass
            elif field.message_type is not None:
                if depth == _DEEPEST:
                    raise UserError(f"{where}: graphs within graphs, more than {_DEEPEST} messages deep")
                waiting.append((field.message_type, place, place + length, depth + 1))
            elif field.type == field.TYPE_STRING:
                _check_text(content[place : place + length], where)
            elif field.type not in (field.TYPE_BYTES, field.TYPE_FLOAT, field.TYPE_DOUBLE):
                packed += length
                if packed > _MOST_PACKED:
                    raise UserError(f"{where}: too large: whole numbers of more than {_MOST_PACKED} bytes")
            place += length


def _varint(content: bytes, place: int, end: int, where: str) -> tuple[int, int]:
    """Return a number and the place behind it: seven bits a byte, the lowest first."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise UserError(f"{where}: damaged or no ONNX file: it ends within a number (byte {place})")


def _length(wire: int, content: bytes, place: int, end: int, where: str) -> tuple[int, int]:
    if wire != 2:
        raise UserError(f"{where}: damaged or no ONNX file: a field of unknown type {wire} (byte {place})")
    return _varint(content, place, end, where)


def _check_text(text: bytes, where: str) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise UserError(f"{where}: damaged or no ONNX file: a name is not UTF-8 text") from None
