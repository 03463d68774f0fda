"""The weights of an exported program of torch (.pt2), read as data: a table in JSON, and plain bytes.

torch.export.load would make the program; here nothing of it is read but ``data/weights``.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from gatelab.errors import UserError, one_line
from gatelab.reading import Limits, parse_json

__all__ = ["weights_of_program"]

_TABLE = re.compile(r"(.*/)?data/weights/[^/]*weights_config\.json")
_OLDER = re.compile(r"(.*/)?serialized_exported_program\.json")
_LIMITS = Limits(size=2**24, values=2**20)
_DTYPES = {6: torch.float16, 7: torch.float32, 8: torch.float64, 13: torch.bfloat16}
"""The number of a dtype in the table; tensors of others are no weights of a recurrent network."""
_STRIDED = 7

Count = Annotated[int, Field(ge=0, le=2**40)]


class _Stored(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Size(_Stored):
    as_int: Count


class _Meta(_Stored):
    dtype: int
    sizes: list[_Size] = Field(max_length=8)
    strides: list[_Size] = Field(max_length=8)
    storage_offset: _Size
    layout: int


class _Entry(_Stored):
    path_name: str = Field(pattern=r"^\w{1,64}$")
    use_pickle: Literal[False] = False
    tensor_meta: _Meta


def weights_of_program(content: bytes, where: str) -> Mapping[str, Tensor] | None:
    """Return name -> tensor of a program that ``torch.export.save`` wrote; None of another file.

    Raises:
        UserError: of an older torch, damaged, packed, or with tensors that are not plain.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            members = {member.filename: member for member in packed.infolist()}
            tables = [name for name in members if _TABLE.fullmatch(name)]
            if any(map(_OLDER.fullmatch, members)):
                raise UserError(f"{where}: an exported program of a torch before 2.9; save it again, or its state_dict")
            if not tables:
                return None
            if len(tables) > 1:
                raise UserError(f"{where}: holds {len(tables)} programs; must be one")
            return _tensors(packed, members, tables[0], where)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError):
        return None


def _tensors(
    packed: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], table: str, where: str
) -> dict[str, Tensor]:
    folder = table.rpartition("/")[0]
    order = members.get(f"{folder.removesuffix('data/weights')}byteorder")
    if order is not None and _bytes(packed, order, 16, where) != b"little":
        raise UserError(f"{where}: its bytes are not in the order little")
    named = f"{where}, {one_line(table)}"
    content = parse_json(_bytes(packed, members[table], _LIMITS.size, where), named, limits=_LIMITS)
    entries = content.get("config") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise UserError(f"{named}: must have the key config")
    found: dict[str, Tensor] = {}
    for name, entry in entries.items():
        read = _entry(entry, f"{named}, {one_line(name, 60)}")
        member = members.get(f"{folder}/{read.path_name}")
        if member is None:
            raise UserError(f"{named}, {one_line(name, 60)}: there is no {read.path_name}")
        if read.tensor_meta.dtype in _DTYPES:
            raw = _bytes(packed, member, member.compress_size, where)
            found[str(name)] = _tensor(raw, read.tensor_meta, f"{named}, {one_line(name, 60)}")
    return found


def _entry(entry: Any, named: str) -> _Entry:
    try:
        return _Entry.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{named}: {one_line(place, 40)}: {one_line(first['msg'], 80)}") from None


def _bytes(packed: zipfile.ZipFile, member: zipfile.ZipInfo, most: int, where: str) -> bytes:
    """Return a member, which torch never packs; one that is packed could claim to be of any size."""
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > most:
        raise UserError(f"{where}: {one_line(member.filename, 60)} is packed or too large")
    return packed.read(member)


def _tensor(raw: bytes, meta: _Meta, named: str) -> Tensor:
    sizes, strides = [one.as_int for one in meta.sizes], [one.as_int for one in meta.strides]
    dtype, offset = _DTYPES[meta.dtype], meta.storage_offset.as_int
    there = len(raw) // dtype.itemsize
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=False))
    if meta.layout != _STRIDED or len(sizes) != len(strides) or 0 in sizes or 0 in strides or last >= there:
        raise UserError(f"{named}: sizes {sizes} with strides {strides} do not fit {there} numbers")
    storage = torch.frombuffer(bytearray(raw), dtype=dtype, count=there)
    return storage.as_strided(sizes, strides, offset).clone()
