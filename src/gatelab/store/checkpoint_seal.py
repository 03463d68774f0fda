"""The seal of a checkpoint: its step and a hash of every byte, at the end of the file.

A checkpoint of torch is a zip archive, which ends with a comment: the seal is that comment, so ``torch.load`` can read
a sealed file. (torch does not check the checksums of the archive and would not notice a flipped bit.)

    archive with the length of its comment | gatelab checkpoint 000000001200 <sha256 of all before, in hex>
"""

import hashlib
import os
from pathlib import Path

from gatelab.reading import open_regular

__all__ = ["seal", "sealed_step", "unseal"]

_PREFIX = b"gatelab checkpoint "
_DIGITS = 12
_LENGTH = len(_PREFIX) + _DIGITS + 1 + 64
_END = b"PK\x05\x06"  # the last record of an archive: 22 bytes, of which the last two are the length of the comment


def seal(archive: bytes, step: int) -> bytes:
    """Return an archive as ``torch.save`` makes it, with its seal."""
    if archive[-22:-18] != _END or archive[-2:] != b"\0\0":
        raise ValueError("not an archive without a comment")
    body = archive[:-2] + _LENGTH.to_bytes(2, "little") + _PREFIX + f"{step:0{_DIGITS}d} ".encode()
    return body + hashlib.sha256(body).hexdigest().encode()


def unseal(data: bytes) -> int:
    """Return the step of a sealed archive. Raises ValueError if it is damaged."""
    step = _step(data[-_LENGTH:])
    if step is None:
        raise ValueError("it has no end")
    if hashlib.sha256(data[:-64]).hexdigest().encode() != data[-64:]:
        raise ValueError("its content has changed")
    return step


def sealed_step(path: Path) -> int | None:
    """Return the step that the seal of a file names, without reading the file; None without file or seal."""
    try:
        with open_regular(path) as file:
            file.seek(-_LENGTH, os.SEEK_END)
            return _step(file.readall())
    except OSError:  # absent, or shorter than a seal
        return None


def _step(end: bytes) -> int | None:
    digits = end[len(_PREFIX) : len(_PREFIX) + _DIGITS]
    return int(digits) if len(end) == _LENGTH and end.startswith(_PREFIX) and digits.isdigit() else None
